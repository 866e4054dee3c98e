"""Settling claimed batches: outcomes, counters, what is tried again and the batches' own end, in one transaction.

Batches that are done at about the same time are settled together: their commits would wait for each other anyway, since
they change the same counters. While one transaction commits, the next batches gather.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, DeadlineExceeded, Unavailable
from services.queue import metrics
from services.queue.actions.answers import Settlement
from services.queue.actions.consenting import record_provider_stops
from services.queue.actions.redialling import REDIAL_SECONDS
from services.queue.actions.refusing import STOPPED
from services.queue.domain import DeliveryKey, Deltas, Screening, State, after_receipt, backoff
from services.queue.failures import meaning
from services.queue.records import Outcome, Receipt
from services.queue.stop_points import reach
from services.queue.store import batches, copying, counts, messages, outcomes, suppressions
from services.queue.store.batches import Again
from services.queue.suppressing import COMPLAINT, reason_of
from services.queue.work import Batch

_INSIST_SECONDS = 30.0
_INSIST_PAUSE_SECONDS = 0.5
_SETTLED_TOGETHER = 16
"""Most batches of one transaction: what is urgent waits for one of them at most."""
_Decided = tuple[Batch, Sequence[Outcome]]


@dataclass(frozen=True)
class Pace:
    """How long to wait before what; times in seconds."""

    retry_seconds: float = 5.0
    """First pause after a temporary failure."""
    ask_after_seconds: float = 5.0
    """When the provider is asked about what it may have taken."""
    receipt_wait_seconds: float = 90.0
    """How long receipts may take that prove what a provider without a search took."""
    redial_seconds: float = REDIAL_SECONDS
    """First pause before a call that nobody took is made again."""


@dataclass(frozen=True)
class Done:
    """A batch with what is known of its deliveries."""

    batch: Batch
    settlement: Settlement


async def settle(engine: AsyncEngine, clock: Clock, every: Sequence[Done], pace: Pace) -> set[int]:
    """Write settlements; return the ids of the batches. Nothing is written of those that are somebody else's by now."""
    now = clock()
    async with transaction(engine) as connection:
        ours, has_receipts = await batches.remove(connection, [each.batch for each in every])
        kept = [each for each in every if each.batch.batch_id in ours]
        await _heed_releases(connection, kept)
        decided: list[_Decided] = [(each.batch, each.settlement.outcomes) for each in kept]
        if has_receipts:
            decided = await _with_early_receipts(connection, kept)
        tally = await _write(connection, kept, decided, now, pace) if kept else Counter()
        reach("before_settle_commit")
    for (state, channel), how_many in tally.items():
        metrics.settled.add(how_many, {"state": state.value, "channel": channel})
    return ours


async def _heed_releases(connection: AsyncConnection, every: Iterable[Done]) -> None:
    """Try again at once what was found withheld when it was claimed, if a reviewer has released the message since."""
    # Messages are locked in one order, so that two who settle cannot wait for each other.
    found_withheld = [each for each in every if each.batch.content.is_withheld]
    for each in sorted(found_withheld, key=lambda done: done.batch.message_id):
        settlement = each.settlement
        stopped = [one.number for one in settlement.outcomes if one.state is State.WITHHELD]
        message = await messages.find(connection, each.batch.message_id, lock=True) if stopped else None
        if message and message.screening is not Screening.WITHHELD:
            settlement.outcomes = [one for one in settlement.outcomes if one.state is not State.WITHHELD]
            settlement.not_tried += stopped


