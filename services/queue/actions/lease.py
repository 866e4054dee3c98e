"""Holding a claim while a provider is called: which calls may begin, and until when.

A call begins only when the batch already says so in the database (`begun`), and only if it ends before the lease does.
The mark moves ahead of the calls, a slice at a time, so that they seldom wait for it.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.queue.stop_points import reach
from services.queue.store import batches
from services.queue.work import Batch


@dataclass(frozen=True)
class Terms:
    """How one claim is held."""

    lease_seconds: float
    """After this long without a word the batch is somebody else's."""
    call_seconds: float
    """The longest that one call may take: none begins later than that before the lease's end."""
    slice_size: int
    """For how many recipients at a time it is recorded that their calls begin."""


class Lease:
    """One claim's lease. `async with` renews it."""

    def __init__(self, engine: AsyncEngine, clock: Clock, batch: Batch, terms: Terms, until: float) -> None:
        """The claim has recorded the first slice; its lease ends at `until`, by time.monotonic()."""
        self._engine, self._clock, self._batch, self._terms = engine, clock, batch, terms
        self._places = {number: place for place, number in enumerate(batch.numbers, 1)}
        self._begun = batch.begun
        self._marking: asyncio.Task[bool] | None = None
        self._is_cut = False
        self._holds_until = until
        self._renewing: asyncio.Task[None] | None = None

    async def may_continue(self, number: int) -> bool:
        """Tell whether the call for a recipient may begin now; waits until the database says that it has begun."""
        place = self._places[number]
        if place > self._begun - self._terms.slice_size // 2:
            self._mark_ahead()
        while place > self._begun and self._marking:
            await asyncio.wait({self._marking})
            self._mark_ahead()
        return place <= self._begun and self._has_time()

    async def __aenter__(self) -> "Lease":
        """Begin to renew."""
        self._renewing = asyncio.create_task(self._renew(), name="lease")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        tasks = [each for each in (self._renewing, self._marking) if each]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _has_time(self) -> bool:
        has_lease = time.monotonic() + self._terms.call_seconds < self._holds_until
        return has_lease and self._clock() < self._batch.expires_at

    def _mark_ahead(self) -> None:
        """Move the mark in the background, unless that is being done or can no longer be."""
        if self._marking and not self._marking.done():
            return
        if self._marking and (self._marking.exception() or not self._marking.result()):
            # Without the mark no further call begins; what has not begun goes back to the queue.
            self._is_cut = True
        wanted = not self._is_cut and self._begun < len(self._batch.numbers)
        self._marking = asyncio.create_task(self._mark(), name="mark") if wanted else None

    async def _mark(self) -> bool:
        begun = min(self._begun + self._terms.slice_size, len(self._batch.numbers))
        is_held = await self._extend(begun)
        if is_held:
            self._begun = begun
            reach("after_mark")
        return is_held

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._terms.lease_seconds / 4)
            try:
                if not await self._extend(None):
                    self._holds_until = 0.0
                    return
            except ServiceError:
                # The database does not answer: the lease runs on, and calls end before it does.
                continue

    async def _extend(self, begun: int | None) -> bool:
        # Measured before the database is asked, so that our idea of the lease ends before the database's.
        started = time.monotonic()
        now = self._clock()
        until = now + timedelta(seconds=self._terms.lease_seconds)
        async with transaction(self._engine) as connection:
            if begun is None:
                is_held = await batches.renew(connection, self._batch, until)
            else:
                is_held = await batches.mark_begun(connection, self._batch, begun, now, until)
        if is_held:
            self._holds_until = max(self._holds_until, started + self._terms.lease_seconds)
        return is_held
