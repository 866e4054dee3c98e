"""Whether a provider has been failing, and its standby takes over: one row for each provider, for all dispatchers."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

TRIED_AGAIN: Final = timedelta(seconds=30)
"""While the standby is in charge the provider is tried once in such a time."""
TRIED_BY_URGENT: Final = timedelta(hours=4)
"""What is urgent tries it only if nothing has for so long: by some channels hardly anything else goes."""
# Failures a long time apart are no failing for a long time: after a lull they count from the newest.
_FAILED = sa.text(
    "INSERT INTO circuits AS c (provider, failing_since, failed_at) VALUES (:provider, :now, :now)"
    " ON CONFLICT (provider) DO UPDATE SET failed_at = :now, failing_since ="
    " CASE WHEN c.failing_since IS NULL OR c.failed_at < :now - :lull THEN :now ELSE c.failing_since END,"
    " opened_at = CASE WHEN c.opened_at IS NULL AND c.failed_at >= :now - :lull AND c.failing_since <= :now - :after"
    " THEN :now ELSE c.opened_at END"
    " RETURNING opened_at IS NOT NULL, coalesce(opened_at = :now, false)"
)
_ANSWERED = sa.text(
    "UPDATE circuits c SET failing_since = NULL, opened_at = NULL, tried_at = NULL,"
    " closed_at = CASE WHEN before.opened_at IS NULL THEN c.closed_at ELSE :now END"
    " FROM (SELECT provider, opened_at FROM circuits WHERE provider = :provider FOR UPDATE) before"
    " WHERE c.provider = before.provider AND (c.opened_at IS NOT NULL OR c.failing_since IS NOT NULL)"
    " RETURNING before.opened_at IS NOT NULL"
)
_TRY = sa.text(
    "UPDATE circuits SET tried_at = :now WHERE provider = :provider AND opened_at IS NOT NULL"
    " AND coalesce(tried_at, opened_at) <= :now - :again RETURNING provider"
)
_IS_OPEN = sa.text("SELECT opened_at IS NOT NULL FROM circuits WHERE provider = :provider")
_WAS_OPEN = sa.text(
    "SELECT opened_at IS NOT NULL OR coalesce(closed_at >= :since, false) FROM circuits WHERE provider = :provider"
)


async def failed(
    connection: AsyncConnection, provider: str, now: datetime, *, after: timedelta, lull: timedelta
) -> tuple[bool, bool]:
    """Note that nothing came of a whole batch; return whether the standby takes over, and whether since this moment.

    It does once nothing else was noted for `after`, with no `lull` between two failures.
    """
    values = {"provider": provider, "now": now, "after": after, "lull": lull}
    row = (await connection.execute(_FAILED, values)).one()
    return bool(row[0]), bool(row[1])


async def answered(connection: AsyncConnection, provider: str, now: datetime) -> bool:
    """Note that the provider answers; True when that ends the standby's part."""
    found = (await connection.execute(_ANSWERED, {"provider": provider, "now": now})).scalar_one_or_none()
    return bool(found)


async def is_open(connection: AsyncConnection, provider: str) -> bool:
    """Tell whether the standby takes over."""
    return bool((await connection.execute(_IS_OPEN, {"provider": provider})).scalar_one_or_none())


async def may_try(connection: AsyncConnection, provider: str, now: datetime, *, is_urgent: bool) -> bool:
    """Tell one caller in each TRIED_AGAIN, or TRIED_BY_URGENT, that the provider may be tried again."""
    values = {"provider": provider, "now": now, "again": TRIED_BY_URGENT if is_urgent else TRIED_AGAIN}
    return (await connection.execute(_TRY, values)).scalar_one_or_none() is not None


async def was_open(connection: AsyncConnection, provider: str, since: datetime) -> bool:
    """Tell whether the standby may have taken anything since a time."""
    values = {"provider": provider, "since": since}
    return bool((await connection.execute(_WAS_OPEN, values)).scalar_one_or_none())
