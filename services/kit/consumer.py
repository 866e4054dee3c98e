"""Consuming events: our own pull loop over a durable consumer, which survives every restart and loss of NATS.

Requests overlap, so that the server never waits for the next one; heartbeats show that they are alive. nats-py's own
fetch loses pulls when heartbeats are on, hence this loop. handling.py says what becomes of each event.
"""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import BadRequestError

from services.kit.bus import Bus, BusError, stream_name
from services.kit.handling import Event, Handler, Handling, Poison
from services.kit.logs import get_logger
from services.kit.outage import Outage

__all__ = ["Consumer", "Event", "Handler", "Poison", "Subscribing"]

_log = get_logger(__name__)
_HEARTBEAT_SECONDS = 1.0
_SILENCE_SECONDS = 2.5
_EXPIRES_SECONDS = 30.0
_RETRY_SECONDS = 0.5


@dataclass(frozen=True)
class Subscribing:
    """What to consume, and how hard."""

    service: str
    """Whose events."""
    durable: str
    """`<svc>-<purpose>`; replicas share it."""
    subjects: tuple[str, ...]
    batch: int = 1
    """Most events that one call of the handler gets, 1 to 500."""
    workers: int = 4
    """Calls of the handler at the same time; 1 keeps the order of events within one replica."""
    ack_wait_seconds: float = 30.0
    """How long after a crash another replica gets the event; a living handler may take longer."""
    max_attempts: int = 6
    """Deliveries of an event whose handler fails as a bug does, before it becomes a dead letter."""


class Consumer:
    """Delivers events to a handler. `run` it; `stop` ends it after the handlers that are at work."""

    def __init__(self, bus: Bus, subscribing: Subscribing, handler: Handler) -> None:
        """Nothing is asked of NATS before run."""
        self._bus, self._what = bus, subscribing
        self._handling = Handling(bus, subscribing.durable, handler, subscribing.max_attempts)
        self._stream = stream_name(subscribing.service)
        self._outage = Outage(part="consumer", durable=subscribing.durable)
        # One batch a worker at work and one waiting: more would keep other replicas idle.
        self._room = subscribing.batch * subscribing.workers * 2
        self._waiting: asyncio.Queue[Msg] = asyncio.Queue()
        self._held: dict[int, Msg] = {}
        self._asked = 0
        self._heard_at = 0.0
        self._is_lost = False
        self._nudged = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def durable(self) -> str:
        """Its name in NATS."""
        return self._what.durable

    async def run(self) -> None:
        """Consume until `stop`; then finish what is at work and give back what is not."""
        helpers = [asyncio.create_task(self._work()) for _ in range(self._what.workers)]
        helpers.append(asyncio.create_task(self._keep()))
        try:
            while not self._stopping.is_set():
                await self._pull_until_lost()
            await self._finish()
        finally:
            for each in helpers:
                each.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def stop(self) -> None:
        """Ask run to end; await run for its end."""
        self._stopping.set()
        self._nudged.set()

    async def _pull_until_lost(self) -> None:
        """Declare the consumer and pull from it until it, its stream or the server has gone."""
        try:
            await self._declare()
            self._outage.over()
            inbox = self._bus.client.new_inbox()
            subscription = await self._bus.client.subscribe(inbox, cb=self._receive)
            try:
                await self._pull(inbox)
            finally:
                # Unsubscribing throws away what has come and was not looked at: in a stop it is to be given back.
                is_heard_out = self._stopping.is_set() and self._bus.client.is_connected
                await (subscription.drain() if is_heard_out else subscription.unsubscribe())  # type: ignore[no-untyped-call]
        except (BusError, NatsError, OSError, TimeoutError) as problem:
            await _wait(self._stopping, self._outage.failed(type(problem).__name__))

    async def _declare(self) -> None:
        await self._bus.ensure_stream(self._what.service)
        config = ConsumerConfig(
            durable_name=self._what.durable,
            filter_subjects=list(self._what.subjects),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._what.ack_wait_seconds,
            max_deliver=-1,
            max_ack_pending=max(1000, self._room * 16),
        )
        try:
            await self._bus.jetstream.add_consumer(self._stream, config)
        except BadRequestError as problem:
            # Someone's declaration differs in a way that NATS cannot change: a release error that must be seen.
            _log.error("consumer_refused", durable=self._what.durable, code=problem.err_code)
            raise

    async def _pull(self, inbox: str) -> None:
        self._asked, self._is_lost, self._heard_at = 0, False, time.monotonic()
        while not (self._stopping.is_set() or self._is_lost):
            await self._ask(inbox)
            await _wait(self._nudged, _HEARTBEAT_SECONDS)
            self._nudged.clear()
            # Heartbeats come only while a request is open.
            self._is_lost |= self._asked > 0 and time.monotonic() - self._heard_at > _SILENCE_SECONDS

    async def _ask(self, inbox: str) -> None:
        """Ask for what there is room for, once half of the room is free."""
        free = self._room - len(self._held) - self._asked
        if free * 2 < self._room:
            return
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._what.durable}"
        nanoseconds = {"expires": int(_EXPIRES_SECONDS * 1e9), "idle_heartbeat": int(_HEARTBEAT_SECONDS * 1e9)}
        await self._bus.client.publish(subject, json.dumps({"batch": free, **nanoseconds}).encode(), reply=inbox)
        if not self._asked:
            self._heard_at = time.monotonic()
        self._asked += free

    async def _receive(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self._asked = max(0, self._asked - 1)
            self._held[id(message)] = message
            self._waiting.put_nowait(message)
        elif status == "408":
            self._asked = max(0, self._asked - int(headers.get("Nats-Pending-Messages", self._asked)))
            self._nudged.set()
        elif status != "100":
            # The consumer, its stream or the server has gone.
            self._is_lost = True
            await _wait(self._stopping, _RETRY_SECONDS / 10)
            self._nudged.set()

    async def _work(self) -> None:
        while True:
            messages = [await self._waiting.get()]
            while len(messages) < self._what.batch and not self._waiting.empty():
                messages.append(self._waiting.get_nowait())
            try:
                await self._handling.handle(messages)
            finally:
                for message in messages:
                    self._held.pop(id(message), None)
                self._nudged.set()

    async def _keep(self) -> None:
        """Tell NATS, while events wait or are at work, that nobody else need have them."""
        while True:
            await asyncio.sleep(self._what.ack_wait_seconds / 3)
            for message in list(self._held.values()):
                try:
                    await message.in_progress()
                except NatsError:
                    break

    async def _finish(self) -> None:
        while not self._waiting.empty():
            message = self._waiting.get_nowait()
            self._held.pop(id(message), None)
            await self._handling.give_back(message)
        while self._held:
            self._nudged.clear()
            await self._nudged.wait()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
