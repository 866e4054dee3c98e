"""Providers that refuse our account, and when somebody was told last."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_BEGIN = sa.text(
    "INSERT INTO refused_accounts AS r (provider, told_at) VALUES (:provider, :now)"
    " ON CONFLICT (provider) DO UPDATE SET told_at = :now WHERE r.told_at <= :before RETURNING 1"
)


async def begin(connection: AsyncConnection, provider: str, now: datetime, before: datetime) -> bool:
    """Note that somebody is told of a provider now; False when they were told after `before`."""
    values = {"provider": provider, "now": now, "before": before}
    return (await connection.execute(_BEGIN, values)).first() is not None
