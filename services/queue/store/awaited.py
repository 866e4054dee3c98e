"""Deliveries that a provider took and has not told the end of: asked about, and ended when their time is over.

No index says which those are: each delivery would write it twice. `entry_progress.ask_at` says when to look at the
deliveries of an entry next; it is empty while nothing of it is held or pending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import RECEIPT_UNDER_WAY, Channel

# LATERAL with its own LIMIT: each entry is one walk through the primary key, whatever the planner knows of the others.
_EXPIRE = sa.text(
    "WITH past AS MATERIALIZED (SELECT e.entry_id, e.created_at FROM entry_progress p"
    " JOIN entries e ON e.entry_id = p.entry_id"
    " JOIN unnest(CAST(:channels AS text[]), CAST(:ended AS timestamptz[])) AS c (channel, ended)"
    " ON c.channel = e.channel WHERE p.ask_at IS NOT NULL AND e.expires_at <= c.ended"
    " AND EXISTS (SELECT 1 FROM entry_counts c WHERE c.entry_id = p.entry_id AND c.pending > 0)),"
    " late AS MATERIALIZED (SELECT o.entry_id, o.number, o.created_at FROM past CROSS JOIN LATERAL ("
    " SELECT o.entry_id, o.number, o.created_at FROM outcomes o WHERE o.entry_id = past.entry_id"
    " AND o.created_at = past.created_at AND o.state = 'handed_off' ORDER BY o.number LIMIT :limit"
    " FOR UPDATE SKIP LOCKED) o LIMIT :limit)"
    " UPDATE outcomes o SET state = 'expired', changed_at = :now FROM late"
    " WHERE o.entry_id = late.entry_id AND o.number = late.number AND o.created_at = late.created_at"
    " RETURNING o.entry_id::text, o.school_id"
)
# Locked, so that a counter that moves meanwhile sets ask_at after us, and is not overwritten.
_TO_LOOK_AT = sa.text(
    "SELECT p.entry_id::text, e.created_at, e.channel FROM entry_progress p JOIN entries e ON e.entry_id = p.entry_id"
    " WHERE p.ask_at <= :now ORDER BY p.ask_at LIMIT :limit FOR UPDATE OF p SKIP LOCKED"
)
_OF_PROVIDERS = "state = 'handed_off' AND provider = ANY(:providers) AND provider_message_id <> ''"
_SILENT = sa.text(
    "WITH silent AS MATERIALIZED (SELECT o.entry_id, o.number, o.created_at"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:created AS timestamptz[])) AS e (entry_id, created_at)"
    " CROSS JOIN LATERAL (SELECT entry_id, number, created_at FROM outcomes o"
    f" WHERE o.entry_id = e.entry_id AND o.created_at = e.created_at AND {_OF_PROVIDERS} AND changed_at <= :before"
    " AND (asked_at IS NULL OR asked_at - changed_at <= :now - asked_at)"
    " ORDER BY number LIMIT :limit FOR UPDATE SKIP LOCKED) o LIMIT :limit)"
    " UPDATE outcomes o SET asked_at = :now FROM silent s"
    " WHERE o.entry_id = s.entry_id AND o.number = s.number AND o.created_at = s.created_at"
    " RETURNING o.entry_id::text, o.number, o.attempt, o.provider, o.provider_message_id"
)
# What was asked about at x after y is due again at x + (x - y), what was not at y + the pause.
_LOOK_AGAIN = sa.text(
    "UPDATE entry_progress p SET ask_at = CASE WHEN EXISTS (SELECT 1 FROM entry_counts c"
    " WHERE c.entry_id = p.entry_id AND c.pending + c.held > 0) THEN least(:later, ("
    " SELECT min(CASE WHEN o.asked_at IS NULL THEN o.changed_at + (:later - :now)"
    " ELSE o.asked_at + (o.asked_at - o.changed_at) END) FROM outcomes o WHERE e.is_asked"
    f" AND o.entry_id = e.entry_id AND o.created_at = e.created_at AND {_OF_PROVIDERS})) END"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:created AS timestamptz[]), CAST(:asked AS boolean[]))"
    " AS e (entry_id, created_at, is_asked) WHERE p.entry_id = e.entry_id"
)


Silent = tuple[str, int, int, str, str]
"""Entry, number, attempt, provider, and the provider's id of a delivery."""


@dataclass(frozen=True)
class Open:
    """An entry of which something may be pending, to be looked at now."""

    entry_id: str
    created_at: datetime
    channel: Channel


async def expire(connection: AsyncConnection, now: datetime, limit: int) -> list[tuple[str, str]]:
    """End deliveries that were handed off and never confirmed in time; return entry and school of each.

    Receipts of what arrived in time may still be under way when it ends.
    """
    ended = [now - RECEIPT_UNDER_WAY[each] for each in Channel]
    values = {"now": now, "limit": limit, "channels": [each.value for each in Channel], "ended": ended}
    return [(row[0], row[1]) for row in await connection.execute(_EXPIRE, values)]


async def to_look_at(connection: AsyncConnection, now: datetime, limit: int) -> list[Open]:
    """Lock the entries whose deliveries are to be looked at, those first that have waited longest."""
    rows = await connection.execute(_TO_LOOK_AT, {"now": now, "limit": limit})
    return [Open(row[0], row[1], Channel(row[2])) for row in rows]


async def silent(
    connection: AsyncConnection,
    entries: Sequence[Open],
    providers: Sequence[str],
    *,
    before: datetime,
    now: datetime,
    limit: int,
) -> list[Silent]:
    """Take deliveries that these providers were silent about since `before`, later ones when they are twice as old.

    They count as asked about now.
    """
    values = {
        "entry_ids": [each.entry_id for each in entries],
        "created": [each.created_at for each in entries],
        "providers": list(providers),
        "before": before,
        "now": now,
        "limit": limit,
    }
    return [tuple(row) for row in await connection.execute(_SILENT, values)]


async def look_again(
    connection: AsyncConnection,
    entries: Sequence[Open],
    providers: Sequence[str],
    asked: Sequence[Channel],
    *,
    now: datetime,
    later: datetime,
) -> None:
    """Set when to look at locked entries again: when the next of their deliveries is due, at the latest `later`.

    What is handed off from now on is not due sooner. Entries of other channels than `asked` are not asked about.
    """
    values = {
        "entry_ids": [each.entry_id for each in entries],
        "created": [each.created_at for each in entries],
        "asked": [each.channel in asked for each in entries],
        "providers": list(providers),
        "now": now,
        "later": later,
    }
    await connection.execute(_LOOK_AGAIN, values)
