"""Threats, the alerts of their holders, and acknowledgements."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.ids import new_id
from services.notify.tables import acknowledgements, alerts, threats

Row = dict[str, Any]
CHANNEL = "alerts_changed"
"""The ids of alerts that are new or changed are told on it."""
_MOST_OPEN = 500


async def lock(connection: AsyncConnection, message_id: str) -> None:
    """Let one transaction at a time write about a threat, also before it is known."""
    statement = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 0))")
    await connection.execute(statement, {"id": message_id})


async def insert_threat(connection: AsyncConnection, threat: Mapping[str, Any]) -> bool:
    """Write a threat; False when it is known already (statement 172)."""
    statement = insert(threats).values(**threat).on_conflict_do_nothing().returning(threats.c.message_id)
    return (await connection.execute(statement)).first() is not None


async def raise_alerts(
    connection: AsyncConnection, message_id: str, person_ids: Sequence[str], dismissed_at: datetime | None
) -> list[str]:
    """Write an alert for each holder who has none; return the new ones."""
    values = [
        {"alert_id": new_id(), "message_id": message_id, "person_id": each, "dismissed_at": dismissed_at}
        for each in person_ids
    ]
    if not values:
        return []
    statement = insert(alerts).values(values).on_conflict_do_nothing().returning(alerts.c.alert_id)
    return [str(each) for each in (await connection.execute(statement)).scalars()]


async def remember_acknowledgement(connection: AsyncConnection, acknowledged: Mapping[str, Any]) -> bool:
    """Write who acknowledged a threat; False when that is known already."""
    statement = insert(acknowledgements).values(**acknowledged).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(acknowledgements.c.message_id))).first() is not None


async def acknowledgement(connection: AsyncConnection, message_id: str) -> Row | None:
    """Return who acknowledged a threat, if anybody did."""
    found = sa.select(acknowledgements).where(acknowledgements.c.message_id == message_id)
    row = (await connection.execute(found)).mappings().first()
    return dict(row) if row else None


async def is_known(connection: AsyncConnection, message_id: str) -> bool:
    """Tell whether the threat came."""
    return (await connection.execute(sa.select(1).where(threats.c.message_id == message_id))).first() is not None


async def dismiss(connection: AsyncConnection, message_id: str, at: datetime) -> list[str]:
    """Dismiss every open alert of a threat; return them."""
    change = (
        sa.update(alerts)
        .where(alerts.c.message_id == message_id, alerts.c.dismissed_at.is_(None))
        .values(dismissed_at=at)
        .returning(alerts.c.alert_id)
    )
    return [str(each) for each in (await connection.execute(change)).scalars()]


def _rows() -> sa.Select[Any]:
    tables = alerts.join(threats, threats.c.message_id == alerts.c.message_id).outerjoin(
        acknowledgements, acknowledgements.c.message_id == alerts.c.message_id
    )
    columns = [
        *alerts.c,
        *(each for each in threats.c if each.key != "message_id"),
        acknowledgements.c.name.label("acknowledged_by"),
    ]
    return sa.select(*columns).select_from(tables).order_by(threats.c.raised_at.desc(), alerts.c.alert_id)


async def open_alerts(connection: AsyncConnection, person_id: str) -> list[Row]:
    """Return a person's open alerts, newest first, at most 500."""
    statement = _rows().where(alerts.c.person_id == person_id, alerts.c.dismissed_at.is_(None)).limit(_MOST_OPEN)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def alerts_by_id(connection: AsyncConnection, alert_ids: Sequence[str], person_id: str = "") -> list[Row]:
    """Return these alerts, of one person alone if one is named."""
    statement = _rows().where(alerts.c.alert_id.in_(alert_ids))
    if person_id:
        statement = statement.where(alerts.c.person_id == person_id)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
