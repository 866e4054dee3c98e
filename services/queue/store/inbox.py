"""The portal inbox and the sent box."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.records import KIND_ALERT, Entry, Message
from services.queue.store import translations

Row = dict[str, Any]
_DELIVER = sa.text(
    "INSERT INTO inbox_items (person_id, message_id, visible_at, read_at, regarding_student_name, translated_into)"
    " SELECT DISTINCT ON (person_id) person_id, CAST(:message_id AS uuid), CAST(:visible_at AS timestamptz),"
    " CAST(:read_at AS timestamptz), regarding_student_name,"
    " CASE WHEN language = ANY(:languages) THEN language ELSE '' END FROM recipients"
    " WHERE entry_id = :entry_id AND created_at = :created_at AND has_account AND person_id <> ''"
    " AND (:only_school_id = '' OR school_id IN ('', :only_school_id))"
    " ORDER BY person_id, number ON CONFLICT DO NOTHING"
)
_ITEM = (
    "m.message_id::text AS message_id, m.language AS written_in, m.sender_id, m.sender_name, m.sender_role, m.source,"
    " m.from_title, m.subject,"
    " left(m.body, 400) AS preview, m.kind, m.is_secure, m.is_emergency,"
    " (SELECT s.channel FROM surveys s WHERE s.message_id = m.message_id) AS survey_channel"
)
# Recipients are not told whom else it was for: the words may name other families and their students.
_RECEIVED_ITEM = (
    f"{_ITEM}, CASE WHEN m.sender_id = i.person_id THEN m.audience_summary ELSE '' END AS audience_summary,"
    " i.translated_into, i.visible_at AS sent_at, i.regarding_student_name"
)
_TOLD = ", ".join(
    f"CASE WHEN i.translated_into <> '' THEN (SELECT {what} FROM translated_texts t WHERE t.message_id = m.message_id"
    f" AND t.language = i.translated_into AND t.digest = sha256(convert_to(m.{column}, 'UTF8'))) END AS told_{name}"
    for name, column, what in (
        ("subject", "subject", "t.text"),
        ("preview", "body", "left(t.text, 400)"),
        ("body", "body", "t.text"),
    )
)
_MATCHES = (
    " AND (:query = '' OR m.subject ILIKE :pattern OR m.body ILIKE :pattern OR m.from_title ILIKE :pattern"
    " OR m.sender_name ILIKE :pattern OR i.regarding_student_name ILIKE :pattern OR (i.translated_into <> ''"
    " AND EXISTS (SELECT 1 FROM translated_texts t WHERE t.message_id = m.message_id AND t.language = i.translated_into"
    " AND t.digest IN (sha256(convert_to(m.subject, 'UTF8')), sha256(convert_to(m.body, 'UTF8')))"
    " AND t.text ILIKE :pattern)))"
)
_MINE = "FROM inbox_items i JOIN messages m USING (message_id) WHERE i.person_id = :person_id AND i.visible_at <= :now"


async def deliver(
    connection: AsyncConnection,
    message: Message,
    entry: Entry,
    visible_at: datetime,
    read_at: datetime | None = None,
    *,
    only_school_id: str = "",
) -> None:
    """Put a released message into the inbox of every recipient with an account; alerts have the portal's banner."""
    if message.kind == KIND_ALERT:
        return
    values = {"message_id": message.message_id, "visible_at": visible_at, "read_at": read_at}
    wanted = await translations.stages(connection, message.message_id) if message.is_translated else {}
    values |= {"only_school_id": only_school_id, "languages": list(wanted)}
    await connection.execute(_DELIVER, {**values, "entry_id": entry.entry_id, "created_at": entry.created_at})


async def withdraw_unseen(connection: AsyncConnection, message_id: str, now: datetime) -> None:
    """Take a cancelled message out of inboxes that do not show it yet, or show it unread to whom nothing of it left."""
    statement = sa.text(
        "DELETE FROM inbox_items i WHERE i.message_id = :message_id AND (i.visible_at > :now OR i.read_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM entries e JOIN recipients r ON r.entry_id = e.entry_id"
        " AND r.created_at = e.created_at LEFT JOIN outcomes o ON o.entry_id = r.entry_id AND o.number = r.number"
        " AND o.created_at = r.created_at WHERE e.message_id = i.message_id AND r.person_id = i.person_id"
        " AND coalesce(o.state, 'claimed') IN ('claimed', 'handed_off', 'sent')))"
    )
    await connection.execute(statement, {"message_id": message_id, "now": now})


