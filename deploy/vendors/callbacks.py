"""Sends the vendors' webhooks: after a delay, and again when the receiver fails, as each vendor does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

_LOG = logging.getLogger("vendors.callbacks")
_WORKERS = 64
_FETCH_SECONDS = 15.0


@dataclass(frozen=True)
class RetryPolicy:
    """How long a vendor waits for an answer and after which pauses it tries again; all in seconds."""

    timeout_seconds: float
    pauses_seconds: tuple[float, ...]
    on_statuses: Callable[[int], bool] = lambda status: not 200 <= status < 300
    on_no_connection: bool = True
    on_timeout: bool = True


MODERATION_POLICY = RetryPolicy(5.0, (1.0, 2.0, 4.0, 8.0))
"""ModerationAPI: an answer within 5 s, else up to five tries with back-off."""


def sns_policy(retries: int) -> RetryPolicy:
    """Amazon SNS's HTTP delivery policy: by default three retries, 20 s apart; a subscription may ask for more."""
    return RetryPolicy(15.0, (20.0,) * retries)


@dataclass(slots=True)
class Webhook:
    """One call to make. `expect` sees the answer's status and text once, when it came."""

    url: str
    body: bytes
    headers: dict[str, str]
    policy: RetryPolicy
    kind: str
    method: str = "POST"
    retry_headers: Callable[[int], dict[str, str]] = lambda _attempt: {}
    expect: Callable[[int, str], None] | None = None
    attempt: int = 0
    epoch: int = field(default=0)


class Callbacks:
    """A bounded set of workers over one queue; delays live on the event loop's own clock."""

    def __init__(self, retry_scale: float) -> None:
        """Multiply every pause between attempts by `retry_scale` (0 retries at once)."""
        self._scale = retry_scale
        self._queue: asyncio.Queue[Webhook] = asyncio.Queue()
        self._epoch = 0
        self._session: aiohttp.ClientSession | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._fetches: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Open the HTTP session and start the workers."""
        connector = aiohttp.TCPConnector(limit=_WORKERS, keepalive_timeout=15)
        # The body is written exactly as it was signed, so aiohttp must add no content type of its own.
        self._session = aiohttp.ClientSession(connector=connector, skip_auto_headers=("Content-Type",))
        self._workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]

    async def stop(self) -> None:
        """Stop at once; what was not sent is dropped."""
        for task in (*self._workers, *self._fetches):
            task.cancel()
        await asyncio.gather(*self._workers, *self._fetches, return_exceptions=True)
        if self._session:
            await self._session.close()

    def reset(self) -> None:
        """Forget everything that is waiting, and the counts."""
        self._epoch += 1
        self._under_way = 0
        self.counts.clear()

    @property
    def pending(self) -> int:
        """How many steps and webhooks are waiting or under way."""
        return self._under_way

    def later(self, seconds: float, step: Callable[[], None]) -> None:
        """Run `step` after so many seconds, unless a reset comes first."""
        self._under_way += 1
        asyncio.get_running_loop().call_later(max(seconds, 0.0), self._run, self._epoch, step)

    def _run(self, epoch: int, step: Callable[[], None]) -> None:
        if epoch == self._epoch:
            self._under_way -= 1
            step()

    def post(self, webhook: Webhook) -> None:
        """Queue a webhook for its first attempt."""
        webhook.epoch = self._epoch
        self._under_way += 1
        self._queue.put_nowait(webhook)

    def fetch(self, url: str, use: Callable[[int, str, bytes], None]) -> None:
        """Get what is at an address once; `use` sees status, content type and content, status 0 when nobody answers."""
        self._under_way += 1
        task = asyncio.create_task(self._fetch(self._epoch, url, use))
        self._fetches.add(task)
        task.add_done_callback(self._fetches.discard)

    async def _fetch(self, epoch: int, url: str, use: Callable[[int, str, bytes], None]) -> None:
        if self._session is None:
            raise RuntimeError("start() comes first")
        found = (0, "", b"")
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
            timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
            async with self._session.get(URL(url, encoded=True), timeout=timeout) as response:
                found = (response.status, response.content_type, await response.read())
        if epoch == self._epoch:
            self._under_way -= 1
            use(*found)

    async def _work(self) -> None:
        while True:
            webhook = await self._queue.get()
            if webhook.epoch != self._epoch:
                continue
            retry = await self._attempt(webhook)
            if webhook.epoch != self._epoch:
                continue
            self._under_way -= 1
            if retry:
                self._again(webhook)

    def _again(self, webhook: Webhook) -> None:
        if webhook.attempt >= len(webhook.policy.pauses_seconds):
            self.counts[f"{webhook.kind}.given_up"] += 1
            return
        pause = webhook.policy.pauses_seconds[webhook.attempt] * self._scale
        webhook.attempt += 1
        self.later(pause, lambda: self.post(webhook))

    async def _attempt(self, webhook: Webhook) -> bool:
        """Make one call; True when the vendor would try again."""
        try:
            status, text = await self.call(webhook)
        except (TimeoutError, aiohttp.ServerTimeoutError):
            self.counts[f"{webhook.kind}.timed_out"] += 1
            return webhook.policy.on_timeout
        except (aiohttp.ClientError, OSError, ValueError):
            self.counts[f"{webhook.kind}.no_connection"] += 1
            return webhook.policy.on_no_connection
        self.counts[f"{webhook.kind}.{status}"] += 1
        if webhook.expect is not None:
            self._show_answer(webhook.expect, webhook.kind, status, text)
        return webhook.policy.on_statuses(status)

    @staticmethod
    def _show_answer(expect: Callable[[int, str], None], kind: str, status: int, text: str) -> None:
        # A broken answer from the system under test must not end a worker.
        try:
            expect(status, text)
        except Exception:  # noqa: BLE001 - whatever it is, the worker goes on
            _LOG.exception("the answer to a %s webhook could not be used", kind)

    async def call(self, webhook: Webhook) -> tuple[int, str]:
        """Make one attempt now; returns status and text. Raises aiohttp.ClientError, OSError or TimeoutError."""
        if self._session is None:
            raise RuntimeError("start() comes first")
        timeout = aiohttp.ClientTimeout(total=webhook.policy.timeout_seconds)
        headers = webhook.headers | (webhook.retry_headers(webhook.attempt) if webhook.attempt else {})
        request = self._session.request(
            webhook.method,
            URL(webhook.url, encoded=True),
            data=webhook.body or None,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        )
        async with request as response:
            return response.status, await response.text(errors="replace") if webhook.expect else await _drained(
                response
            )


async def _drained(response: aiohttp.ClientResponse) -> str:
    """Read an answer that nobody looks at, so that the connection can be used again."""
    with contextlib.suppress(aiohttp.ClientPayloadError):
        await response.read()
    return ""
