"""What becomes of a delivered event: the handler's effect, then ack; a pause and another try; or the dead letters.

The handler commits its effect, then the event is acknowledged. What it raises decides what follows: Poison and
undecodable events go to dead letters at once; Unavailable, Aborted, DeadlineExceeded and ResourceExhausted are tried
again for as long as it takes; anything else is a bug, tried again a few times and then dead-lettered.
"""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from services.kit.bus import DEAD_LETTERS, Bus, BusError
from services.kit.errors import Aborted, DeadlineExceeded, ResourceExhausted, ServiceError, Unavailable
from services.kit.ids import new_id
from services.kit.logs import get_logger
from services.kit.telemetry import consuming, meter

_log = get_logger(__name__)
_duration = meter(__name__).create_histogram("messaging.process.duration", "s", "Handling of one batch of events.")
_dead = meter(__name__).create_counter("lantern.events.dead_lettered", "{event}", "Events that no handler could take.")

_TRANSIENT = (Unavailable, Aborted, DeadlineExceeded, ResourceExhausted)
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0


class Poison(Exception):
    """The event can never be handled. Its text goes into the dead letter's header: no personal data."""


@dataclass(frozen=True)
class Event:
    """One event as it was delivered."""

    subject: str
    event_id: str
    payload: bytes
    """Bytes of the message of protos/events/v1 that belongs to the subject."""
    attempt: int
    """1 at its first delivery."""


Handler = Callable[[Sequence[Event]], Awaitable[None]]
"""Commits the effect of all these events, or raises. Gets what is waiting: at least one, at most a batch."""


class Handling:
    """Runs one consumer's handler and settles the messages."""

    def __init__(self, bus: Bus, durable: str, handler: Handler, max_attempts: int) -> None:
        """max_attempts bounds the deliveries of an event whose handler fails as a bug does."""
        self._bus, self._durable, self._handler, self._max_attempts = bus, durable, handler, max_attempts
        # A rate sees the first one only of what has been there with 0.
        _dead.add(0, {"messaging.consumer.group.name": durable})

    async def handle(self, messages: Sequence[Msg]) -> None:
        """Handle the messages together; when several fail, each by itself, to find the one at fault."""
        events = [_event(message) for message in messages]
        try:
            started = time.monotonic()
            with consuming(events[0].subject, messages[0].headers or {}):
                await self._handler(events)
            _duration.record(time.monotonic() - started, {"messaging.consumer.group.name": self._durable})
        except Exception as problem:  # noqa: BLE001  whatever a handler raises must settle the message, and is logged
            if len(messages) > 1 and not isinstance(problem, _TRANSIENT):
                for message in messages:
                    await self.handle([message])
                return
            for message, event in zip(messages, events, strict=True):
                await self._failed(message, event, problem)
        else:
            for message in messages:
                await self._tell(message.ack)

    async def give_back(self, message: Msg) -> None:
        """Let another replica have a message that was not begun."""
        await self._tell(message.nak)

    async def _failed(self, message: Msg, event: Event, problem: Exception) -> None:
        is_transient = isinstance(problem, _TRANSIENT)
        is_poison = isinstance(problem, Poison | DecodeError)
        if is_poison or (not is_transient and event.attempt >= self._max_attempts):
            await self._bury(message, event, problem)
            return
        pause = _pause_seconds(event.attempt, problem)
        log = _log.warning if is_transient else _log.exception
        log(
            "event_failed",
            durable=self._durable,
            nats_subject=event.subject,
            event_id=event.event_id,
            attempt=event.attempt,
            problem=type(problem).__name__,
            pause_seconds=round(pause, 2),
        )
        await self._tell(lambda: message.nak(delay=pause))

    async def _bury(self, message: Msg, event: Event, problem: Exception) -> None:
        _log.error(
            "event_dead_lettered",
            exc_info=problem,
            durable=self._durable,
            nats_subject=event.subject,
            event_id=event.event_id,
        )
        headers = {
            "Lantern-Subject": event.subject,
            "Lantern-Event-Id": event.event_id,
            "Lantern-Problem": str(problem) if isinstance(problem, Poison) else type(problem).__name__,
        }
        try:
            await self._bus.publish(f"{DEAD_LETTERS}.{self._durable}", event.payload, new_id(), headers)
        except BusError:
            await self._tell(lambda: message.nak(delay=_FIRST_PAUSE_SECONDS))
            return
        _dead.add(1, {"messaging.consumer.group.name": self._durable})
        await self._tell(message.term)

    async def _tell(self, settle: Callable[[], Awaitable[None]]) -> None:
        try:
            await settle()
        except NatsError:
            # NATS delivers it again after ack_wait; first_time makes the second delivery harmless.
            _log.warning("event_unsettled", durable=self._durable)


def _event(message: Msg) -> Event:
    event_id = (message.headers or {}).get("Nats-Msg-Id", "")
    return Event(message.subject, event_id, message.data, message.metadata.num_delivered)


def _pause_seconds(attempt: int, problem: Exception) -> float:
    """Double from attempt to attempt, at most 30 s, with jitter so that replicas do not return together."""
    pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 10), _LONGEST_PAUSE_SECONDS)
    asked = problem.retry_after_seconds if isinstance(problem, ServiceError) else None
    return max(asked or 0.0, pause * random.uniform(0.5, 1.0))
