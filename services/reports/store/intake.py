"""Writing what the queue and notify told. Every statement is safe to repeat, in any order of the events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.domain import Origin, Screening
from services.reports.tables import alerted, early_releases, entries, entry_counts, flags, messages, progress, threats

Row = Mapping[str, Any]
CHANNEL = "entries_changed"
"""The ids of entries whose rows moved are told on it."""
_LOCK_MESSAGES = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended(id, 0)) FROM"
    " (SELECT unnest(CAST(:ids AS text[])) AS id ORDER BY id) sorted"
)


async def lock_messages(connection: AsyncConnection, message_ids: Sequence[str]) -> None:
    """Let one transaction at a time write about these messages, also about those that are not there yet."""
    await connection.execute(_LOCK_MESSAGES, {"ids": sorted(set(message_ids))})


async def insert_message(connection: AsyncConnection, message: Row, entry_rows: Sequence[Row]) -> None:
    """Write a message and those of its entries that are new: a resend brings entries to a known message."""
    statement = insert(messages).values(**message, referral_id="", review_version=0)
    # Written out, because a built query would take the table as a whole where only the row in conflict is meant.
    more_schools: sa.ColumnElement[Any] = sa.literal_column(
        "ARRAY(SELECT DISTINCT unnest(messages.school_ids || excluded.school_ids))"
    )
    known = statement.on_conflict_do_update(index_elements=[messages.c.message_id], set_={"school_ids": more_schools})
    await connection.execute(known)
    if entry_rows:
        told = insert(entries).values(list(entry_rows))
        # Only the event of its own resend tells an entry's time; others give it the message's, which is earlier.
        later = told.on_conflict_do_update(
            index_elements=[entries.c.entry_id],
            set_={"sent_at": told.excluded.sent_at},
            where=entries.c.sent_at < told.excluded.sent_at,
        )
        await connection.execute(later)


async def take_early_release(connection: AsyncConnection, message_id: str) -> bool:
    """Tell whether the message was released before it was submitted, as events may come."""
    gone = sa.delete(early_releases).where(early_releases.c.message_id == message_id)
    return (await connection.execute(gone)).rowcount > 0


async def release(connection: AsyncConnection, message_id: str) -> None:
    """Show a held message from now on; a withheld one stays withheld."""
    exists = (await connection.execute(sa.select(1).where(messages.c.message_id == message_id))).first()
    if exists is None:
        await connection.execute(insert(early_releases).values(message_id=message_id).on_conflict_do_nothing())
    await connection.execute(
        sa.update(messages)
        .where(messages.c.message_id == message_id, messages.c.screening == Screening.HELD)
        .values(screening=Screening.RELEASED)
    )


async def release_after_review(connection: AsyncConnection, message_id: str, at: datetime) -> None:
    """Show a withheld message as the queue let it go: for ever, and it stays among the threats."""
    threat = sa.update(threats).where(threats.c.message_id == message_id, threats.c.released_at.is_(None))
    await connection.execute(threat.values(released_at=at))
    change = sa.update(messages).where(messages.c.message_id == message_id)
    await connection.execute(change.values(screening=Screening.RELEASED))


async def withhold(connection: AsyncConnection, threat: Row) -> None:
    """List a known message as a threat. The automatic flag is set once: a later event never ticks it again (195)."""
    message_id = threat["message_id"]
    await connection.execute(insert(threats).values(**threat).on_conflict_do_nothing())
    is_let_go = sa.select(1).where(threats.c.message_id == message_id, threats.c.released_at.is_not(None)).exists()
    change = sa.update(messages).where(messages.c.message_id == message_id, sa.not_(is_let_go))
    await connection.execute(change.values(screening=Screening.WITHHELD))
    flag = {"message_id": message_id, "origin": Origin.SYSTEM, "set_at": threat["withheld_at"]}
    await connection.execute(insert(flags).values(**flag).on_conflict_do_nothing())


async def remember_alerted(connection: AsyncConnection, alerts: Collection[tuple[str, str]]) -> None:
    """Write of whom and which message alerts are, in an order in which two writers never wait for each other."""
    values = [{"person_id": person_id, "message_id": message_id} for person_id, message_id in sorted(alerts)]
    if values:
        await connection.execute(insert(alerted).values(values).on_conflict_do_nothing())


async def replace_counts(connection: AsyncConnection, versions: Mapping[str, int], rows: Sequence[Row]) -> set[str]:
    """Replace the counts of entries whose version is newer than the known one; return those entries."""
    if not versions:
        return set()
    statement = insert(progress).values([{"entry_id": each, "version": versions[each]} for each in sorted(versions)])
    newer = statement.on_conflict_do_update(
        index_elements=[progress.c.entry_id],
        set_={"version": statement.excluded.version},
        where=progress.c.version < statement.excluded.version,
    ).returning(progress.c.entry_id)
    moved = {str(each) for each in (await connection.execute(newer)).scalars()}
    await connection.execute(sa.delete(entry_counts).where(entry_counts.c.entry_id.in_(moved)))
    fresh = [dict(row) for row in rows if row["entry_id"] in moved]
    if fresh:
        await connection.execute(sa.insert(entry_counts), fresh)
    return moved


async def entries_of(connection: AsyncConnection, message_ids: Sequence[str]) -> list[str]:
    """Return the entries of messages."""
    found = sa.select(entries.c.entry_id).where(entries.c.message_id.in_(message_ids))
    return [str(each) for each in (await connection.execute(found)).scalars()]
