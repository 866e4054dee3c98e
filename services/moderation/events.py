"""What moderation consumes: requests of the queue. The durable is shared by all replicas."""

from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.message import DecodeError

from protos.events.v1 import queue_pb2 as requests
from services.kit.consumer import Subscribing
from services.kit.errors import ServiceError
from services.kit.handling import Event, Poison

SCREENING = Subscribing(
    service="queue",
    durable="moderation-screening",
    subjects=("queue.screening.requested.v1",),
    batch=16,
    workers=2,
    ack_wait_seconds=10.0,
)
RESCREENING = Subscribing(
    service="queue",
    durable="moderation-rescreening",
    subjects=("queue.rescreening.requested.v1",),
    batch=1,
    workers=1,
)
"""Apart from SCREENING, so that a period which is judged again never stands before a message that waits."""

Screen = Callable[[Sequence[requests.ScreeningRequested]], Awaitable[None]]
Hold = Callable[[requests.ScreeningRequested, Exception], Awaitable[None]]


class Handler:
    """Screens a batch of requests; acknowledged when each has its verdict or waits in the database."""

    def __init__(self, screen: Screen, hold: Hold | None = None) -> None:
        """Take what screens them, the first time or again, and what holds one on which that fails to the last."""
        self._screen, self._hold = screen, hold

    async def __call__(self, events: Sequence[Event]) -> None:
        """Raise Poison for what is no request; the consumer finds the one at fault."""
        try:
            wanted = [requests.ScreeningRequested.FromString(each.payload) for each in events]
        except DecodeError as problem:
            raise Poison("not a ScreeningRequested") from problem
        for request, event in zip(wanted, events, strict=True):
            # What an operator publishes again by hand may come without the header.
            request.event_id = event.event_id or request.event_id
        try:
            await self._screen(wanted)
        except ServiceError:
            raise
        except Exception as problem:
            # The consumer brings the one at fault alone; a dead letter would leave its message waiting for ever.
            is_last = len(events) == 1 and events[0].attempt >= SCREENING.max_attempts
            if self._hold is None or not is_last:
                raise
            await self._hold(wanted[0], problem)
