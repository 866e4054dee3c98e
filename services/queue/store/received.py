"""What people received, across messages (statement 310)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind
from services.queue.domain import Channel
from services.queue.records import KIND_ALERT
from services.queue.store.deliveries import Seen

COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("date", "last_update"), Kind.DATE),
    **dict.fromkeys(("from", "message", "type", "name", "destination", "regarding_student"), Kind.TEXT),
    **dict.fromkeys(("school", "status", "error"), Kind.TEXT),
}
"""Every column that sorts and takes rules."""
BY_INDEX = sa.text("SET LOCAL enable_seqscan = off")
"""Before a look-up: the planner takes the filters for useless, since people come in no order."""
_ROWS = f"""
WITH theirs AS (
  SELECT * FROM recipients
  WHERE (person_id = ANY(:person_ids) OR regarding_student_id = ANY(:student_ids))
    AND created_at >= :since AND created_at < :until
)
SELECT r.*, m.message_id, m.sender_id, m.sender_name, m.kind, e.channel,
  CASE WHEN m.subject = '' THEN left(e.text, 100) ELSE m.subject END AS subject,
  coalesce(o.state, b.state) AS state, coalesce(o.changed_at, b.changed_at, r.created_at) AS last_update_at,
  NULL::timestamptz AS expires_at, coalesce(o.provider, '') AS provider, coalesce(o.error_code, '') AS error_code
FROM theirs r JOIN entries e ON e.entry_id = r.entry_id JOIN messages m ON m.message_id = e.message_id
LEFT JOIN outcomes o ON o.entry_id = r.entry_id AND o.number = r.number AND o.created_at = r.created_at
LEFT JOIN LATERAL (
  SELECT state, changed_at FROM batches WHERE o.number IS NULL AND entry_id = r.entry_id AND r.number = ANY(numbers)
  LIMIT 1
) b ON true
WHERE m.screening NOT IN ('waiting', 'withheld') AND m.kind <> {KIND_ALERT}
  AND (:every_channel OR e.channel = ANY(:channels)) AND (:is_service OR m.sender_id = :viewer_id
    OR (m.kind = ANY(:kinds) AND (:every_school OR r.school_id = ANY(:schools))))
"""


@dataclass(frozen=True)
class Sight:
    """Of whose messages a caller sees which recipients."""

    is_service: bool
    """Sees everything; the rest is then without meaning."""
    viewer_id: str
    """Sees all recipients of what they sent."""
    kinds: Sequence[int]
    """Kinds of messages of others whose recipients they see, by the recipient's school."""
    schools: Sequence[str] | None
    """None means every one."""


@dataclass(frozen=True)
class Asked:
    """Whose deliveries are asked for, and of when."""

    person_ids: Sequence[str]
    student_id: str
    since: datetime
    until: datetime
    """Exclusive."""
    channels: Sequence[Channel]
    """Empty means all."""
    seen: Seen
    """Rules, and what the columns show."""

    def values(self, sight: Sight) -> dict[str, Any]:
        """Return the parameters of a query."""
        students = [self.student_id] if self.student_id else []
        return {
            "person_ids": list(self.person_ids),
            "student_ids": students,
            "since": self.since,
            "until": self.until,
            "every_channel": not self.channels,
            "channels": [each.value for each in self.channels],
            "is_service": sight.is_service,
            "viewer_id": sight.viewer_id,
            "kinds": list(sight.kinds),
            "every_school": sight.schools is None,
            "schools": list(sight.schools or ()),
        }


def _from_rows(what: sa.ColumnElement[Any], seen: Seen) -> sa.Select[tuple[Any]]:
    rows = sa.text(_ROWS).columns().subquery("d")
    return sa.select(what).select_from(rows).where(*seen.conditions(COLUMNS))


async def sum_up(connection: AsyncConnection) -> int:
    """Make the filters of recipients that have none yet; return how many. What has none is read row by row."""
    return int((await connection.execute(sa.text("SELECT queue_sum_up_received()"))).scalar_one())


async def errors(connection: AsyncConnection, asked: Asked, sight: Sight) -> list[tuple[str, str]]:
    """Return provider and code of every error among the rows, whatever the rules say."""
    pairs: sa.ColumnElement[Any] = sa.literal_column("DISTINCT provider, error_code")
    statement = _from_rows(pairs, Seen(None)).where(sa.text("error_code <> ''"))
    return [(row[0], row[1]) for row in await connection.execute(statement, asked.values(sight))]


async def count(connection: AsyncConnection, asked: Asked, sight: Sight) -> int:
    """Return how many rows there are."""
    statement = _from_rows(sa.func.count(), asked.seen)
    return int((await connection.execute(statement, asked.values(sight))).scalar_one())


async def page(
    connection: AsyncConnection, asked: Asked, sight: Sight, *, sort: str, descending: bool, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Return one page of rows; `sort` is one of COLUMNS, and entry and number keep the order stable."""
    keys = [asked.seen.shown(sort), sa.column("created_at"), sa.column("entry_id"), sa.column("number")]
    order = [key.desc().nulls_last() if descending else key.asc().nulls_last() for key in keys]
    statement = _from_rows(sa.literal_column("*"), asked.seen).order_by(*order).limit(limit).offset(offset)
    return [dict(row) for row in (await connection.execute(statement, asked.values(sight))).mappings()]
