"""Calling a provider no faster than the account may, however many dispatchers there are (statements 308 and 311).

Every dispatcher takes a quarter of a second's calls at a time from one row of the database, and spreads them evenly.
What is urgent never waits for what is not; once ordinary calls were taken, at most that quarter second is overlapped.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.queue.domain import Lane
from services.queue.store import budgets

_TAKEN_SECONDS = 0.25
_URGENT = frozenset({Lane.ALERT, Lane.EMERGENCY})


@dataclass
class _Taken:
    """Calls that this process may make."""

    left: int = 0
    next_at: float = 0.0
    """When the next may begin, by time.monotonic()."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Pacer:
    """Gives the calls of one process their turns."""

    def __init__(self, engine: AsyncEngine, clock: Clock, rates: Mapping[str, float]) -> None:
        """`rates`: calls a second by the provider's name; a provider that is not named has no limit."""
        self._engine, self._clock = engine, clock
        self._rates = rates
        self._stopped = asyncio.Event()
        self._taken: dict[tuple[str, bool], _Taken] = {}

    async def turn(self, provider: str, lane: Lane) -> bool:
        """Wait until a call may begin; False when it may not: calls are stopped, or the database is away."""
        rate = self._rates.get(provider)
        if rate is None:
            return True
        is_urgent = lane in _URGENT
        taken = self._taken.setdefault((provider, is_urgent), _Taken())
        async with taken.lock:
            if not taken.left:
                try:
                    await self._take(provider, taken, rate, is_urgent=is_urgent)
                except ServiceError:
                    return False
            begins_at = taken.next_at
            taken.left -= 1
            taken.next_at += 1 / rate
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), begins_at - time.monotonic())
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Let no further call begin."""
        self._stopped.set()

    async def _take(self, provider: str, taken: _Taken, rate: float, *, is_urgent: bool) -> None:
        calls = max(1, int(rate * _TAKEN_SECONDS))
        now, asked = self._clock(), time.monotonic()
        async with transaction(self._engine) as connection:
            span = timedelta(seconds=calls / rate)
            start = await budgets.reserve(connection, provider, span, now, is_urgent=is_urgent)
        taken.left, taken.next_at = calls, asked + (start - now).total_seconds()
