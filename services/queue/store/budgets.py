"""How fast each provider may be called, by all dispatchers together: when the next call of each kind may begin."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.store.circuits import TRIED_AGAIN
from services.queue.work import Paced

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
    "SELECT greatest(free_at - :ahead, urgent_free_at + :lull), urgent_free_at > :now - :lull"
    " FROM budgets WHERE provider = :provider"
)
FILLED_BY_URGENT: Final = (
    "SELECT p.channel FROM unnest(CAST(:paced AS text[]), CAST(:usual AS text[]), CAST(:standby AS text[]))"
    " AS p (channel, usual, standby)"
    " LEFT JOIN circuits c ON c.provider = p.usual AND c.opened_at IS NOT NULL AND p.standby <> ''"
    " JOIN budgets b ON b.provider = CASE WHEN c.opened_at IS NULL THEN p.usual ELSE p.standby END"
    " WHERE b.urgent_free_at > :now - :lull"
    " AND (c.opened_at IS NULL OR coalesce(c.tried_at, c.opened_at) > :now - :tried_again)"
)
"""Channels whose provider, or the standby that is in charge, urgent calls fill: ordinary ones would only wait.

An ordinary batch that may try whether the usual provider is back does not wait for those of its standby.
"""


class Reserved(NamedTuple):
    """What became of asking for calls."""

    at: datetime
    """When the first may begin; where none were taken, before when it is of no use to ask again."""
    is_taken: bool
    is_held: bool = False
    """None were taken because urgent ones go first."""


async def reserve(
    connection: AsyncConnection, provider: str, taken: timedelta, now: datetime, *, is_urgent: bool
) -> Reserved:
    """Take the next calls of a provider, as many as fit into `taken`, unless it is not their turn."""
    values = {"provider": provider, "taken": taken, "now": now}
    if is_urgent:
        return Reserved((await connection.execute(_RESERVE_URGENT, values)).scalar_one(), is_taken=True)
    limits = {"ahead": _AHEAD, "lull": _LULL}
    start = (await connection.execute(_RESERVE, values | limits)).scalar_one_or_none()
    if start is not None:
        return Reserved(start, is_taken=True)
    row = (await connection.execute(_NEXT_LOOK, {"provider": provider, "now": now} | limits)).one()
    return Reserved(row[0], is_taken=False, is_held=row[1])


def filled(paced: Sequence[Paced]) -> dict[str, Any]:
    """Return the values of FILLED_BY_URGENT, beside `now`."""
    return {
        "paced": [each.channel.value for each in paced],
        "usual": [each.usual for each in paced],
        "standby": [each.standby for each in paced],
        "lull": _LULL,
        "tried_again": TRIED_AGAIN,
    }
