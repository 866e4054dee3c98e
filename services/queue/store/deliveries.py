"""The recipients of an entry, each where it stands: the rows behind every count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import State
from services.queue.records import Entry, Recipient
from services.queue.store.inbox import like_pattern

_SORTS = {
    "": "number",
    "last_update": "last_update_at",
    "status": "state",
    "name": "lower(name)",
    "destination": "lower(destination)",
    "school": "school_id",
    "staff_id": "staff_id",
    "regarding_student": "lower(regarding_student_name)",
    "student_id": "student_number",
    "expiration": "expires_at",
    "error": "error_code",
}
SORT_COLUMNS = frozenset(_SORTS)
_ROWS = (
    "SELECT r.*, coalesce(o.state, b.state) AS state, coalesce(o.changed_at, b.changed_at, r.created_at) AS"
    " last_update_at,"
    " CASE WHEN coalesce(o.state, b.state) IN ('held', 'pending', 'claimed', 'handed_off', 'expired')"
    " THEN e.expires_at END AS expires_at, coalesce(o.provider, '') AS provider,"
    " coalesce(o.error_code, '') AS error_code, e.channel"
    " FROM recipients r JOIN entries e ON e.entry_id = r.entry_id AND e.created_at = r.created_at"
    " LEFT JOIN outcomes o ON o.entry_id = r.entry_id AND o.number = r.number AND o.created_at = r.created_at"
    " LEFT JOIN (SELECT unnest(numbers) AS number, state, changed_at FROM batches WHERE entry_id = :entry_id) b"
    " ON b.number = r.number AND o.number IS NULL"
    " WHERE r.entry_id = :entry_id AND r.created_at = :created_at"
)
_FILTERS = (
    " WHERE (:every_school OR school_id = ANY(:schools)) AND (:every_state OR state = ANY(:states))"
    " AND (:query = '' OR name ILIKE :pattern OR destination ILIKE :pattern) AND (:number = 0 OR number = :number)"
)


@dataclass(frozen=True)
class Seen:
    """Which rows of an entry a caller asks for, and may see."""

    schools: Sequence[str] | None
    """None means every row."""
    states: Sequence[State] = ()
    query: str = ""
    number: int = 0
    """One recipient's; 0 means all."""

    def values(self, entry: Entry) -> dict[str, Any]:
        """Return the parameters of a query."""
        return {
            "entry_id": entry.entry_id,
            "created_at": entry.created_at,
            "every_school": self.schools is None,
            "schools": list(self.schools or ()),
            "every_state": not self.states,
            "states": [each.value for each in self.states],
            "query": self.query,
            "number": self.number,
            "pattern": like_pattern(self.query),
        }


async def count(connection: AsyncConnection, entry: Entry, seen: Seen) -> int:
    """Return how many rows there are."""
    statement = sa.text(f"SELECT count(*) FROM ({_ROWS}) d{_FILTERS}")
    return int((await connection.execute(statement, seen.values(entry))).scalar_one())


async def page(
    connection: AsyncConnection, entry: Entry, seen: Seen, *, sort: str, descending: bool, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Return one page of rows; `sort` is one of SORT_COLUMNS, and the number keeps the order stable."""
    direction = "DESC" if descending else "ASC"
    statement = sa.text(
        f"SELECT * FROM ({_ROWS}) d{_FILTERS} ORDER BY {_SORTS[sort]} {direction} NULLS LAST, number {direction}"
        " LIMIT :limit OFFSET :offset"
    )
    values = seen.values(entry) | {"limit": limit, "offset": offset}
    return [dict(row) for row in (await connection.execute(statement, values)).mappings()]


async def standing_in(
    connection: AsyncConnection, entry: Entry, states: Sequence[State], destinations_of: Entry
) -> list[Recipient]:
    """Return the recipients of an entry whose outcome is one of the states, for a resend.

    Destinations come from `destinations_of`, the entry itself or another channel's entry of the same message; those
    that it does not know are left out.
    """
    statement = sa.text(
        "SELECT r.number, r.person_id, r.name, r.role, r.school_id, r.staff_id, r.regarding_student_id,"
        " r.regarding_student_name, r.student_number, r.language, d.destination, d.problem, r.has_account, r.type"
        " FROM outcomes o JOIN recipients r USING (entry_id, number, created_at)"
        " JOIN recipients d ON d.entry_id = :other_id AND d.number = r.number AND d.created_at = r.created_at"
        " WHERE o.entry_id = :entry_id AND o.created_at = :created_at AND o.state = ANY(:states)"
        " ORDER BY r.number"
    )
    values = {
        "entry_id": entry.entry_id,
        "created_at": entry.created_at,
        "other_id": destinations_of.entry_id,
        "states": [each.value for each in states],
    }
    return [Recipient(*row) for row in await connection.execute(statement, values)]
