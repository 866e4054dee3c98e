"""Calling a provider no faster than the account may, however many dispatchers there are (statements 308 and 311).

Every dispatcher takes a quarter of a second's calls at a time from one row of the database, and spreads them evenly. It
takes the next when these have begun. What is urgent never waits for what is not, and has the whole rate: while urgent
calls are taken, no ordinary ones are, so that it overlaps no more than those that were taken before it came.

A dispatcher claims no more of a provider's batches than it can begin soon: calls at one a second would otherwise hold
all of its workers for minutes, while e-mail waits that could leave at once. For the same reason ordinary batches that
an emergency keeps waiting go back, and are not claimed while it fills their provider.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.queue.domain import URGENT_LANES
from services.queue.store import budgets
from services.queue.work import Batch

_TAKEN_SECONDS = 0.25
_AHEAD_SECONDS = 1.0
"""With calls in hand that last so long no further batch of their provider is claimed."""
_PATIENCE_SECONDS = 1.0
"""Ordinary calls wait so long for urgent ones: an alert to a few people should send no batch back."""


@dataclass
class _Taken:
    """Calls that this process may make."""

    left: int = 0
    next_at: float = 0.0
    """When the next may begin, by time.monotonic()."""
    held_since: float | None = None
    """Since when urgent calls have been in the way of the next, by time.monotonic(); None: they are not."""
    held_until: float = 0.0
    """None is asked for before, by time.monotonic()."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    in_hand: dict[int, int] = field(default_factory=dict)
    """Calls that have not begun, by claimed batch."""


class Pacer:
    """Gives the calls of one process their turns."""

    def __init__(self, engine: AsyncEngine, clock: Clock, rates: Mapping[str, float]) -> None:
        """`rates`: calls a second by the provider's name; a provider that is not named has no limit."""
        self._engine, self._clock = engine, clock
        self._rates = rates
        self._stopped = asyncio.Event()
        self._taken: dict[tuple[str, bool], _Taken] = {}

    def is_full(self, provider: str, *, is_urgent: bool, more: int = 0) -> bool:
        """Tell whether the calls in hand, and `more`, keep a provider busy for a while."""
        rate = self._rates.get(provider)
        if rate is None:
            return False
        return more + sum(self._of(provider, is_urgent).in_hand.values()) >= rate * _AHEAD_SECONDS

    def too_many(self, claimed: Sequence[tuple[str, Batch]]) -> list[Batch]:
        """Return those of the batches, each with its provider's name, that come when the provider has enough to do."""
        calls: Counter[tuple[str, bool]] = Counter()
        found = []
        for provider, batch in claimed:
            is_urgent = batch.lane in URGENT_LANES
            if self.is_full(provider, is_urgent=is_urgent, more=calls[provider, is_urgent]):
                found.append(batch)
            else:
                calls[provider, is_urgent] += len(batch.numbers)
        return found

    def take_in(self, provider: str, batch: Batch) -> None:
        """Note a claimed batch, until it is let go."""
        if provider in self._rates:
            self._of(provider, batch.lane in URGENT_LANES).in_hand[batch.batch_id] = len(batch.numbers)

    def let_go(self, batch: Batch) -> None:
        """Forget a batch whose calls have ended."""
        for each in self._taken.values():
            each.in_hand.pop(batch.batch_id, None)

    async def turn(self, provider: str, batch: Batch) -> bool:
        """Wait until a call may begin; False when it may not.

        Calls are stopped, the database is away, or urgent calls have been in the way for too long.
        """
        rate = self._rates.get(provider)
        if rate is None:
            return True
        is_urgent = batch.lane in URGENT_LANES
        taken = self._of(provider, is_urgent)
        # Whoever comes next waits here: calls must not be taken for all who wait, or they would be long ahead.
        async with taken.lock:
            try:
                while not taken.left and not self._stopped.is_set():
                    if not await self._take(provider, taken, rate, is_urgent=is_urgent):
                        return False
            except ServiceError:
                return False
            await self._pause(taken.next_at)
            taken.left -= 1
            taken.next_at += 1 / rate
        if taken.in_hand.get(batch.batch_id):
            taken.in_hand[batch.batch_id] -= 1
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Let no further call begin."""
        self._stopped.set()

    def _of(self, provider: str, is_urgent: bool) -> _Taken:
        return self._taken.setdefault((provider, is_urgent), _Taken())

    async def _take(self, provider: str, taken: _Taken, rate: float, *, is_urgent: bool) -> bool:
        """Take calls, or wait until they may be asked for again; False when urgent ones keep them waiting too long."""
        calls = max(1, int(rate * _TAKEN_SECONDS))
        now, asked = self._clock(), time.monotonic()
        if asked < taken.held_until:
            return False
        async with transaction(self._engine) as connection:
            span = timedelta(seconds=calls / rate)
            reserved = await budgets.reserve(connection, provider, span, now, is_urgent=is_urgent)
        begins_at = asked + (reserved.at - now).total_seconds()
        if reserved.is_taken:
            taken.left, taken.next_at, taken.held_since = calls, begins_at, None
            return True
        if reserved.is_held:
            taken.held_since = taken.held_since or asked
            if begins_at - taken.held_since > _PATIENCE_SECONDS:
                # The others that wait for their turn need not ask.
                taken.held_until = begins_at
                return False
        await self._pause(begins_at)
        return True

    async def _pause(self, until: float) -> None:
        """Wait until then, by time.monotonic(), or until calls are stopped."""
        if (seconds := until - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopped.wait()
