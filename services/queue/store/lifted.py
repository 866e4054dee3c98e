"""Addresses that were lifted here and that Amazon SES has yet to take off its own list."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_FIRST_DUE = sa.text(
    "SELECT destination, due_at FROM lifted_addresses WHERE due_at <= :now ORDER BY due_at, destination LIMIT 1"
)
_FORGET = sa.text("DELETE FROM lifted_addresses WHERE destination = :destination AND due_at = :due_at")
_PUT_OFF = sa.text("UPDATE lifted_addresses SET due_at = :until WHERE destination = :destination AND due_at = :due_at")


class Lifted(NamedTuple):
    """One of them; what was lifted again meanwhile is due at another time, and is another one."""

    destination: str
    due_at: datetime


async def first_due(connection: AsyncConnection, now: datetime) -> Lifted | None:
    """Return the one that waits longest."""
    row = (await connection.execute(_FIRST_DUE, {"now": now})).one_or_none()
    return Lifted(*row) if row else None


async def forget(connection: AsyncConnection, lifted: Lifted) -> None:
    """Amazon does not have it on its list any more."""
    await connection.execute(_FORGET, lifted._asdict())


async def put_off(connection: AsyncConnection, lifted: Lifted, until: datetime) -> None:
    """Leave it until then."""
    await connection.execute(_PUT_OFF, {**lifted._asdict(), "until": until})
