"""What providers say afterwards: idempotent, monotonic, early receipts kept until their delivery is known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.queue import metrics
from services.queue.actions.accounts import Lately, Refusal, note_refusal
from services.queue.actions.consenting import record_provider_stops
from services.queue.actions.redialling import REDIAL_SECONDS, redial
from services.queue.domain import DeliveryKey, Deltas, State, after_receipt
from services.queue.failures import REFUSALS, Meaning, meaning
from services.queue.records import Receipt
from services.queue.store import counts, outcomes, redials, suppressions
from services.queue.store.outcomes import Standing
from services.queue.suppressing import reason_of

_KEEP_UNMATCHED = timedelta(days=7)
_MATCH_AT_ONCE = 1_000


class _Told(NamedTuple):
    """A receipt, what it says, and of which delivery."""

    receipt: Receipt
    said: Meaning
    key: DeliveryKey | None
    """None when it carries no key of ours: the provider's id is left."""


@dataclass(frozen=True)
class Effect:
    """How many receipts did what."""

    applied: int = 0
    ignored: int = 0
    kept: int = 0


async def record_receipts(
    engine: AsyncEngine,
    clock: Clock,
    receipts: Sequence[Receipt],
    redial_seconds: float = REDIAL_SECONDS,
    lately: Lately | None = None,
) -> Effect:
    """Apply receipts; those of deliveries that nobody knows yet are kept, and matched when they appear.

    `redial_seconds` is the first pause before a call that nobody took is made again; `lately` is what was noted before
    of failures for our account's sake, by whoever has receipts one by one.
    """
    now = clock()
    known = _told(receipts)
    async with transaction(engine) as connection:
        applied, late = await _apply(connection, known, now, redial_seconds)
        await outcomes.keep_unmatched(connection, late, now)
    effect = Effect(applied, len(receipts) - applied - len(late), len(late))
    for name in ("applied", "ignored", "kept"):
        metrics.receipts.add(getattr(effect, name), {"effect": name})
    if failed := [told for told in known if told.said.kind]:
        await _tell_failures(engine, clock, failed, lately or Lately())
    return effect


async def _tell_failures(engine: AsyncEngine, clock: Clock, failed: Sequence[_Told], lately: Lately) -> None:
    """Count deliveries that a provider took and failed, and tell administrators where it was for our account's sake."""
    kinds = Counter((each.receipt.provider, each.said.kind) for each in failed)
    for (provider, kind), how_many in kinds.items():
        metrics.failed.add(how_many, {"provider": provider, "class": kind})
    refused: dict[str, list[_Told]] = {}
    for each in failed:
        if each.said.kind in REFUSALS:
            refused.setdefault(each.receipt.provider, []).append(each)
    for provider, some in refused.items():
        entry_ids = {each.key.entry_id for each in some if each.key}
        if deliveries := lately.deliveries_to_note(provider, entry_ids, len(some), clock()):
            code = some[-1].said.error_code
            await note_refusal(engine, clock, Refusal(provider, code, failed=entry_ids, deliveries=deliveries))


async def match_kept(engine: AsyncEngine, clock: Clock, redial_seconds: float = REDIAL_SECONDS) -> int:
    """Apply kept receipts whose deliveries have an outcome by now; return how many were matched."""
    now = clock()
    async with transaction(engine) as connection:
        found = await outcomes.matchable(connection, _MATCH_AT_ONCE)
        await _apply(connection, _told([receipt for _, receipt in found]), now, redial_seconds)
        await outcomes.forget_unmatched(connection, [receipt_id for receipt_id, _ in found])
        await outcomes.forget_old(connection, now - _KEEP_UNMATCHED)
        await redials.forget_old(connection, now - _KEEP_UNMATCHED)
    return len(found)


async def _apply(
    connection: AsyncConnection, every: Sequence[_Told], now: datetime, redial_seconds: float
) -> tuple[int, list[Receipt]]:
    """Move the outcomes that exist; return how many receipts changed one, and the receipts without an outcome.

    Nearly all receipts say that something arrived which was handed off: PostgreSQL moves those. The others are looked
    at one by one.
    """
    deltas = Deltas()
    arrived, by_key = await outcomes.move_by_key(connection, _named(every), now)
    for each in arrived:
        deltas.move(each.entry_id, each.school_id, State.HANDED_OFF, State.SENT, len(each.numbers))
    moved = {(each.entry_id, number) for each in arrived for number in each.numbers}
    others = [told for told in every if not told.key or told.key[:2] not in moved]
    applied, late = await _look_at(connection, others, by_key, deltas, now, redial_seconds) if others else (0, [])
    await counts.apply(connection, deltas, now)
    return len(moved) + applied, late