async def withdraw(connection: AsyncConnection, message_id: str) -> None:
    """Take a message out of every inbox, read or not: it is in no list, count, search or preview any more."""
    await connection.execute(sa.text("DELETE FROM inbox_items WHERE message_id = :id"), {"id": message_id})


async def count(
    connection: AsyncConnection, person_id: str, now: datetime, query: str, *, is_unread: bool
) -> tuple[int, int]:
    """Return how many messages match, and how many of the whole inbox were not opened."""
    statement = sa.text(
        f"SELECT (SELECT count(*) {_MINE}{_MATCHES}{_unread(is_unread)}), (SELECT count(*) {_MINE} AND"
        " i.read_at IS NULL)"
    )
    row = (await connection.execute(statement, _values(person_id, now, query))).one()
    return row[0], row[1]


async def page(
    connection: AsyncConnection, person_id: str, now: datetime, query: str, *, is_unread: bool, limit: int, offset: int
) -> list[Row]:
    """Return one page of an inbox, newest first."""
    statement = sa.text(
        f"SELECT {_RECEIVED_ITEM}, {_TOLD}, i.read_at IS NOT NULL AS is_read"
        f" {_MINE}{_MATCHES}{_unread(is_unread)} ORDER BY i.visible_at DESC, m.message_id DESC LIMIT :limit"
        " OFFSET :offset"
    )
    values = _values(person_id, now, query) | {"limit": limit, "offset": offset}
    return [dict(row) for row in (await connection.execute(statement, values)).mappings()]


async def open_message(connection: AsyncConnection, person_id: str, message_id: str, now: datetime) -> Row | None:
    """Return a message of this inbox with its whole body, and mark it read; None when it is not there."""
    statement = sa.text(
        "UPDATE inbox_items i SET read_at = coalesce(i.read_at, :now) FROM messages m WHERE m.message_id = i.message_id"
        " AND i.person_id = :person_id AND i.message_id = :message_id AND i.visible_at <= :now"
        f" RETURNING {_RECEIVED_ITEM}, {_TOLD}, m.body, true AS is_read"
    )
    values = {"person_id": person_id, "message_id": message_id, "now": now}
    row = (await connection.execute(statement, values)).mappings().one_or_none()
    return dict(row) if row else None


async def author_of(connection: AsyncConnection, person_id: str, message_id: str, now: datetime) -> str | None:
    """Return who wrote a message of this inbox; None when it is not there."""
    statement = sa.text(f"SELECT m.sender_id {_MINE} AND i.message_id = :message_id")
    values = {"person_id": person_id, "message_id": message_id, "now": now}
    found: str | None = (await connection.execute(statement, values)).scalar_one_or_none()
    return found


_SENT_ITEM = f"{_ITEM}, m.audience_summary, m.created_at AS sent_at, true AS is_read, m.regarding, m.regarding_count"


async def open_sent(connection: AsyncConnection, person_id: str, message_id: str) -> Row | None:
    """Return a message that this person sent, with its whole body."""
    statement = sa.text(
        f"SELECT {_SENT_ITEM}, m.body FROM messages m WHERE m.message_id = :message_id AND m.sender_id = :person_id"
    )
    values = {"person_id": person_id, "message_id": message_id}
    row = (await connection.execute(statement, values)).mappings().one_or_none()
    return dict(row) if row else None


async def count_sent(connection: AsyncConnection, person_id: str) -> int:
    """Return how many messages this person sent."""
    statement = sa.text("SELECT count(*) FROM messages m WHERE m.sender_id = :person_id")
    return int((await connection.execute(statement, {"person_id": person_id})).scalar_one())


async def sent_page(connection: AsyncConnection, person_id: str, *, limit: int, offset: int) -> list[Row]:
    """Return one page of what this person sent, newest first, without what screening decided (statement 176)."""
    statement = sa.text(
        f"SELECT {_SENT_ITEM} FROM messages m WHERE m.sender_id = :person_id"
        " ORDER BY m.created_at DESC, m.message_id DESC LIMIT :limit OFFSET :offset"
    )
    values = {"person_id": person_id, "limit": limit, "offset": offset}
    return [dict(row) for row in (await connection.execute(statement, values)).mappings()]


def like_pattern(query: str) -> str:
    """Return the ILIKE pattern that finds the words as they are."""
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _values(person_id: str, now: datetime, query: str) -> dict[str, Any]:
    return {"person_id": person_id, "now": now, "query": query, "pattern": like_pattern(query)}


def _unread(is_unread: bool) -> str:
    return " AND i.read_at IS NULL" if is_unread else ""
