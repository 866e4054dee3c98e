"""What providers say afterwards: idempotent, monotonic, early receipts kept until their delivery is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.queue import metrics
from services.queue.actions.redialling import REDIAL_SECONDS, redial
from services.queue.domain import DeliveryKey, Deltas, State, after_receipt
from services.queue.failures import Meaning, meaning
from services.queue.records import Receipt
from services.queue.store import counts, outcomes, suppressions
from services.queue.store.outcomes import Standing
from services.queue.suppressing import reason_of

_KEEP_UNMATCHED = timedelta(days=7)
_MATCH_AT_ONCE = 1_000


@dataclass(frozen=True)
class Effect:
    """How many receipts did what."""

    applied: int = 0
    ignored: int = 0
    kept: int = 0


async def record_receipts(
    engine: AsyncEngine, clock: Clock, receipts: Sequence[Receipt], redial_seconds: float = REDIAL_SECONDS
) -> Effect:
    """Apply receipts; those of deliveries that nobody knows yet are kept, and matched when they appear.

    `redial_seconds` is the first pause before a call that nobody took is made again.
    """
    now = clock()
    known = [(each, said) for each in map(_with_plain_key, receipts) if (said := meaning(each))]
    async with transaction(engine) as connection:
        applied, late = await _apply(connection, known, now, redial_seconds)
        await outcomes.keep_unmatched(connection, late, now)
    effect = Effect(applied, len(receipts) - applied - len(late), len(late))
    for name in ("applied", "ignored", "kept"):
        metrics.receipts.add(getattr(effect, name), {"effect": name})
    return effect


async def match_kept(engine: AsyncEngine, clock: Clock, redial_seconds: float = REDIAL_SECONDS) -> int:
    """Apply kept receipts whose deliveries have an outcome by now; return how many were matched."""
    now = clock()
    async with transaction(engine) as connection:
        found = await outcomes.matchable(connection, _MATCH_AT_ONCE)
        known = [(each, said) for _, each in found if (said := meaning(each))]
        await _apply(connection, known, now, redial_seconds)
        await outcomes.forget_unmatched(connection, [receipt_id for receipt_id, _ in found])
        await outcomes.forget_old(connection, now - _KEEP_UNMATCHED)
    return len(found)


async def _apply(
    connection: AsyncConnection, receipts: Sequence[tuple[Receipt, Meaning]], now: datetime, redial_seconds: float
) -> tuple[int, list[Receipt]]:
    """Move the outcomes that exist; return how many receipts changed one, and the receipts without an outcome."""
    keys = [key for each, _ in receipts if (key := DeliveryKey.parse(each.delivery_key))]
    by_key = await outcomes.lock_by_key(connection, [(key.entry_id, key.number) for key in keys]) if keys else {}
    unkeyed = [each.provider_message_id for each, _ in receipts if not DeliveryKey.parse(each.delivery_key)]
    by_id = await outcomes.lock_by_provider_id(connection, filter(None, unkeyed)) if any(unkeyed) else {}
    changed: dict[tuple[str, int], tuple[Standing, datetime]] = {}
    nobody_took: dict[tuple[str, int], Standing] = {}
    deltas, applied, late = Deltas(), 0, []
    findings: list[suppressions.Finding] = []
    for receipt, said in sorted(receipts, key=lambda pair: pair[0].occurred_at):
        key = DeliveryKey.parse(receipt.delivery_key)
        standing = by_key.get((key.entry_id, key.number)) if key else by_id.get(receipt.provider_message_id)
        if standing is None:
            late.append(receipt)
            continue
        if reason := reason_of(receipt.provider, receipt.status, said.error_code):
            code = said.error_code or receipt.status
            findings.append(suppressions.Finding(standing.entry_id, standing.number, reason, code))
        if _move(standing, receipt, said, deltas):
            applied += 1
            changed[standing.entry_id, standing.number] = (standing, now)
            if said.may_redial:
                nobody_took[standing.entry_id, standing.number] = standing
    for standing in await redial(connection, list(nobody_took.values()), now, redial_seconds) if nobody_took else ():
        deltas.move(standing.entry_id, standing.school_id, State.ERROR, State.PENDING)
        del changed[standing.entry_id, standing.number]
        metrics.redialled.add(1)
    if findings:
        await suppressions.suppress(connection, findings, now)
    if changed:
        await outcomes.update(connection, list(changed.values()))
        await counts.apply(connection, deltas, now)
    return applied, late


def _move(standing: Standing, receipt: Receipt, said: Meaning, deltas: Deltas) -> bool:
    """Change the outcome as the receipt demands; False when it demands nothing."""
    before = standing.state
    after = after_receipt(
        before, said.state, is_hard_bounce=said.is_hard_bounce, is_same_attempt=_is_same_attempt(standing, receipt)
    )
    if after is before:
        return False
    deltas.move(standing.entry_id, standing.school_id, before, after)
    standing.state = after
    standing.error_code = said.error_code if after is not State.SENT else ""
    standing.provider = receipt.provider
    standing.provider_message_id = receipt.provider_message_id or standing.provider_message_id
    return True


def _is_same_attempt(standing: Standing, receipt: Receipt) -> bool:
    if receipt.provider_message_id and standing.provider_message_id:
        return receipt.provider_message_id == standing.provider_message_id
    key = DeliveryKey.parse(receipt.delivery_key)
    return key is not None and key.attempt == standing.attempt


def _with_plain_key(receipt: Receipt) -> Receipt:
    """Return the receipt with its key as we write it; what is no key of ours is dropped."""
    key = DeliveryKey.parse(receipt.delivery_key)
    return replace(receipt, delivery_key=str(key) if key else "")
