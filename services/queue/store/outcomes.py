"""Outcomes after they were written: receipts move them; receipts that came too early wait here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import State
from services.queue.records import Receipt
from services.queue.tables import receipts_unmatched


@dataclass
class Standing:
    """An outcome as it stands, locked by this transaction."""

    entry_id: str
    number: int
    created_at: datetime
    school_id: str
    state: State
    attempt: int
    provider: str
    provider_message_id: str
    error_code: str = ""


class Arrived(NamedTuple):
    """Deliveries of an entry to one school's recipients that are sent now."""

    entry_id: str
    school_id: str
    numbers: list[int]


_FIELDS = (
    "o.entry_id::text, o.number, o.created_at, o.school_id, o.state, o.attempt, o.provider, o.provider_message_id,"
    " o.error_code"
)
# The rows are locked in one order whatever the planner thinks of a table that it has no statistics of: a subquery that
# locks is not joined in another way than row by row, by the primary key.
_MOVE_BY_KEY = sa.text(
    "WITH k AS MATERIALIZED (SELECT k.*, e.created_at"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:numbers AS integer[]),"
    " CAST(:arrived AS boolean[]), CAST(:providers AS text[]), CAST(:ids AS text[]))"
    " AS k (entry_id, number, has_arrived, said_by, known_as) JOIN entries e USING (entry_id)"
    " ORDER BY k.entry_id, k.number),"
    " locked AS MATERIALIZED"
    " (SELECT o.*, k.said_by, k.known_as, k.has_arrived AND o.state = 'handed_off' AS has_arrived"
    " FROM k CROSS JOIN LATERAL (SELECT * FROM outcomes o WHERE o.entry_id = k.entry_id AND o.number = k.number"
    " AND o.created_at = k.created_at FOR UPDATE) o),"
    " moved AS (UPDATE outcomes o SET state = 'sent', error_code = '', provider = l.said_by, changed_at = :now,"
    " provider_message_id = coalesce(nullif(l.known_as, ''), o.provider_message_id) FROM locked l"
    " WHERE l.has_arrived AND o.entry_id = l.entry_id AND o.number = l.number AND o.created_at = l.created_at"
    " RETURNING o.entry_id, o.school_id, o.number)"
    f" SELECT {_FIELDS}, NULL FROM locked o WHERE NOT o.has_arrived UNION ALL"
    " SELECT m.entry_id::text, NULL, NULL, m.school_id, NULL, NULL, NULL, NULL, NULL, array_agg(m.number)"
    " FROM moved m GROUP BY m.entry_id, m.school_id"
)
_LOCK_BY_PROVIDER = sa.text(
    f"SELECT {_FIELDS} FROM outcomes o WHERE o.provider_message_id = ANY(:ids) AND o.provider_message_id <> ''"
    " ORDER BY o.entry_id, o.number FOR UPDATE"
)
_UPDATE = sa.text(
    "UPDATE outcomes o SET state = u.state, error_code = u.error_code, provider = u.provider,"
    " provider_message_id = u.provider_message_id, changed_at = :now"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:numbers AS integer[]), CAST(:created AS timestamptz[]),"
    " CAST(:states AS text[]), CAST(:codes AS text[]), CAST(:providers AS text[]), CAST(:ids AS text[]))"
    " AS u (entry_id, number, created_at, state, error_code, provider, provider_message_id)"
    " WHERE o.entry_id = u.entry_id AND o.number = u.number AND o.created_at = u.created_at"
)
_KEPT = (
    "SELECT receipt_id, provider, provider_message_id, delivery_key, status, error_code, occurred_at"
    " FROM receipts_unmatched WHERE"
)
_KEPT_OF = sa.text(f'{_KEPT} "left"(delivery_key, 36) = ANY(:entry_ids) ORDER BY occurred_at, receipt_id')
_LOCK_KEPT = sa.text(f"{_KEPT} receipt_id = ANY(:ids) ORDER BY occurred_at, receipt_id FOR UPDATE")
_MATCHABLE = sa.text(
    "SELECT u.receipt_id, u.provider, u.provider_message_id, u.delivery_key, u.status, u.error_code, u.occurred_at"
    " FROM receipts_unmatched u WHERE EXISTS (SELECT 1 FROM outcomes o"
    " WHERE o.provider_message_id = u.provider_message_id AND u.provider_message_id <> '')"
    " OR EXISTS (SELECT 1 FROM entries e JOIN outcomes o ON o.entry_id = e.entry_id AND o.created_at = e.created_at"
    " WHERE u.delivery_key ~ '^[0-9a-f-]{36}[.][0-9]{1,7}[.][0-9]{1,3}$'"
    " AND e.entry_id = CASE WHEN u.delivery_key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}[.]'"
    " THEN left(u.delivery_key, 36)::uuid END AND o.number = split_part(u.delivery_key, '.', 2)::integer)"
    " ORDER BY u.receipt_id LIMIT :limit FOR UPDATE OF u SKIP LOCKED"
)