class Settler:
    """Settles the batches of one process, several together."""

    def __init__(self, engine: AsyncEngine, clock: Clock, pace: Pace) -> None:
        """Nothing waits yet."""
        self._engine, self._clock, self._pace = engine, clock, pace
        self._waiting: list[tuple[Done, asyncio.Future[bool]]] = []
        self._settling: asyncio.Task[None] | None = None

    async def settle(self, done: Done) -> bool:
        """Return once it is committed; False, and nothing is written, when the batch is somebody else's by now."""
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((done, settled))
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._run(), name="settle")
        return await settled

    async def _run(self) -> None:
        while self._waiting:
            # Urgent lanes first; the sort keeps the order of the others.
            self._waiting.sort(key=lambda pair: pair[0].batch.lane)
            together, self._waiting = self._waiting[:_SETTLED_TOGETHER], self._waiting[_SETTLED_TOGETHER:]
            if not await self._settle(together) and len(together) > 1:
                # What cannot be written must not keep the others from it.
                for each in together:
                    await self._settle([each])

    async def _settle(self, together: Sequence[tuple[Done, asyncio.Future[bool]]]) -> bool:
        """Settle these and tell who waits; False when they cannot be settled, which only a single one is told."""
        try:
            ours = await self._surely([done for done, _ in together])
        except Exception as problem:  # noqa: BLE001  whoever waits for it raises it
            if len(together) == 1 and not together[0][1].done():
                together[0][1].set_exception(problem)
            return False
        for done, settled in together:
            if not settled.done():
                settled.set_result(done.batch.batch_id in ours)
        return True

    async def _surely(self, every: Sequence[Done]) -> set[int]:
        """Settle, again and again while the database does not answer: what the provider said is known here alone."""
        until = time.monotonic() + _INSIST_SECONDS
        while True:
            try:
                return await settle(self._engine, self._clock, every, self._pace)
            except (Unavailable, Aborted, DeadlineExceeded):
                # Repeating is harmless even if the lost answer was that of a commit: the batches are gone then.
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_INSIST_PAUSE_SECONDS)


async def _write(
    connection: AsyncConnection, every: Sequence[Done], decided: Sequence[_Decided], now: datetime, pace: Pace
) -> Counter[tuple[State, str]]:
    """Write what is known, and queue the rest again; return how many outcomes of each state and channel there are."""
    tally: Counter[tuple[State, str]] = Counter()
    deltas = Deltas()
    for batch, its_outcomes in decided:
        for state, how_many in Counter([each.state for each in its_outcomes]).items():
            deltas.move(batch.entry_id, batch.school_id, State.CLAIMED, state, how_many)
            tally[state, batch.channel.value] += how_many
    if tally:
        rows = [(batch.entry_id, batch.created_at, batch.school_id, now, found) for batch, found in decided]
        await copying.copy_outcomes(connection, rows)
    await _suppress(connection, decided, now)
    await _remember_who_stopped(connection, decided, now)
    await batches.add_again(connection, _again(every, now, pace), now)
    for each in every:
        if each.settlement.unsure:
            ask_at = now + timedelta(seconds=pace.ask_after_seconds)
            await batches.add_unsure(connection, each.batch, each.settlement.unsure, ask_at=ask_at, now=now)
    # The counters come last: whoever settles deliveries of the same entry and school waits from here to the commit.
    await counts.apply(connection, deltas, now)
    return tally


def _again(every: Iterable[Done], now: datetime, pace: Pace) -> list[Again]:
    """Return what is tried again, and when; parts of one entry and school that are due together are one."""
    found: dict[tuple[str, str, str, int, datetime], Again] = {}
    # What becomes one batch has waited as long as its oldest part, which comes first.
    for done in sorted(every, key=lambda each: each.batch.waits_since):
        batch, settlement = done.batch, done.settlement
        asked = timedelta(seconds=settlement.retry_after_seconds)
        later = now + max(asked, backoff(batch.attempt, batch.lane, pace.retry_seconds))
        # The attempt counts calls that nobody took, and says nothing of how long the provider has not been there: the
        # breaker's pause does, which is part of what was asked.
        soon = now + max(asked, backoff(1, batch.lane, pace.retry_seconds))
        for numbers, attempt, due_at in (
            (settlement.again, batch.attempt + 1, later),
            (settlement.passed_on, batch.attempt + 1, now),
            (settlement.unreached, batch.attempt, soon),
            (settlement.not_tried, batch.attempt, now),
        ):
            if numbers:
                key = (batch.entry_id, batch.school_id, batch.translated_into, attempt, due_at)
                found.setdefault(key, Again(batch, attempt, due_at, [])).numbers.extend(numbers)
    return list(found.values())


