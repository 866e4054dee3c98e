"""Which of two providers takes a channel's batches: the usual one, or while that has been failing its standby.

A batch goes by one of them as a whole. Nothing that the usual one may have taken is ever given to the standby: only
what it certainly did not take is queued again, and then goes by whichever is in charge. Whether the usual one fails is
measured by every dispatcher and known to all of them (statement 311).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.kit.logs import get_logger
from services.queue import metrics
from services.queue.domain import URGENT_LANES, Channel
from services.queue.providers.base import Found, Others, Provider, Standby, Trace
from services.queue.store import circuits
from services.queue.work import Batch, Delivery, Work

_log = get_logger(__name__)
_LULL = timedelta(minutes=2)


@dataclass(frozen=True)
class Failover:
    """The standbys, and what it takes to choose."""

    engine: AsyncEngine
    clock: Clock
    standbys: Mapping[Channel, Standby] = field(default_factory=dict)
    after: timedelta = timedelta(seconds=30)
    """For how long nothing must have come of what the usual provider was given."""

    async def provider_for(self, usual: Provider, batch: Batch) -> Provider:
        """Return who takes a batch; now and then one, mostly an ordinary one, tries whether the usual one is back."""
        standby = self.standbys.get(batch.channel)
        if standby is None or not standby.takes(batch):
            return usual
        now, is_urgent = self.clock(), batch.lane in URGENT_LANES
        async with transaction(self.engine) as connection:
            is_open = await circuits.is_open(connection, usual.name)
            is_trial = is_open and await circuits.may_try(connection, usual.name, now, is_urgent=is_urgent)
        metrics.standby.set(int(is_open), {"channel": batch.channel.value})
        return standby if is_open and not is_trial else usual

    def pause_seconds(self, batch: Batch) -> float:
        """Return how long a batch waits that the usual provider did not take, while the standby is in charge."""
        standby = self.standbys.get(batch.channel)
        return 0.0 if standby and standby.takes(batch) else circuits.TRIED_AGAIN.total_seconds()

    async def heard(self, usual: Provider, *, is_gone: bool) -> bool:
        """Note whether anything came of what the usual provider was given; True while its standby is in charge.

        What the provider answered must not be lost over this: without the database nothing is noted.
        """
        if usual.channel not in self.standbys:
            return False
        try:
            is_open, is_new = await self._note(usual.name, is_gone=is_gone)
        except ServiceError:
            return False
        if is_new:
            _log.warning("standby_in_charge" if is_open else "standby_relieved", provider=usual.name)
        return is_open

    async def _note(self, name: str, *, is_gone: bool) -> tuple[bool, bool]:
        """Return whether the standby is in charge, and whether that is news."""
        now = self.clock()
        async with transaction(self.engine) as connection:
            if is_gone:
                return await circuits.failed(connection, name, now, after=self.after, lull=_LULL)
            return False, await circuits.answered(connection, name, now)

    async def trace(
        self, usual: Provider, work: Work, recipients: Sequence[Delivery], others: Others
    ) -> Mapping[int, Trace]:
        """Return what the usual provider knows of a lost claim. What it does not have, its standby may.

        Raises Unavailable.
        """
        found = await usual.trace(work, recipients, others)
        if work.batch.channel not in self.standbys:
            return found
        async with transaction(self.engine) as connection:
            was_open = await circuits.was_open(connection, usual.name, work.batch.claimed_at)
        return {
            number: replace(each, found=Found.CANNOT_TELL) if was_open and each.found is Found.NOT_TAKEN else each
            for number, each in found.items()
        }
