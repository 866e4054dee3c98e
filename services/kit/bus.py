"""The bus: NATS JetStream, one stream per owning service on `<service>.>`, kept on disk for seven days.

The relay publishes, consumer.py consumes. Streams are the same wherever they are declared, so whoever comes first makes
them: `ensure_stream("queue")` from queue's own relay or from a consumer in reports.
"""

import asyncio
from collections.abc import Mapping

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError

from services.kit.addresses import nats_servers
from services.kit.logs import get_logger
from services.kit.outage import Outage

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
    """One connection to NATS, which waits for the server and outlives every restart of it."""

    def __init__(self, url: str, *, name: str, replicas: int = 1) -> None:
        """Nothing is connected before `open`. `url` may be several with commas between them; any one will do.

        `name` shows in NATS's connection list; replicas is 1, 3 or 5.
        """
        self.client = Client()
        self.jetstream: JetStreamContext = self.client.jetstream(timeout=_PUBLISH_SECONDS)
        self._url, self._name, self._replicas = url, name, replicas
        self._in_flight = asyncio.Semaphore(_IN_FLIGHT)
        self._is_open = self._is_closing = False
        self._problem = ""

    async def open(self, service: str) -> None:
        """Connect and make the service's stream, waiting for NATS as long as it takes; until then all else fails."""
        await self.connect()
        outage = Outage(part="stream", service=service)
        while True:
            try:
                return await self.ensure_stream(service)
            except BusError as problem:
                await outage.wait(str(problem))

    async def connect(self) -> None:
        """Connect, waiting for NATS as long as it takes: enough for who uses no stream."""
        await self.client.connect(
            nats_servers(self._url),
            name=self._name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # it sleeps so long, whole or not
            connect_timeout=2,
            ping_interval=10,
            max_outstanding_pings=2,
            error_cb=self._log_error,
            disconnected_cb=self._log_disconnected,
            reconnected_cb=self._log_connected,
        )
        self._is_open = True
        await self._log_connected()

    async def ensure_stream(self, service: str) -> None:
        """Make the service's stream if it is not there, with the settings of this release. BusError if it cannot.

        Its copies may grow and never get fewer: that is an operator's decision.
        """
        config = StreamConfig(
            name=stream_name(service),
            subjects=[f"{service}.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=STREAM_DAYS * _DAY_SECONDS,
            duplicate_window=_DUPLICATE_WINDOW_SECONDS,
            num_replicas=self._replicas,
        )
        self._check_open()
        try:
            try:
                await self.jetstream.add_stream(config)
            except BadRequestError:
                known = (await self.jetstream.stream_info(stream_name(service))).config
                # A process that was told of fewer copies than there are takes none away from the others.
                copies = max(self._replicas, known.num_replicas or 1)
                await self.jetstream.update_stream(config, num_replicas=copies)
        except _HIDDEN_ERRORS as problem:
            raise BusError(type(problem).__name__) from problem

    async def publish(
        self, subject: str, payload: bytes, event_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Hand an event to its stream and wait until NATS has it. For 10 minutes NATS drops another of the same id.

        A stream that is gone (NATS lost its data) is made anew. BusError when NATS does not take it.
        """
        self._check_open()
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
            async with asyncio.timeout(_CHECK_SECONDS):
                await self.jetstream.account_info()
        except (APIError, *_HIDDEN_ERRORS) as problem:
            raise BusError(type(problem).__name__) from problem

    async def check_connection(self) -> None:
        """Raise BusError unless NATS answers within two seconds; for who uses no stream."""
        if not self.client.is_connected:
            raise BusError("not connected")
        try:
            await self.client.flush(int(_CHECK_SECONDS))
        except _HIDDEN_ERRORS as problem:
            raise BusError(type(problem).__name__) from problem

    async def close(self) -> None:
        """Send what is buffered and end the connection."""
        self._is_closing = True
        if not self._is_open:
            return
        try:
            async with asyncio.timeout(1):
                await self.client.flush()
        except _HIDDEN_ERRORS:
            _log.warning("nats_closed_unflushed")
        await self.client.close()

    def _check_open(self) -> None:
        if not self._is_open:
            raise BusError("not connected")

    async def _log_error(self, problem: Exception) -> None:
        """Say each kind of problem once until NATS answers: the client tries four times a second."""
        kind = type(problem).__name__
        if kind != self._problem or self.client.is_connected:
            _log.warning("nats_error", problem=kind)
        self._problem = kind

    async def _log_disconnected(self) -> None:
        if not self._is_closing:
            _log.warning("nats_disconnected")

    async def _log_connected(self) -> None:
        self._problem = ""
        server = self.client.connected_url
        _log.info("nats_connected", server=server.netloc.rpartition("@")[2] if server else "")
