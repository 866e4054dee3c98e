"""Handing batches over with several calls at the same time."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from services.kit.logs import get_logger
from services.queue.domain import URGENT_LANES
from services.queue.providers.base import Answer, Handed, MayContinue
from services.queue.work import Delivery, Work

_log = get_logger(__name__)
Turn = tuple[int, int]
"""Who goes first, the smaller: a batch's lane, then when it came."""


class _Free:
    """Some places, given by turn: when all are taken, to the first of those who wait."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[tuple[Turn, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def place(self, turn: Turn) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self._take(turn)
        try:
            yield
        finally:
            self._give()

    def is_wanted_before(self, turn: Turn) -> bool:
        """Tell whether somebody waits who goes first."""
        return bool(self._waiting) and self._waiting[0][0] < turn

    async def _take(self, turn: Turn) -> None:
        if self._free:
            self._free -= 1
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (turn, next(self._order), given))
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():
                self._give()
            raise

    def _give(self) -> None:
        while self._waiting:
            given = heapq.heappop(self._waiting)[2]
            if not given.done():
                given.set_result(None)
                return
        self._free += 1


class Places:
    """How many calls of one adapter may be open in this process, whatever the number of batches.

    Alerts and emergencies have as many places of their own: they never wait for an ordinary message (statement 308).
    The batch that came first goes first: it is being settled while the next is called, so that the places are never
    empty because all batches end together.
    """

    def __init__(self, most: int) -> None:
        """`most` ordinary calls, and as many urgent ones."""
        self.most = most
        self._ordinary, self._urgent = _Free(most), _Free(most)
        self._arrivals = itertools.count()

    def of(self, work: Work) -> tuple[_Free, Turn]:
        """Return the places that a batch's calls take, and its turn."""
        lane = work.batch.lane
        return self._urgent if lane in URGENT_LANES else self._ordinary, (lane, next(self._arrivals))


async def fan_out(
    places: Places,
    work: Work,
    recipients: Sequence[Delivery],
    send: Callable[[Delivery], Awaitable[Handed]],
    may_continue: MayContinue,
) -> AsyncIterator[Sequence[Handed]]:
    """Yield answers as they come, with as many calls open as there are places; none begins against may_continue."""
    free, turn = places.of(work)
    answers: list[Handed] = []
    came = asyncio.Event()
    waiting = iter(recipients)

    async def call(one: Delivery) -> Handed:
        try:
            return await send(one) if await may_continue(one.number) else Handed(one.number, Answer.NOT_TRIED)
        except Exception as problem:  # noqa: BLE001  a bug with one delivery must not keep the others from being settled
            _log.error("hand_over_failed", exc_info=problem)
            return Handed(one.number, Answer.UNSURE)

    async def line() -> None:
        # Several lines take from one queue: a task for each call, and a look at all of them after each, cost more.
        while True:
            async with free.place(turn):
                for one in waiting:
                    answers.append(await call(one))
                    came.set()
                    if free.is_wanted_before(turn):
                        break
                else:
                    return

    lines = [asyncio.create_task(line()) for _ in range(min(places.most, len(recipients)))]
    left = len(recipients)
    try:
        while left:
            await came.wait()
            came.clear()
            together = answers.copy()
            answers.clear()
            left -= len(together)
            yield together
    finally:
        for each in lines:
            each.cancel()
