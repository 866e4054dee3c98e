"""The quiet hours of schools, as directory last told them."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.quiet import QuietHours

_EVERY = sa.text("SELECT school_id, time_zone, begins, ends FROM quiet_hours")
_ADD = sa.text(
    "INSERT INTO quiet_hours (school_id, time_zone, begins, ends) VALUES (:school_id, :time_zone, :begins, :ends)"
)


async def every(connection: AsyncConnection) -> dict[str, QuietHours]:
    """Return the quiet hours by school; schools that have none are missing."""
    rows = await connection.execute(_EVERY)
    return {row.school_id: QuietHours(row.time_zone, row.begins, row.ends) for row in rows}


async def replace(connection: AsyncConnection, wanted: Mapping[str, QuietHours]) -> None:
    """Keep these in place of what was kept. Two that do so at once wait for each other."""
    await connection.execute(sa.text("LOCK TABLE quiet_hours IN SHARE ROW EXCLUSIVE MODE"))
    await connection.execute(sa.text("DELETE FROM quiet_hours"))
    rows = [
        {"school_id": school_id, "time_zone": each.time_zone, "begins": each.begins, "ends": each.ends}
        for school_id, each in wanted.items()
    ]
    if rows:
        await connection.execute(_ADD, rows)