async def _suppress(connection: AsyncConnection, decided: Iterable[_Decided], now: datetime) -> None:
    """Write no more to destinations that the provider refused for good."""
    findings = [
        suppressions.Finding(batch.entry_id, each.number, reason, each.error_code)
        for batch, its_outcomes in decided
        for each in its_outcomes
        if each.state is State.ERROR and (reason := reason_of(each.provider, "", each.error_code))
    ]
    if findings:
        await suppressions.suppress(connection, findings, now)


async def _remember_who_stopped(connection: AsyncConnection, decided: Iterable[_Decided], now: datetime) -> None:
    """Put those into the consent ledger of whom a provider says it; what the ledger stopped is in it."""
    stopped: dict[tuple[str, int], datetime | None] = {
        (batch.entry_id, each.number): batch.claimed_at
        for batch, its_outcomes in decided
        for each in its_outcomes
        if each.state is State.OPTED_OUT and each.error_code != STOPPED
    }
    if stopped:
        await record_provider_stops(connection, stopped, now)


async def _with_early_receipts(connection: AsyncConnection, every: Sequence[Done]) -> list[_Decided]:
    """Return the outcomes as receipts that came before them have moved them; those receipts are used up."""
    kept = await _early_receipts(connection, every)
    if not kept:
        return [(each.batch, each.settlement.outcomes) for each in every]
    # A call that nobody took is made again, or not, when its receipt meets the outcome, and a complaint, which moves
    # no outcome, stops the address then: match_kept sees to both.
    kept = [(each, receipt) for each, receipt in kept if not (_may_redial(receipt) or _is_complaint(receipt))]
    by_key: dict[tuple[str, int], list[Receipt]] = {}
    for _, receipt in kept:
        if key := DeliveryKey.parse(receipt.delivery_key):
            by_key.setdefault((key.entry_id, key.number), []).append(receipt)
    await outcomes.forget_unmatched(connection, [receipt_id for receipt_id, _ in kept])
    return [(each.batch, _all_moved(each, by_key)) for each in every]


async def _early_receipts(connection: AsyncConnection, every: Sequence[Done]) -> list[tuple[int, Receipt]]:
    """Lock the receipts that came before the outcomes of what was handed off."""
    kept = await outcomes.kept_of(connection, [each.batch.entry_id for each in every])
    if not kept:
        return []
    unconfirmed = {
        each.batch.key(one.number)
        for each in every
        for one in each.settlement.outcomes
        if one.state is State.HANDED_OFF
    }
    found = [receipt_id for receipt_id, one in kept if DeliveryKey.parse(one.delivery_key) in unconfirmed]
    return await outcomes.lock_kept(connection, found) if found else []


def _all_moved(done: Done, by_key: Mapping[tuple[str, int], Sequence[Receipt]]) -> list[Outcome]:
    found = []
    for outcome in done.settlement.outcomes:
        for receipt in by_key.get((done.batch.entry_id, outcome.number), ()):
            outcome = _moved(outcome, receipt)
        found.append(outcome)
    return found


def _may_redial(receipt: Receipt) -> bool:
    said = meaning(receipt)
    return said is not None and said.may_redial


def _is_complaint(receipt: Receipt) -> bool:
    return reason_of(receipt.provider, receipt.status, "") == COMPLAINT


def _moved(outcome: Outcome, receipt: Receipt) -> Outcome:
    said = meaning(receipt)
    if said is None:
        return outcome
    after = after_receipt(outcome.state, said.state, is_hard_bounce=said.is_hard_bounce, is_same_attempt=True)
    if after is outcome.state:
        return outcome
    return outcome._replace(state=after, error_code=said.error_code)
