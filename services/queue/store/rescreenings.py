"""Periods that are judged again: which, how far, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.records import ROLE_STUDENT

_COLUMNS = (
    "rescreening_id::text AS rescreening_id, since, before, reason, asked_by, asked_by_name, requested_at, total,"
    " asked, judged, withheld, given_up, asked_all_at"
)
_DELIVERED = (
    f"(screening = 'released' OR (screening = 'not_needed' AND sender_role = {ROLE_STUDENT}))"
    " AND review_released_at IS NULL AND NOT is_imported AND created_at < :before"
)
# What students wrote while screening was off was never judged. What a reviewer let go is not judged again: a person's
# word stands above the model's.


@dataclass(frozen=True)
class Rescreening:
    """One row: a period [since, before) of sending that is judged again."""

    rescreening_id: str
    since: datetime
    before: datetime
    reason: str
    asked_by: str
    asked_by_name: str
    requested_at: datetime
    total: int = 0
    """Students' messages of the period that had gone out when it began."""
    asked: int = 0
    judged: int = 0
    withheld: int = 0
    """Messages that were delivered and are withheld since."""
    given_up: int = 0
    """Messages whose verdict is no longer waited for."""
    asked_all_at: datetime | None = None

    @property
    def awaited(self) -> int:
        """How many questions wait for their verdict."""
        return self.asked - self.judged - self.given_up


async def add(connection: AsyncConnection, new: Rescreening) -> bool:
    """Begin one; False when another is not through. Nothing when this one was begun before."""
    known = sa.text("SELECT 1 FROM rescreenings WHERE rescreening_id = :rescreening_id")
    values = {**vars(new), "reached_at": new.since}
    if (await connection.execute(known, values)).first():
        return True
    statement = sa.text(
        "INSERT INTO rescreenings (rescreening_id, since, before, reason, asked_by, asked_by_name, requested_at,"
        " reached_at, moved_at, total) VALUES (:rescreening_id, :since, :before, :reason, :asked_by, :asked_by_name,"
        " :requested_at, :reached_at, :requested_at,"
        f" (SELECT count(*) FROM messages WHERE {_DELIVERED} AND created_at >= :since))"
        " ON CONFLICT DO NOTHING RETURNING 1"
    )
    return (await connection.execute(statement, values)).first() is not None


async def newest(connection: AsyncConnection, most: int) -> list[Rescreening]:
    """Return the latest, newest first."""
    query = sa.text(f"SELECT {_COLUMNS} FROM rescreenings ORDER BY requested_at DESC, rescreening_id LIMIT :most")
    return [Rescreening(**row) for row in (await connection.execute(query, {"most": most})).mappings()]


async def take_unfinished(connection: AsyncConnection) -> Rescreening | None:
    """Return the one that has more to ask about, for this transaction alone; None when there is none."""
    query = sa.text(f"SELECT {_COLUMNS} FROM rescreenings WHERE asked_all_at IS NULL FOR UPDATE SKIP LOCKED")
    row = (await connection.execute(query)).mappings().one_or_none()
    return Rescreening(**row) if row else None


async def next_messages(connection: AsyncConnection, run: Rescreening, limit: int) -> list[str]:
    """Return the next of students' messages that went out in a period, in the order of their sending."""
    query = sa.text(
        "SELECT message_id::text FROM messages WHERE (created_at, message_id) > (SELECT reached_at, reached_message"
        " FROM rescreenings WHERE rescreening_id = :rescreening_id)"
        f" AND {_DELIVERED} ORDER BY created_at, message_id LIMIT :limit"
    )
    values = {"rescreening_id": run.rescreening_id, "before": run.before, "limit": limit}
    return list((await connection.execute(query, values)).scalars())


async def advance(
    connection: AsyncConnection, run: Rescreening, asked: Sequence[str], now: datetime, *, is_end: bool
) -> None:
    """Record that these messages were asked about now, and whether they were the last ones."""
    values: dict[str, Any] = {"rescreening_id": run.rescreening_id, "asked": len(asked), "now": now, "is_end": is_end}
    if asked:
        moved = sa.text(
            "UPDATE rescreenings r SET reached_at = m.created_at, reached_message = m.message_id,"
            " asked = r.asked + :asked, moved_at = :now FROM messages m"
            " WHERE r.rescreening_id = :rescreening_id AND m.message_id = CAST(:last AS uuid)"
        )
        await connection.execute(moved, {**values, "last": asked[-1]})
    ended = sa.text(
        "UPDATE rescreenings SET asked_all_at = CASE WHEN :is_end THEN CAST(:now AS timestamptz) END"
        " WHERE rescreening_id = :rescreening_id"
    )
    await connection.execute(ended, values)


async def give_up(connection: AsyncConnection, silent_since: datetime) -> list[tuple[str, int]]:
    """Stop waiting for the verdicts of periods that saw neither question nor verdict since; return id and how many."""
    statement = sa.text(
        "UPDATE rescreenings r SET given_up = r.asked - r.judged"
        " FROM (SELECT rescreening_id, asked - judged - given_up AS awaited FROM rescreenings"
        " WHERE moved_at < :silent_since AND judged + given_up < asked FOR UPDATE SKIP LOCKED) silent"
        " WHERE r.rescreening_id = silent.rescreening_id RETURNING r.rescreening_id::text, silent.awaited"
    )
    rows = await connection.execute(statement, {"silent_since": silent_since})
    return [(row[0], int(row[1])) for row in rows]


async def note_verdict(connection: AsyncConnection, rescreening_id: str, now: datetime) -> None:
    """Record that a verdict of a period came, after which the message waits for another one."""
    statement = sa.text("UPDATE rescreenings SET moved_at = :now WHERE rescreening_id = CAST(:rescreening_id AS uuid)")
    await connection.execute(statement, {"rescreening_id": rescreening_id, "now": now})


async def count_judged(connection: AsyncConnection, rescreening_id: str, now: datetime, *, is_withheld: bool) -> None:
    """Count a verdict of a period; one that comes after its question was given up counts as judged all the same."""
    statement = sa.text(
        "UPDATE rescreenings SET judged = judged + 1, withheld = withheld + CAST(:withheld AS integer),"
        " given_up = least(given_up, asked - judged - 1), moved_at = :now"
        " WHERE rescreening_id = CAST(:rescreening_id AS uuid)"
    )
    await connection.execute(statement, {"rescreening_id": rescreening_id, "withheld": int(is_withheld), "now": now})
