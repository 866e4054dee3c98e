"""Settling a claimed batch: outcomes, counters, the retry batch and the batch's own end, in one transaction."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, DeadlineExceeded, Unavailable
from services.queue import metrics
from services.queue.actions.redialling import REDIAL_SECONDS
from services.queue.domain import (
    MAX_ATTEMPTS,
    DeliveryKey,
    Deltas,
    Screening,
    State,
    after_acceptance,
    after_receipt,
    backoff,
    travels_as,
)
from services.queue.failures import explain, meaning
from services.queue.providers.base import Answer, Handed
from services.queue.records import Batch, Outcome, Receipt
from services.queue.stop_points import reach
from services.queue.store import batches, consent, copying, counts, messages, outcomes, suppressions
from services.queue.suppressing import reason_of

_INSIST_SECONDS = 30.0
_INSIST_PAUSE_SECONDS = 0.5


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


@dataclass
class Settlement:
    """What is known of a batch's deliveries. Recipients that are in none of the lists stay where they are."""

    outcomes: list[Outcome] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    """To be tried again, as another attempt."""
    not_tried: list[int] = field(default_factory=list)
    """To be tried as the same attempt, at once: nothing was handed over."""
    unreached: list[int] = field(default_factory=list)
    """To be tried as the same attempt after a pause: the provider was not there, or too busy."""
    unsure: list[int] = field(default_factory=list)
    """To be asked about."""
    stopped: list[int] = field(default_factory=list)
    """The provider says that their owners want no more: goes into the consent ledger."""
    retry_after_seconds: float = 0.0
    """What the provider asked for."""


def sort_answers(batch: Batch, provider: str, answers: Sequence[Handed]) -> Settlement:
    """Decide what each answer of the provider means."""
    settlement = Settlement()
    attempt, accepted = batch.attempt, after_acceptance(batch.channel)
    for each in answers:
        if each.answer is Answer.TAKEN:
            taken = Outcome(each.number, accepted, attempt, provider, each.provider_message_id)
            settlement.outcomes.append(taken)
        else:
            _sort(batch, provider, each, settlement)
    return settlement


def _sort(batch: Batch, provider: str, handed: Handed, settlement: Settlement) -> None:
    number = handed.number
    if handed.answer is Answer.UNSURE:
        settlement.unsure.append(number)
    elif handed.answer is Answer.NOT_TRIED:
        settlement.not_tried.append(number)
    elif handed.answer is Answer.UNREACHABLE:
        settlement.retry_after_seconds = max(settlement.retry_after_seconds, handed.retry_after_seconds or 0.0)
        settlement.unreached.append(number)
    else:
        _refused(batch, provider, handed, settlement)


def _refused(batch: Batch, provider: str, handed: Handed, settlement: Settlement) -> None:
    kind = explain(provider, handed.code).kind
    if kind == "temporary":
        _again(batch, handed, settlement)
        return
    state = State.OPTED_OUT if kind == "opted_out" else State.ERROR
    settlement.outcomes.append(Outcome(handed.number, state, batch.attempt, provider, "", handed.code or "REFUSED"))
    if state is State.OPTED_OUT:
        settlement.stopped.append(handed.number)


def _again(batch: Batch, handed: Handed, settlement: Settlement) -> None:
    if batch.attempt < MAX_ATTEMPTS:
        settlement.again.append(handed.number)
    else:
        failed = Outcome(handed.number, State.ERROR, batch.attempt, "lantern", "", "RETRIES_EXHAUSTED")
        settlement.outcomes.append(failed)


async def settle(
    engine: AsyncEngine, clock: Clock, batch: Batch, settlement: Settlement, destinations: dict[int, str], pace: Pace
) -> bool:
    """Write a settlement; False, and nothing is written, when the batch is somebody else's by now.

    `destinations` are needed for those who want no more messages.
    """
    now = clock()
    async with transaction(engine) as connection:
        if not await batches.remove(connection, batch):
            return False
        await _heed_release(connection, batch, settlement)
        tally = await _write(connection, batch, settlement, now, pace)
        channel = travels_as(batch.channel)
        for number in settlement.stopped:
            await consent.record(connection, channel, destinations[number], "stopped", origin="provider", now=now)
        reach("before_settle_commit")
    for state, how_many in tally.items():
        metrics.settled.add(how_many, {"state": state.value, "channel": batch.channel.value})
    return True


