"""What screening noted and let go: the messages, and the students of whom there are several.

What a student wrote counts until somebody closes it, up to a moment; what is noted later counts anew. A message that
was noted only because the model could not read it is listed, and counts for nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.domain import Page, Screening, Sight
from services.reports.store.sight import visible
from services.reports.tables import entries, messages, noted, noted_closings

Row = dict[str, Any]
LEAST = 3
"""Noted messages from which on a student is listed."""
_SHOWN_CLOSED = 20
_SENDER = (messages.c.sender_id, messages.c.sender_school_id)


@dataclass(frozen=True)
class Wanted:
    """Which noted messages are asked for."""

    would_hold: bool = False
    """Only what would have been withheld but for shadow mode."""
    sender_id: str = ""
    """Empty: of everybody."""


@dataclass(frozen=True)
class Closing:
    """What is closed: what was noted of a student in a school, up to a moment."""

    sender_id: str
    school_id: str
    through: datetime
    reason: str
    """1 to 500 characters."""


async def keep(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Keep what was noted, once; its message may come later."""
    await connection.execute(insert(noted).values(**row).on_conflict_do_nothing())


def _tables() -> sa.FromClause:
    return noted.join(messages, messages.c.message_id == noted.c.message_id)


def _seen(sight: Sight) -> sa.ColumnElement[bool]:
    """Tell what is in sight. What was withheld since is a threat, and listed there."""
    is_students = messages.c.sender_role == "student"
    return sa.and_(visible(sight), is_students, messages.c.screening != Screening.WITHHELD)


def _found(sight: Sight, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = [_seen(sight)]
    if wanted.would_hold:
        found.append(noted.c.would_hold)
    if wanted.sender_id:
        found.append(messages.c.sender_id == wanted.sender_id)
    return found


async def count(connection: AsyncConnection, sight: Sight, wanted: Wanted) -> int:
    """Return how many noted messages there are."""
    query = sa.select(sa.func.count()).select_from(_tables()).where(*_found(sight, wanted))
    return int((await connection.execute(query)).scalar_one())


async def page_of(connection: AsyncConnection, sight: Sight, wanted: Wanted, page: Page) -> list[Row]:
    """Return a page of noted messages, newest first, each with its first entry."""
    first = sa.select(entries.c.entry_id).where(entries.c.message_id == messages.c.message_id)
    entry = first.order_by(entries.c.entry_id).limit(1).correlate(messages).scalar_subquery()
    columns = [messages.c[name] for name in ("sent_at", "sender_name")]
    query = (
        sa.select(noted, *columns, *_SENDER, entry.label("entry_id"))
        .select_from(_tables())
        .where(*_found(sight, wanted))
        .order_by(noted.c.noted_at.desc(), noted.c.message_id)
    )
    rows = await connection.execute(query.limit(page.size).offset(page.offset))
    return [dict(row) for row in rows.mappings()]


def _senders(sight: Sight, since: datetime) -> sa.Select[Any]:
    closed = (
        sa.select(sa.func.max(noted_closings.c.through))
        .where(
            noted_closings.c.sender_id == messages.c.sender_id,
            noted_closings.c.school_id == messages.c.sender_school_id,
        )
        .correlate(messages)
        .scalar_subquery()
    )
    last_at = sa.func.max(noted.c.noted_at).label("last_at")
    names = sa.func.array_agg(aggregate_order_by(messages.c.sender_name, noted.c.noted_at.desc()))
    return (
        sa.select(
            *_SENDER,
            names[1].label("sender_name"),
            sa.func.count().label("messages"),
            last_at,
            sa.func.string_agg(sa.func.array_to_string(noted.c.labels, ","), ",").label("labels"),
        )
        .select_from(_tables())
        .where(
            _seen(sight),
            noted.c.noted_at >= since,
            # A blocked phrase holds without any label.
            sa.or_(sa.func.cardinality(noted.c.labels) > 0, noted.c.would_hold),
            sa.or_(closed.is_(None), noted.c.noted_at > closed),
        )
        .group_by(*_SENDER)
        .having(sa.func.count() >= LEAST)
        .order_by(last_at.desc(), *_SENDER)
    )


async def count_senders(connection: AsyncConnection, sight: Sight, since: datetime) -> int:
    """Return of how many students several messages were noted since then, and nobody closed that."""
    query = sa.select(sa.func.count()).select_from(_senders(sight, since).subquery())
    return int((await connection.execute(query)).scalar_one())


async def senders_of(connection: AsyncConnection, sight: Sight, since: datetime, page: Page) -> list[Row]:
    """Return a page of them, the last noted first; labels has every label of every message, separated by commas."""
    rows = await connection.execute(_senders(sight, since).limit(page.size).offset(page.offset))
    return [dict(row) for row in rows.mappings()]


async def newest_of(connection: AsyncConnection, sight: Sight, sender_id: str, school_id: str) -> Row | None:
    """Return message_id and sender_name of what was noted last of a student; None when nothing is in sight."""
    mine = (messages.c.sender_id == sender_id, messages.c.sender_school_id == school_id)
    query = sa.select(messages.c.message_id, messages.c.sender_name).select_from(_tables()).where(_seen(sight), *mine)
    row = (await connection.execute(query.order_by(noted.c.noted_at.desc()).limit(1))).mappings().first()
    return dict(row) if row else None


async def close(connection: AsyncConnection, row: Mapping[str, Any]) -> bool:
    """Close what was noted of a student up to a moment; False when that was done before."""
    statement = insert(noted_closings).values(**row).on_conflict_do_nothing().returning(noted_closings.c.sender_id)
    return (await connection.execute(statement)).first() is not None


async def closed_since(connection: AsyncConnection, sight: Sight, since: datetime) -> list[Row]:
    """Return what was closed lately in the viewer's schools, the newest first."""
    query = sa.select(noted_closings).where(noted_closings.c.closed_at >= since)
    if not sight.is_district_wide:
        query = query.where(noted_closings.c.school_id.in_(sorted(sight.schools)))
    rows = await connection.execute(query.order_by(noted_closings.c.closed_at.desc()).limit(_SHOWN_CLOSED))
    return [dict(row) for row in rows.mappings()]
