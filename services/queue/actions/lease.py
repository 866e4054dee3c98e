"""Holding a claim while a provider is called: renewed as time passes, and no call begins that could outlive it."""

import asyncio
import time
from datetime import timedelta
from types import TracebackType

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.queue.records import Batch
from services.queue.store import batches


class Lease:
    """One claim's lease. `async with` renews it."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, batch: Batch, lease_seconds: float, call_seconds: float
    ) -> None:
        """call_seconds is the longest that one call may take: none begins later than that before the lease's end."""
        self._engine, self._clock, self._batch = engine, clock, batch
        self._lease_seconds, self._call_seconds = lease_seconds, call_seconds
        self._holds_until = 0.0
        self._renewing: asyncio.Task[None] | None = None

    async def begin(self) -> bool:
        """Record that the provider is about to be called; False when the claim is lost."""
        return await self._extend(is_first=True)

    def may_continue(self) -> bool:
        """Tell whether another call may begin: the lease holds long enough, and the delivery's time has not ended."""
        has_lease = time.monotonic() + self._call_seconds < self._holds_until
        return has_lease and self._clock() < self._batch.expires_at

    async def __aenter__(self) -> "Lease":
        """Begin to renew."""
        self._renewing = asyncio.create_task(self._renew(), name="lease")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        if self._renewing:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 4)
            try:
                if not await self._extend(is_first=False):
                    self._holds_until = 0.0
                    return
            except ServiceError:
                # The database does not answer: the lease runs on, and calls end before it does.
                continue

    async def _extend(self, *, is_first: bool) -> bool:
        # Measured before the database is asked, so that our idea of the lease ends before the database's.
        started = time.monotonic()
        now = self._clock()
        until = now + timedelta(seconds=self._lease_seconds)
        async with transaction(self._engine) as connection:
            if is_first:
                is_held = await batches.mark_calling(connection, self._batch, now, until)
            else:
                is_held = await batches.renew(connection, self._batch, until)
        if is_held:
            self._holds_until = started + self._lease_seconds
        return is_held
