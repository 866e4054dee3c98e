"""Referrals as stored: one for a message at most, which the database sees to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind, Rule
from services.kit.ruling import condition, looked_up
from services.reports.domain import Order, Page, Screening
from services.reports.tables import entries, messages, referrals

Row = dict[str, Any]
_TABLES = referrals.join(messages, messages.c.message_id == referrals.c.message_id)
COLUMNS: dict[str, Kind] = {
    "date": Kind.DATE,
    **dict.fromkeys(("student", "school", "why", "told", "added_by"), Kind.TEXT),
}
"""Every column that sorts and takes rules."""
_TOLD = "(SELECT string_agg(each->>'name', ', ') FROM jsonb_array_elements(referrals.told) AS each)"


@dataclass(frozen=True)
class Asked:
    """Which referrals are asked for."""

    told_id: str = ""
    """Who follows them up; empty means all."""
    order: Order = field(default_factory=Order)
    rules: tuple[Rule, ...] = ()
    zone: str = "UTC"
    """Whose days rules on dates mean."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of schools, by their id."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """What the column why shows, by the reason as stored."""

    def shown(self, column: str) -> sa.ColumnElement[Any]:
        """Return what a column of COLUMNS shows; text in lower case and never NULL."""
        if column == "date":
            return sa.cast(sa.func.timezone(self.zone, referrals.c.created_at, type_=sa.DateTime()), sa.Date)
        texts: dict[str, sa.ColumnElement[str]] = {
            "student": referrals.c.student_name,
            "school": looked_up(self.titles, referrals.c.school_id),
            "why": looked_up(self.reasons, referrals.c.reason),
            "told": sa.func.coalesce(sa.literal_column(_TOLD, sa.Text), ""),
            "added_by": referrals.c.created_by_name,
        }
        return sa.func.lower(texts[column], type_=sa.Text())

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions of who follows up and of each rule."""
        found = [referrals.c.told.contains([{"person_id": self.told_id}])] if self.told_id else []
        return found + [condition(rule, COLUMNS[rule.column], self.shown(rule.column)) for rule in self.rules]


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


async def schools_of(connection: AsyncConnection, seen: sa.ColumnElement[bool], message_id: str) -> list[str] | None:
    """Return the schools that a student's message was sent from and to, of others none; None when it is not seen."""
    columns = (messages.c.sender_school_id, messages.c.school_ids, messages.c.sender_role)
    row = (await connection.execute(sa.select(*columns).where(messages.c.message_id == message_id, seen))).first()
    if row is None:
        return None
    return sorted({row[0], *row[1]} - {""}) if row[2] == "student" else []


async def count(connection: AsyncConnection, seen: sa.ColumnElement[bool], asked: Asked) -> int:
    """Return how many referrals are seen."""
    statement = sa.select(sa.func.count()).select_from(_TABLES).where(seen, *asked.conditions())
    return int((await connection.execute(statement)).scalar_one())


async def page_of(connection: AsyncConnection, seen: sa.ColumnElement[bool], asked: Asked, page: Page) -> list[Row]:
    """Return a page of referrals; time and id keep the order of equal ones stable."""
    statement = _rows(seen).where(*asked.conditions())
    keys: list[sa.ColumnElement[Any]] = [referrals.c.created_at, referrals.c.referral_id]
    if asked.order.column != "date":
        keys.insert(0, asked.shown(asked.order.column))
    order = [key.desc() if asked.order.descending else key.asc() for key in keys]
    found = await connection.execute(statement.order_by(*order).limit(page.size).offset(page.offset))
    return [dict(row) for row in found.mappings()]
