"""Who goes first within a replica: what students wrote, then what others ask."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.kit.errors import ResourceExhausted

OTHERS_AT_ONCE = 4
"""Texts of others that are judged at once; a student's message that arrives then waits for these at most."""


class Precedence:
    """Lets what students wrote go before what other systems ask, within one process."""

    def __init__(self) -> None:
        """Nothing is at work."""
        self._students = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._places = asyncio.Semaphore(OTHERS_AT_ONCE)

    @contextmanager
    def of_students(self) -> Iterator[None]:
        """Hold for as long as students' messages are judged."""
        self._students += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._students -= 1
            if not self._students:
                self._idle.set()

    @asynccontextmanager
    async def of_others(self, seconds: float) -> AsyncIterator[None]:
        """Hold for as long as one text of others is judged, begun when no student's is.

        ResourceExhausted when it cannot begin within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._begin()
        except TimeoutError:
            raise ResourceExhausted("SCREENING_BUSY", "Screening is busy; try again.", retry_after_seconds=1) from None
        try:
            yield
        finally:
            self._places.release()

    async def _begin(self) -> None:
        """Take a place, then wait for the turn: those whose turn came first would stand in a row before a student's."""
        await self._places.acquire()
        try:
            # Another student may have written before this one wakes.
            while self._students:
                await self._idle.wait()
        except asyncio.CancelledError:
            self._places.release()
            raise
