"""How fast each provider may be called, by all dispatchers together: when the next call of each kind may begin."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

# Urgent calls wait for urgent ones alone, and push the ordinary ones back: those are never before them.
_RESERVE_URGENT = sa.text(
    "INSERT INTO budgets AS b (provider, urgent_free_at, free_at) VALUES (:provider, :now + :taken, :now)"
    " ON CONFLICT (provider) DO UPDATE SET urgent_free_at = greatest(b.urgent_free_at, :now) + :taken"
    " RETURNING urgent_free_at - :taken"
)
_RESERVE = sa.text(
    "INSERT INTO budgets AS b (provider, urgent_free_at, free_at) VALUES (:provider, :now, :now + :taken)"
    " ON CONFLICT (provider) DO UPDATE SET free_at = greatest(b.free_at, b.urgent_free_at, :now) + :taken"
    " RETURNING free_at - :taken"
)


async def reserve(
    connection: AsyncConnection, provider: str, taken: timedelta, now: datetime, *, is_urgent: bool
) -> datetime:
    """Take the next calls of a provider, as many as fit into `taken`; return when the first of them may begin."""
    statement = _RESERVE_URGENT if is_urgent else _RESERVE
    values = {"provider": provider, "taken": taken, "now": now}
    start: datetime = (await connection.execute(statement, values)).scalar_one()
    return start