def _named(every: Sequence[_Told]) -> dict[tuple[str, int], Receipt | None]:
    """Return which deliveries are named, each with its receipt where that is the only one and says that it arrived."""
    named: dict[tuple[str, int], Receipt | None] = {}
    for told in every:
        if told.key:
            place = told.key[:2]
            named[place] = told.receipt if _has_arrived(told) and place not in named else None
    return named


def _has_arrived(told: _Told) -> bool:
    receipt, said, _ = told
    return said.state is State.SENT and not reason_of(receipt.provider, receipt.status, said.error_code)


async def _look_at(
    connection: AsyncConnection,
    every: Sequence[_Told],
    by_key: Mapping[tuple[str, int], Standing],
    deltas: Deltas,
    now: datetime,
    redial_seconds: float,
) -> tuple[int, list[Receipt]]:
    ids = [each.receipt.provider_message_id for each in every if not each.key]
    by_id = await outcomes.lock_by_provider_id(connection, filter(None, ids)) if any(ids) else {}
    changed: dict[tuple[str, int], Standing] = {}
    nobody_took: dict[tuple[str, int], Standing] = {}
    applied, late = 0, []
    findings: list[suppressions.Finding] = []
    for told in sorted(every, key=lambda each: each.receipt.occurred_at):
        receipt, said, key = told
        standing = by_key.get(key[:2]) if key else by_id.get(receipt.provider_message_id)
        if standing is None:
            late.append(receipt)
            continue
        if reason := reason_of(receipt.provider, receipt.status, said.error_code):
            code = said.error_code or receipt.status
            findings.append(suppressions.Finding(standing.entry_id, standing.number, reason, code))
        if _move(standing, told, deltas):
            applied += 1
            changed[standing.entry_id, standing.number] = standing
            if said.may_redial:
                nobody_took[standing.entry_id, standing.number] = standing
    for standing in await redial(connection, list(nobody_took.values()), now, redial_seconds) if nobody_took else ():
        deltas.move(standing.entry_id, standing.school_id, State.ERROR, State.PENDING)
        del changed[standing.entry_id, standing.number]
        metrics.redialled.add(1)
    if findings:
        await suppressions.suppress(connection, findings, now)
    if stopped := [key for key, each in changed.items() if each.state is State.OPTED_OUT]:
        await record_provider_stops(connection, dict.fromkeys(stopped), now)
    if changed:
        await outcomes.update(connection, list(changed.values()), now)
    return applied, late


def _move(standing: Standing, told: _Told, deltas: Deltas) -> bool:
    """Change the outcome as the receipt demands; False when it demands nothing."""
    receipt, said, _ = told
    before = standing.state
    is_same_attempt = _is_same_attempt(standing, told)
    after = after_receipt(before, said.state, is_hard_bounce=said.is_hard_bounce, is_same_attempt=is_same_attempt)
    if after is before:
        return False
    deltas.move(standing.entry_id, standing.school_id, before, after)
    standing.state = after
    standing.error_code = said.error_code if after is not State.SENT else ""
    standing.provider = receipt.provider
    standing.provider_message_id = receipt.provider_message_id or standing.provider_message_id
    return True


def _is_same_attempt(standing: Standing, told: _Told) -> bool:
    if told.receipt.provider_message_id and standing.provider_message_id:
        return told.receipt.provider_message_id == standing.provider_message_id
    return told.key is not None and told.key.attempt == standing.attempt


def _told(receipts: Sequence[Receipt]) -> list[_Told]:
    """Return those that say something, each with its key as we write it; what is no key of ours is dropped."""
    found = []
    for each in receipts:
        if said := meaning(each):
            key = DeliveryKey.parse(each.delivery_key)
            plain = each.delivery_key.replace("_", ".") if key else ""
            found.append(_Told(each if plain == each.delivery_key else each._replace(delivery_key=plain), said, key))
    return found
