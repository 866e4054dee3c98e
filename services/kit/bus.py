"""The bus: NATS JetStream, one stream per owning service on `<service>.>`, kept on disk for seven days.

The relay publishes, consumer.py consumes. Streams are the same wherever they are declared, so whoever comes first makes
them: `ensure_stream("queue")` from queue's own relay or from a consumer in reports.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError

from services.kit.logs import get_logger

_log = get_logger(__name__)
DEAD_LETTERS = "dead"
"""The stream of events that no handler could take, on `dead.<durable>`."""
STREAM_DAYS = 7
_DAY_SECONDS = 86_400.0
_DUPLICATE_WINDOW_SECONDS = 600.0
_PUBLISH_SECONDS = 5.0
_CHECK_SECONDS = 2.0
_IN_FLIGHT = 256
_HIDDEN_ERRORS = (NatsError, OSError, asyncio.TimeoutError)


class BusError(Exception):
    """NATS did not take or give something; trying again later is right."""


def stream_name(service: str) -> str:
    """Return the stream that the service owns."""
    return service.upper()


class Bus:
    """One connection to NATS, which outlives every restart of the server."""

    def __init__(self, client: Client, replicas: int) -> None:
        """Use Bus.connect instead."""
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=_PUBLISH_SECONDS)
        self._replicas = replicas
        self._in_flight = asyncio.Semaphore(_IN_FLIGHT)
        self._is_closing = False

    @classmethod
    async def connect(cls, url: str, *, name: str, replicas: int = 1) -> "Bus":
        """Connect, waiting for NATS as long as it takes. `name` shows in its connection list; replicas is 1, 3 or 5."""

        async def disconnected() -> None:
            if bus is None or not bus._is_closing:
                _log.warning("nats_disconnected")

        bus: Bus | None = None
        client = await nats.connect(
            url,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,
            connect_timeout=2,
            ping_interval=10,
            max_outstanding_pings=2,
            error_cb=_log_error,
            disconnected_cb=disconnected,
            reconnected_cb=_log_reconnected,
        )
        _log.info("nats_connected", server=urlsplit(url).netloc.rpartition("@")[2])
        bus = cls(client, replicas)
        return bus

    async def ensure_stream(self, service: str) -> None:
        """Make the service's stream if it is not there, with the settings of this release. BusError if it cannot."""
        config = StreamConfig(
            name=stream_name(service),
            subjects=[f"{service}.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=STREAM_DAYS * _DAY_SECONDS,
            duplicate_window=_DUPLICATE_WINDOW_SECONDS,
            num_replicas=self._replicas,
        )
        try:
            try:
                await self.jetstream.add_stream(config)
            except BadRequestError:
                await self.jetstream.update_stream(config)
        except _HIDDEN_ERRORS as problem:
            raise BusError(type(problem).__name__) from problem

    async def publish(
        self, subject: str, payload: bytes, event_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Hand an event to its stream and wait until NATS has it. For 10 minutes NATS drops another of the same id.

        A stream that is gone (NATS lost its data) is made anew. BusError when NATS does not take it.
        """
        every = {**(headers or {}), "Nats-Msg-Id": event_id}
        async with self._in_flight:
            try:
                try:
                    await self.jetstream.publish(subject, payload, headers=every)
                except NoStreamResponseError:
                    await self.ensure_stream(subject.split(".", 1)[0])
                    await self.jetstream.publish(subject, payload, headers=every)
            except _HIDDEN_ERRORS as problem:
                raise BusError(type(problem).__name__) from problem

    async def check(self) -> None:
        """Raise BusError unless JetStream answers within two seconds; feed it to Health."""
        if not self.client.is_connected:
            raise BusError("not connected")
        try:
            await asyncio.wait_for(self.jetstream.account_info(), _CHECK_SECONDS)
        except (APIError, *_HIDDEN_ERRORS) as problem:
            raise BusError(type(problem).__name__) from problem

    async def close(self) -> None:
        """Send what is buffered and end the connection."""
        self._is_closing = True
        try:
            await asyncio.wait_for(self.client.flush(), 1)
        except _HIDDEN_ERRORS:
            _log.warning("nats_closed_unflushed")
        await self.client.close()


async def _log_error(problem: Exception) -> None:
    _log.warning("nats_error", problem=type(problem).__name__)


async def _log_reconnected() -> None:
    _log.info("nats_reconnected")
