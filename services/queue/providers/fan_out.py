"""Handing batches over with several calls at the same time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from services.kit.logs import get_logger
from services.queue.domain import URGENT_LANES
from services.queue.providers.base import Answer, Handed, MayContinue
from services.queue.work import Delivery, Work

_log = get_logger(__name__)


class Places:
    """How many calls of one adapter may be open in this process, whatever the number of batches.

    Alerts and emergencies have as many places of their own: they never wait for an ordinary message (statement 308).
    """

    def __init__(self, most: int) -> None:
        """`most` ordinary calls, and as many urgent ones."""
        self.most = most
        self._ordinary, self._urgent = asyncio.Semaphore(most), asyncio.Semaphore(most)

    def of(self, work: Work) -> asyncio.Semaphore:
        """Return the places that a batch's calls take."""
        return self._urgent if work.batch.lane in URGENT_LANES else self._ordinary


async def fan_out(
    places: Places,
    work: Work,
    recipients: Sequence[Delivery],
    send: Callable[[Delivery], Awaitable[Handed]],
    may_continue: MayContinue,
) -> AsyncIterator[Handed]:
    """Yield each answer as it comes, with as many calls open as there are places; none begins against may_continue."""
    free = places.of(work)
    answers: asyncio.Queue[Handed] = asyncio.Queue()
    waiting = iter(recipients)

    async def call(one: Delivery) -> Handed:
        try:
            return await send(one) if await may_continue(one.number) else Handed(one.number, Answer.NOT_TRIED)
        except Exception as problem:  # noqa: BLE001  a bug with one delivery must not keep the others from being settled
            _log.error("hand_over_failed", exc_info=problem)
            return Handed(one.number, Answer.UNSURE)

    async def line() -> None:
        # Several lines take from one queue: a task for each call, and a look at all of them after each, cost more.
        for one in waiting:
            async with free:
                answers.put_nowait(await call(one))

    lines = [asyncio.create_task(line()) for _ in range(min(places.most, len(recipients)))]
    try:
        for _ in recipients:
            yield await answers.get()
    finally:
        for each in lines:
            each.cancel()
