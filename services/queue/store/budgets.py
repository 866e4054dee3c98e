"""How fast each provider may be called, by all dispatchers together: when the next call of each kind may begin."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_AHEAD = timedelta(seconds=0.25)
"""So long before they may begin ordinary calls are taken: what is urgent overlaps those that were."""
_LULL = timedelta(seconds=0.05)
"""What is urgent goes on if its next calls are taken so soon after the last."""
# Urgent calls wait for urgent ones alone.
_RESERVE_URGENT = sa.text(
    "INSERT INTO budgets AS b (provider, urgent_free_at, free_at) VALUES (:provider, :now + :taken, :now)"
    " ON CONFLICT (provider) DO UPDATE SET urgent_free_at = greatest(b.urgent_free_at, :now) + :taken"
    " RETURNING urgent_free_at - :taken"
)
# Ordinary ones wait until no urgent one does, and are not taken before.
_RESERVE = sa.text(
    "INSERT INTO budgets AS b (provider, urgent_free_at, free_at) VALUES (:provider, :now - :lull, :now + :taken)"
    " ON CONFLICT (provider) DO UPDATE SET free_at = greatest(b.free_at, :now) + :taken"
    " WHERE b.free_at <= :now + :ahead AND b.urgent_free_at <= :now - :lull"
    " RETURNING free_at - :taken"
)
_NEXT_LOOK = sa.text(
    "SELECT greatest(free_at - :ahead, urgent_free_at + :lull) FROM budgets WHERE provider = :provider"
)


async def reserve(
    connection: AsyncConnection, provider: str, taken: timedelta, now: datetime, *, is_urgent: bool
) -> tuple[datetime, bool]:
    """Take the next calls of a provider, as many as fit into `taken`; return when the first may begin, and True.

    With False none were taken: it is not their turn before that time.
    """
    values = {"provider": provider, "taken": taken, "now": now}
    if is_urgent:
        return (await connection.execute(_RESERVE_URGENT, values)).scalar_one(), True
    limits = {"ahead": _AHEAD, "lull": _LULL}
    start = (await connection.execute(_RESERVE, values | limits)).scalar_one_or_none()
    if start is not None:
        return start, True
    return (await connection.execute(_NEXT_LOOK, {"provider": provider} | limits)).scalar_one(), False
