"""Whether emergencies ask nobody's consent, who said so and why; what was said is only added to (statement 306)."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_LATEST = sa.text(
    "SELECT is_on, reason, person_name, changed_at FROM emergency_exemptions ORDER BY change_id DESC LIMIT :limit"
)
_APPEND = sa.text(
    "INSERT INTO emergency_exemptions (is_on, reason, person_id, person_name, changed_at)"
    " VALUES (:is_on, :reason, :person_id, :person_name, :now)"
)


@dataclass(frozen=True)
class ExemptionChange:
    """A line of the history."""

    is_on: bool
    reason: str
    person_name: str
    changed_at: datetime


async def is_on(connection: AsyncConnection) -> bool:
    """Tell whether emergencies ask nobody's consent: not unless somebody said so."""
    found = await latest(connection, 1)
    return bool(found and found[0].is_on)


async def latest(connection: AsyncConnection, limit: int) -> list[ExemptionChange]:
    """Return the latest changes, newest first."""
    return [ExemptionChange(*row) for row in await connection.execute(_LATEST, {"limit": limit})]


async def change(connection: AsyncConnection, *, to: bool, reason: str, by: tuple[str, str], now: datetime) -> None:
    """Switch it on or off; `by` is the id and name of who does. What stands so already is not written again."""
    # One at a time, so that two who do the same leave one line.
    await connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('emergency_exemptions'))"))
    if await is_on(connection) is not to:
        values = {"is_on": to, "reason": reason, "person_id": by[0], "person_name": by[1], "now": now}
        await connection.execute(_APPEND, values)
