"""What moderation consumes: requests of the queue. The durable is shared by all replicas."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.message import DecodeError

from protos.events.v1 import queue_pb2 as requests
from services.kit.consumer import Subscribing
from services.kit.errors import ServiceError
from services.kit.handling import Event, Poison
from services.kit.outage import Outage
from services.moderation.actions import Screening

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
_PAUSE_SECONDS = 1.0
_REFERENCE_SECONDS = 3600.0


class Handler:
    """Screens a batch of requests; acknowledged when each has its verdict or waits in the database."""

    def __init__(self, screen: Callable[[Sequence[requests.ScreeningRequested]], Awaitable[None]]) -> None:
        """Take what screens them: the first time, or again."""
        self._screen = screen

    async def __call__(self, events: Sequence[Event]) -> None:
        """Raise Poison for what is no request; the consumer finds the one at fault."""
        try:
            wanted = [requests.ScreeningRequested.FromString(each.payload) for each in events]
        except DecodeError as problem:
            raise Poison("not a ScreeningRequested") from problem
        for request, event in zip(wanted, events, strict=True):
            request.event_id = event.event_id
        await self._screen(wanted)


async def keep_trying(screening: Screening) -> None:
    """Screen what waits for the provider, for as long as the process lives; a lost database is waited for."""
    outage = Outage(part="screening what waits")
    while True:
        try:
            concluded = await screening.screen_waiting()
            await screening.measure_waiting()
            await screening.watch_provider()
            await screening.conversations.forget(screening.clock())
        except ServiceError as problem:
            await outage.wait(problem.reason)
            continue
        outage.over()
        if not concluded:
            await asyncio.sleep(_PAUSE_SECONDS)


async def keep_reference(screening: Screening) -> None:
    """Once an hour, take what the vendor gave over a week ago as the reference of its drift."""
    outage = Outage(part="reference of the vendor's drift")
    while True:
        try:
            await screening.compare_vendor()
        except ServiceError as problem:
            await outage.wait(problem.reason)
            continue
        outage.over()
        await asyncio.sleep(_REFERENCE_SECONDS)
