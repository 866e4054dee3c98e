"""The audit log: who read, exported or changed what about messages. The database keeps it append-only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.ids import new_id
from services.kit.rules import Kind, Rule
from services.kit.ruling import condition, looked_up
from services.reports.domain import Order, Page, Sight
from services.reports.store.sight import visible
from services.reports.tables import audit_records, messages

Row = dict[str, Any]
NOBODY = "Lantern"
"""Who did what no person did."""


COLUMNS: dict[str, Kind] = {"date": Kind.DATE, **dict.fromkeys(("who", "what", "detail"), Kind.TEXT)}
"""Every column that sorts and takes rules."""


class Actor(NamedTuple):
    """Who did something, by their name then."""

    person_id: str
    name: str


@dataclass(frozen=True)
class Asked:
    """Which records of the log are asked for; empty means all."""

    message_id: str = ""
    action: str = ""
    actor: str = ""
    """Part of a name."""
    order: Order = field(default_factory=Order)
    rules: tuple[Rule, ...] = ()
    zone: str = "UTC"
    """Whose days rules on dates mean."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What the column what shows, by action."""

    def shown(self, column: str) -> sa.ColumnElement[Any]:
        """Return what a column of COLUMNS shows; text in lower case and never NULL."""
        if column == "date":
            return sa.cast(sa.func.timezone(self.zone, audit_records.c.at, type_=sa.DateTime()), sa.Date)
        words = looked_up(self.words, audit_records.c.action)
        texts: dict[str, sa.ColumnElement[str]] = {
            "who": sa.func.coalesce(sa.func.nullif(audit_records.c.actor_name, ""), NOBODY),
            "what": sa.func.coalesce(sa.func.nullif(words, ""), audit_records.c.action),
            "detail": audit_records.c.detail,
        }
        return sa.func.lower(texts[column], type_=sa.Text())


async def record(
    connection: AsyncConnection, at: datetime, actor: Actor, action: str, message_id: str | None, detail: str = ""
) -> None:
    """Add to the log. `detail` holds filters or ids, never message text."""
    values = {"at": at, "actor_id": actor.person_id, "actor_name": actor.name, "action": action}
    statement = sa.insert(audit_records).values(record_id=new_id(), message_id=message_id, detail=detail, **values)
    await connection.execute(statement)


def _conditions(sight: Sight, asked: Asked) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if asked.message_id:
        found.append(audit_records.c.message_id == asked.message_id)
    if asked.action:
        found.append(audit_records.c.action == asked.action)
    if asked.actor:
        found.append(audit_records.c.actor_name.icontains(asked.actor, autoescape=True))
    found += [condition(rule, COLUMNS[rule.column], asked.shown(rule.column)) for rule in asked.rules]
    if not sight.is_district_wide:
        mine = sa.select(messages.c.message_id).where(visible(sight))
        found.append(audit_records.c.message_id.in_(mine))
    return found


async def count(connection: AsyncConnection, sight: Sight, asked: Asked) -> int:
    """Return how many of the records the viewer sees."""
    statement = sa.select(sa.func.count()).select_from(audit_records).where(*_conditions(sight, asked))
    return int((await connection.execute(statement)).scalar_one())


async def page_of(connection: AsyncConnection, sight: Sight, asked: Asked, page: Page) -> list[Row]:
    """Return a page of records; time and id keep the order of equal ones stable."""
    keys: list[sa.ColumnElement[Any]] = [audit_records.c.at, audit_records.c.record_id]
    if asked.order.column != "date":
        keys.insert(0, asked.shown(asked.order.column))
    order = [key.desc() if asked.order.descending else key.asc() for key in keys]
    statement = sa.select(audit_records).where(*_conditions(sight, asked)).order_by(*order)
    found = await connection.execute(statement.limit(page.size).offset(page.offset))
    return [dict(row) for row in found.mappings()]


async def of_message(connection: AsyncConnection, message_id: str, limit: int) -> list[Row]:
    """Return what people did about a message that the viewer sees, the oldest first."""
    order = (audit_records.c.at, audit_records.c.record_id)
    statement = sa.select(audit_records).where(audit_records.c.message_id == message_id).order_by(*order).limit(limit)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