async def move_by_key(
    connection: AsyncConnection, named: Mapping[tuple[str, int], Receipt | None], now: datetime
) -> tuple[list[Arrived], dict[tuple[str, int], Standing]]:
    """Lock the outcomes of these deliveries (entry and number), and write which of them arrived by their receipt.

    A delivery has no receipt here when what is said of it needs a closer look. Return what was moved from handed off to
    sent, and the other outcomes as they stand; one that does not exist is in neither.
    """
    if not named:
        return [], {}
    said = list(named.values())
    values = {
        "entry_ids": [entry for entry, _ in named],
        "numbers": [number for _, number in named],
        "arrived": [each is not None for each in said],
        "providers": [each.provider if each else "" for each in said],
        "ids": [each.provider_message_id if each else "" for each in said],
        "now": now,
    }
    arrived, standing = [], {}
    for row in await connection.execute(_MOVE_BY_KEY, values):
        if row[9] is None:
            standing[row[0], row[1]] = _standing(row)
        else:
            arrived.append(Arrived(row[0], row[3], row[9]))
    return arrived, standing


async def lock_by_provider_id(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Standing]:
    """Lock the outcomes that the provider knows by these ids."""
    rows = await connection.execute(_LOCK_BY_PROVIDER, {"ids": sorted(set(ids))})
    return {row[7]: _standing(row) for row in rows}


async def update(connection: AsyncConnection, changed: Sequence[Standing], now: datetime) -> None:
    """Write outcomes that were locked and moved."""
    values = {
        "entry_ids": [each.entry_id for each in changed],
        "numbers": [each.number for each in changed],
        "created": [each.created_at for each in changed],
        "states": [each.state.value for each in changed],
        "codes": [each.error_code for each in changed],
        "providers": [each.provider for each in changed],
        "ids": [each.provider_message_id for each in changed],
        "now": now,
    }
    await connection.execute(_UPDATE, values)


async def keep_unmatched(connection: AsyncConnection, receipts: Iterable[Receipt], now: datetime) -> None:
    """Keep receipts of deliveries that are not known yet; a repeated one is kept once."""
    rows = [{**receipt._asdict(), "received_at": now} for receipt in receipts]
    if rows:
        await connection.execute(insert(receipts_unmatched).values(rows).on_conflict_do_nothing())


async def kept_of(connection: AsyncConnection, entry_ids: Iterable[str]) -> list[tuple[int, Receipt]]:
    """Return the kept receipts of these entries, oldest first."""
    return _receipts(await connection.execute(_KEPT_OF, {"entry_ids": sorted(set(entry_ids))}))


async def lock_kept(connection: AsyncConnection, receipt_ids: Sequence[int]) -> list[tuple[int, Receipt]]:
    """Lock these kept receipts, those that are still there, and return them, oldest first."""
    return _receipts(await connection.execute(_LOCK_KEPT, {"ids": list(receipt_ids)}))


async def matchable(connection: AsyncConnection, limit: int) -> list[tuple[int, Receipt]]:
    """Lock kept receipts whose delivery has an outcome by now."""
    return _receipts(await connection.execute(_MATCHABLE, {"limit": limit}))


async def owned(connection: AsyncConnection, ids: Sequence[str], keys: Sequence[str]) -> set[str]:
    """Return those of the provider's ids that are of other deliveries, or of earlier calls of the same ones.

    An outcome holds them, or a kept receipt of a delivery outside of `keys`; or the call was made again.
    """
    statement = sa.text(
        "SELECT provider_message_id FROM outcomes WHERE provider_message_id <> '' AND provider_message_id = ANY(:ids)"
        " UNION SELECT provider_message_id FROM receipts_unmatched WHERE provider_message_id = ANY(:ids)"
        " AND delivery_key <> '' AND delivery_key <> ALL(:keys)"
        " UNION SELECT provider_message_id FROM redialled_calls WHERE provider_message_id = ANY(:ids)"
    )
    return set((await connection.execute(statement, {"ids": list(ids), "keys": list(keys)})).scalars())


async def forget_unmatched(connection: AsyncConnection, receipt_ids: Sequence[int]) -> None:
    """Delete receipts that were matched."""
    await connection.execute(
        sa.text("DELETE FROM receipts_unmatched WHERE receipt_id = ANY(:ids)"), {"ids": list(receipt_ids)}
    )


async def forget_old(connection: AsyncConnection, before: datetime) -> int:
    """Delete receipts that nothing ever matched; return how many."""
    statement = sa.delete(receipts_unmatched).where(receipts_unmatched.c.received_at < before)
    return (await connection.execute(statement)).rowcount


def _standing(row: Any) -> Standing:
    return Standing(row[0], row[1], row[2], row[3], State(row[4]), *row[5:9])


def _receipts(rows: Iterable[Any]) -> list[tuple[int, Receipt]]:
    return [(row[0], Receipt(*row[1:])) for row in rows]


async def count_unmatched(connection: AsyncConnection) -> int:
    """Return how many receipts are kept without a delivery."""
    return int((await connection.execute(sa.select(sa.func.count()).select_from(receipts_unmatched))).scalar_one())
