"""Referrals as stored: one for a message at most, which the database sees to."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.domain import Page, Screening
from services.reports.tables import entries, messages, referrals

Row = dict[str, Any]
_TABLES = referrals.join(messages, messages.c.message_id == referrals.c.message_id)


async def insert(connection: AsyncConnection, row: Row) -> None:
    """Write a referral and name it at its message."""
    await connection.execute(sa.insert(referrals).values(row))
    await _name(connection, row["message_id"], row["referral_id"])


async def delete(connection: AsyncConnection, referral_id: str) -> bool:
    """Delete a referral and take its name from its message; False when it is gone already."""
    gone = sa.delete(referrals).where(referrals.c.referral_id == referral_id).returning(referrals.c.message_id)
    message_id = (await connection.execute(gone)).scalar()
    if message_id is None:
        return False
    await _name(connection, message_id, "")
    return True


async def _name(connection: AsyncConnection, message_id: str, referral_id: str) -> None:
    change = sa.update(messages).where(messages.c.message_id == message_id).values(referral_id=referral_id)
    await connection.execute(change)


def _rows(seen: sa.ColumnElement[bool]) -> sa.Select[Any]:
    is_threat = (messages.c.screening == Screening.WITHHELD).label("is_threat")
    first = sa.select(sa.cast(entries.c.entry_id, sa.Text)).where(entries.c.message_id == referrals.c.message_id)
    entry_id = first.order_by(entries.c.entry_id).limit(1).scalar_subquery().label("entry_id")
    return sa.select(*referrals.c, is_threat, entry_id).select_from(_TABLES).where(seen)


async def find(connection: AsyncConnection, seen: sa.ColumnElement[bool], referral_id: str) -> Row | None:
    """Return a referral; None when its message is not seen."""
    row = (await connection.execute(_rows(seen).where(referrals.c.referral_id == referral_id))).mappings().first()
    return dict(row) if row else None


def _told(told_id: str) -> list[sa.ColumnElement[bool]]:
    return [referrals.c.told.contains([{"person_id": told_id}])] if told_id else []


async def count(connection: AsyncConnection, seen: sa.ColumnElement[bool], told_id: str) -> int:
    """Return how many referrals are seen."""
    statement = sa.select(sa.func.count()).select_from(_TABLES).where(seen, *_told(told_id))
    return int((await connection.execute(statement)).scalar_one())


async def newest(connection: AsyncConnection, seen: sa.ColumnElement[bool], told_id: str, page: Page) -> list[Row]:
    """Return a page of referrals, the newest first."""
    statement = _rows(seen).where(*_told(told_id))
    order = (referrals.c.created_at.desc(), referrals.c.referral_id.desc())
    found = await connection.execute(statement.order_by(*order).limit(page.size).offset(page.offset))
    return [dict(row) for row in found.mappings()]
