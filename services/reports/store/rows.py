"""Reading rows for the page: entries with counts, flags and acknowledgement, senders, conversations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.ids import is_id
from services.reports.domain import COUNTERS, Origin, Screening, Sight
from services.reports.store.sight import counts_of, sees_students, visible
from services.reports.tables import acknowledgements, decisions, entries, flags, messages, progress, threats

Row = dict[str, Any]
_SENDERS = 50
_LATELY = 2000
_CONVERSATION = 10


def _flag_at(origin: Origin) -> sa.ScalarSelect[datetime]:
    found = sa.select(flags.c.set_at).where(flags.c.message_id == messages.c.message_id, flags.c.origin == origin)
    return found.correlate(messages).scalar_subquery()


def _entry_rows(sight: Sight) -> sa.Select[Any]:
    counts = counts_of(sight)
    acknowledged, decided = acknowledgements.c, _latest_decision()
    tables = (
        entries.join(messages, entries.c.message_id == messages.c.message_id)
        .join(counts, sa.true())
        .outerjoin(progress, progress.c.entry_id == entries.c.entry_id)
        .outerjoin(threats, threats.c.message_id == messages.c.message_id)
        .outerjoin(acknowledgements, acknowledged.message_id == messages.c.message_id)
        .outerjoin(decided, sa.true())
    )
    columns = [
        *(each for each in messages.c if each.key not in {"message_id", "sent_at"}),
        *(entries.c[name] for name in ("entry_id", "message_id", "sent_at", "channel", "text", "survey_id")),
        *(counts.c[name] for name in ("total", *COUNTERS)),
        sa.func.coalesce(progress.c.version, 0).label("version"),
        sees_students(sight).label("sees_students"),
        threats.c.verdict,
        threats.c.recipient_names,
        acknowledged.name.label("acknowledged_by"),
        acknowledged.acknowledged_at,
        *(threats.c[name] for name in ("released_at", "is_imported")),
        *decided.c,
        *(_flag_at(origin).label(f"{origin}_set_at") for origin in Origin),
    ]
    return sa.select(*columns).select_from(tables).where(visible(sight))


def _latest_decision() -> sa.FromClause:
    columns = (decisions.c.outcome.label("decision"), decisions.c.name.label("decided_by"), decisions.c.decided_at)
    mine = sa.select(*columns).where(decisions.c.message_id == messages.c.message_id).correlate(messages)
    return mine.order_by(decisions.c.number.desc()).limit(1).lateral("decided")


async def entry_rows(connection: AsyncConnection, sight: Sight, entry_ids: Sequence[str]) -> list[Row]:
    """Return the rows of those entries that the viewer sees, in the order given."""
    if not entry_ids:
        return []
    found = await connection.execute(_entry_rows(sight).where(entries.c.entry_id.in_(entry_ids)))
    by_id = {str(row["entry_id"]): dict(row) for row in found.mappings()}
    return [by_id[each] for each in entry_ids if each in by_id]


async def message_rows(connection: AsyncConnection, sight: Sight, message_id: str) -> list[Row]:
    """Return the rows of a message's entries, in the order of its channels; empty when the viewer does not see it."""
    statement = _entry_rows(sight).where(messages.c.message_id == message_id).order_by(entries.c.entry_id)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def senders(connection: AsyncConnection, sight: Sight, query: str) -> list[tuple[str, str]]:
    """Return (sender, name) of those whom the viewer may choose, the latest first, at most 50."""
    condition = [visible(sight), messages.c.sender_id != ""]
    if query:
        condition.append(messages.c.sender_name.icontains(query, autoescape=True))
    lately = (
        sa.select(messages.c.sender_id, messages.c.sender_name, messages.c.sent_at)
        .where(*condition)
        .order_by(messages.c.sent_at.desc())
        .limit(_LATELY)
        .subquery()
    )
    newest = sa.func.max(lately.c.sent_at)
    name = sa.func.array_agg(sa.dialects.postgresql.aggregate_order_by(lately.c.sender_name, lately.c.sent_at.desc()))
    statement = (
        sa.select(lately.c.sender_id, name[1]).group_by(lately.c.sender_id).order_by(newest.desc()).limit(_SENDERS)
    )
    return [(row[0], row[1]) for row in await connection.execute(statement)]


async def conversation(connection: AsyncConnection, sight: Sight, message_id: str) -> list[Row]:
    """Return what the same sender wrote before and after, what it answers and what answers it, oldest first.

    Each of them is asked for by itself: joined by OR, the database would read every message there is.
    """
    columns = (messages.c[name] for name in ("message_id", "sender_id", "in_reply_to", "sent_at"))
    here = (await connection.execute(sa.select(*columns).where(messages.c.message_id == message_id))).one()
    at, mine = messages.c.sent_at, messages.c.sender_id == here.sender_id
    # The literal is what the index on answers says.
    answers = sa.and_(messages.c.in_reply_to == here.message_id, messages.c.in_reply_to != sa.literal_column("''"))
    names = ("message_id", "sent_at", "from_words", "subject", "body", "screening")
    seen = sa.select(*(messages.c[name] for name in names), _asked()).where(
        visible(sight), messages.c.message_id != message_id
    )
    parts = [
        seen.where(mine, at <= here.sent_at).order_by(at.desc()),
        seen.where(mine, at > here.sent_at).order_by(at),
        seen.where(answers).order_by(at),
    ]
    if is_id(here.in_reply_to):
        parts.append(seen.where(messages.c.message_id == here.in_reply_to))
    found: dict[str, Row] = {}
    for part in parts:
        rows = (await connection.execute(part.limit(_CONVERSATION))).mappings()
        found |= {str(row["message_id"]): dict(row) for row in rows}
    return sorted(found.values(), key=lambda row: (row["sent_at"], row["message_id"]))


def _asked() -> sa.ColumnElement[str]:
    # A poll's questions are part of what was written.
    survey = sa.and_(entries.c.message_id == messages.c.message_id, entries.c.survey_id.is_not(None))
    return sa.select(entries.c.text).where(survey).limit(1).scalar_subquery().label("asked")


async def words_of(connection: AsyncConnection, message_id: str) -> str:
    """Return what a message says, with its subject; nothing while screening withholds it."""
    wanted = sa.select(messages.c.subject, messages.c.body, _asked()).where(
        messages.c.message_id == message_id, messages.c.screening != Screening.WITHHELD
    )
    row = (await connection.execute(wanted)).first()
    return "\n".join(part for part in (row.subject, row.asked or row.body) if part) if row else ""


def is_threat(row: Row) -> bool:
    """Tell whether screening withheld the row's message, released by a reviewer since or not."""
    return row["verdict"] is not None
