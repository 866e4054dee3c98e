"""Messages that wait for screening, and whether somebody was told that they wait too long."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_WAITING = sa.text(
    "SELECT count(*), min(created_at) FROM messages WHERE screening = 'waiting' AND cancelled_at IS NULL"
)
_BEGIN = sa.text(
    "INSERT INTO screening_stalls (told_at) VALUES (:now) ON CONFLICT (is_open) DO UPDATE SET told_at = :now"
    " WHERE screening_stalls.told_at <= :before RETURNING 1"
)
_END = sa.text("DELETE FROM screening_stalls")


async def waiting(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """Return how many messages wait for their verdict, and since when the oldest does."""
    row = (await connection.execute(_WAITING)).one()
    return int(row[0]), row[1]


async def begin(connection: AsyncConnection, now: datetime, before: datetime) -> bool:
    """Note that somebody is told now; False when they were told after `before`."""
    return (await connection.execute(_BEGIN, {"now": now, "before": before})).first() is not None


async def end(connection: AsyncConnection) -> None:
    """Forget it: nothing waits too long any more."""
    await connection.execute(_END)