async def _heed_release(connection: AsyncConnection, batch: Batch, settlement: Settlement) -> None:
    """Try again at once what was found withheld when it was claimed, if a reviewer has released the message since."""
    stopped = [each.number for each in settlement.outcomes if each.state is State.WITHHELD]
    if not stopped:
        return
    message = await messages.find(connection, batch.message_id, lock=True)
    if message and message.screening is not Screening.WITHHELD:
        settlement.outcomes = [each for each in settlement.outcomes if each.state is not State.WITHHELD]
        settlement.not_tried += stopped


async def _suppress(connection: AsyncConnection, batch: Batch, decided: Sequence[Outcome], now: datetime) -> None:
    """Write no more to destinations that the provider refused for good."""
    findings = [
        suppressions.Finding(batch.entry_id, each.number, reason, each.error_code)
        for each in decided
        if each.state is State.ERROR and (reason := reason_of(each.provider, "", each.error_code))
    ]
    if findings:
        await suppressions.suppress(connection, findings, now)


async def settle_surely(
    engine: AsyncEngine, clock: Clock, batch: Batch, settlement: Settlement, destinations: dict[int, str], pace: Pace
) -> bool:
    """Settle, again and again while the database does not answer: what the provider said is known here alone."""
    until = time.monotonic() + _INSIST_SECONDS
    while True:
        try:
            return await settle(engine, clock, batch, settlement, destinations, pace)
        except (Unavailable, Aborted, DeadlineExceeded):
            # Repeating is harmless even if the lost answer was that of a commit: the batch is gone then.
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_INSIST_PAUSE_SECONDS)


async def _write(
    connection: AsyncConnection, batch: Batch, settlement: Settlement, now: datetime, pace: Pace
) -> Counter[State]:
    """Write what is known, and queue the rest again; return how many outcomes of each state there are."""
    decided = await _with_early_receipts(connection, batch, settlement)
    tally, deltas = Counter(each.state for each in decided), Deltas()
    for state, how_many in tally.items():
        deltas.move(batch.entry_id, batch.school_id, State.CLAIMED, state, how_many)
    if decided:
        rows = ((batch.entry_id, batch.created_at, batch.school_id, now, each) for each in decided)
        await copying.copy_outcomes(connection, rows)
    await _suppress(connection, batch, decided, now)
    await counts.apply(connection, deltas, now)
    asked = timedelta(seconds=settlement.retry_after_seconds)
    later = now + max(asked, backoff(batch.attempt, batch.lane, pace.retry_seconds))
    for numbers, attempt, due_at in (
        (settlement.again, batch.attempt + 1, later),
        (settlement.unreached, batch.attempt, later),
        (settlement.not_tried, batch.attempt, now),
    ):
        if numbers:
            await batches.add_retry(connection, batch, numbers, attempt=attempt, due_at=due_at, now=now)
    if settlement.unsure:
        ask_at = now + timedelta(seconds=pace.ask_after_seconds)
        await batches.add_unsure(connection, batch, settlement.unsure, ask_at=ask_at, now=now)
    return tally


async def _with_early_receipts(connection: AsyncConnection, batch: Batch, settlement: Settlement) -> list[Outcome]:
    """Return the outcomes as receipts that came before them have moved them; those receipts are used up."""
    entry_id, attempt = batch.entry_id, batch.attempt
    unconfirmed = [
        f"{entry_id}.{each.number}.{attempt}" for each in settlement.outcomes if each.state is State.HANDED_OFF
    ]
    kept = await outcomes.waiting(connection, unconfirmed) if unconfirmed else []
    if not kept:
        return settlement.outcomes
    # A call that nobody took is made again, or not, when its receipt meets the outcome: match_kept sees to it.
    kept = [(receipt_id, receipt) for receipt_id, receipt in kept if not _may_redial(receipt)]
    moved = {each.number: each for each in settlement.outcomes}
    for _, receipt in kept:
        key = DeliveryKey.parse(receipt.delivery_key)
        if key:
            moved[key.number] = _moved(moved[key.number], receipt)
    await outcomes.forget_unmatched(connection, [receipt_id for receipt_id, _ in kept])
    return list(moved.values())


def _may_redial(receipt: Receipt) -> bool:
    said = meaning(receipt)
    return said is not None and said.may_redial


def _moved(outcome: Outcome, receipt: Receipt) -> Outcome:
    said = meaning(receipt)
    if said is None:
        return outcome
    after = after_receipt(outcome.state, said.state, is_hard_bounce=said.is_hard_bounce, is_same_attempt=True)
    if after is outcome.state:
        return outcome
    return outcome._replace(state=after, error_code=said.error_code)
