"""What the adapters to Amazon's services share: clients that never retry, their threads, what answers mean."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from services.queue.failures import BUSY, coded, explain, is_passing
from services.queue.providers.base import Answer, Handed

ResultT = TypeVar("ResultT")
_AWAY_SECONDS = 30.0


@dataclass(frozen=True)
class AwsSettings:
    """The account, and how it is reached."""

    region: str
    access_key_id: str
    secret_access_key: str
    endpoint_url: str
    """Empty means Amazon's own."""
    timeout_seconds: float = 10.0
    concurrency: int = 32


class AwsClient:
    """A boto3 client with threads of its own. boto3 blocks; its clients may be shared by threads."""

    def __init__(self, service: str, settings: AwsSettings) -> None:
        """Nothing is connected yet."""
        threads = 2 * settings.concurrency  # Urgent calls have places of their own: Places.
        self.client: Any = boto3.client(
            service,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key,
            endpoint_url=settings.endpoint_url or None,
            config=Config(
                connect_timeout=min(3.0, settings.timeout_seconds),
                read_timeout=settings.timeout_seconds,
                max_pool_connections=threads,
                # The queue owns the only retry: the library's own would send twice after a time-out.
                retries={"total_max_attempts": 1, "mode": "standard"},
            ),
        )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=service)

    async def call(self, function: Callable[..., ResultT], **arguments: Any) -> ResultT:
        """Run one of the client's calls on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(**arguments))

    async def close(self) -> None:
        """End the connections and the threads; calls at work are waited for."""
        await asyncio.to_thread(self._threads.shutdown)
        self.client.close()


class Regions:
    """Clients of one service in several regions, used in order; one that is away is left alone for half a minute."""

    def __init__(self, provider: str, service: str, settings: Sequence[AwsSettings]) -> None:
        """The first is the usual one; `provider` is the service as failures.csv names it."""
        self._provider = provider
        self._clients = [AwsClient(service, each) for each in settings]
        self._away_until = dict.fromkeys(self._clients, 0.0)

    async def hand_over(self, send: Callable[[AwsClient], Awaitable[Handed]]) -> Handed:
        """Return the answer of the first region that is there; the last answer when none is.

        Only what a region certainly did not take is handed to the next.
        """
        now = time.monotonic()
        present = [each for each in self._clients if self._away_until[each] <= now] or self._clients
        for client in present:
            handed = await send(client)
            # That we are too fast does not mean that a region is away.
            if handed.answer is not Answer.UNREACHABLE or explain(self._provider, handed.code).kind == BUSY:
                break
            self._away_until[client] = time.monotonic() + _AWAY_SECONDS
        return handed

    async def close(self) -> None:
        """End the connections."""
        for each in self._clients:
            await each.close()


def failed(provider: str, number: int, problem: BotoCoreError | ClientError) -> Handed:
    """Return what a failed call means for the delivery."""
    if isinstance(problem, EndpointConnectionError | ConnectTimeoutError):
        return Handed(number, Answer.UNREACHABLE)
    if not isinstance(problem, ClientError):
        return Handed(number, Answer.UNSURE)
    meta = problem.response.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    code = coded(provider, status, str(problem.response.get("Error", {}).get("Code", "")))
    if reason := problem.response.get("Reason"):
        # An exception alone says little, such as ConflictException for an opt-out.
        code = f"{code}/{reason}"
    # An answered error means that Amazon did not carry out the request; its own libraries send again after a 5xx.
    if status >= 500 or is_passing(provider, code):
        return Handed(number, Answer.UNREACHABLE, code=code, retry_after_seconds=_retry_after(meta))
    return Handed(number, Answer.REFUSED, code=code)


def _retry_after(meta: dict[str, Any]) -> float | None:
    value = str(meta.get("HTTPHeaders", {}).get("retry-after", ""))
    return float(value) if value.isdecimal() else None
