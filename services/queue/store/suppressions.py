"""Destinations that are not written to any more, why, and who changed that; the changes are only added to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel

_SUPPRESS = sa.text(
    "WITH fresh AS (INSERT INTO suppressions (channel, destination, reason, code, suppressed_at)"
    " SELECT DISTINCT ON (c.channel, r.destination) c.channel, r.destination, k.reason, k.code,"
    " CAST(:now AS timestamptz)"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:numbers AS integer[]), CAST(:reasons AS text[]),"
    " CAST(:codes AS text[])) AS k (entry_id, number, reason, code) JOIN entries e ON e.entry_id = k.entry_id"
    " JOIN recipients r ON r.entry_id = k.entry_id AND r.number = k.number AND r.created_at = e.created_at"
    # Polls and sign-ups are e-mails.
    " CROSS JOIN LATERAL (SELECT CASE WHEN e.channel IN ('poll', 'signup') THEN 'email' ELSE e.channel END AS channel)"
    " AS c"
    " WHERE c.channel IN ('email', 'sms') AND r.destination <> ''"
    # What was lifted here stays on Amazon's own list for a while, and bounces because of that alone.
    " AND NOT (k.code ILIKE '%/onaccountsuppressionlist'"
    " AND EXISTS (SELECT 1 FROM lifted_addresses l WHERE l.destination = r.destination))"
    " ORDER BY c.channel, r.destination"
    " ON CONFLICT DO NOTHING RETURNING channel, destination, reason, code)"
    " INSERT INTO suppression_changes (channel, destination, action, reason, code, person_id, person_name, changed_at)"
    " SELECT channel, destination, 'suppressed', reason, code, '', '', :now FROM fresh"
)
_LIFT = sa.text(
    "WITH gone AS (DELETE FROM suppressions WHERE channel = :channel AND destination = :destination"
    " RETURNING channel, destination, reason, code),"
    # Amazon SES has a list of its own.
    " amazons AS (INSERT INTO lifted_addresses (destination, due_at)"
    " SELECT destination, CAST(:now AS timestamptz) FROM gone WHERE channel = 'email'"
    " ON CONFLICT (destination) DO UPDATE SET due_at = EXCLUDED.due_at)"
    " INSERT INTO suppression_changes (channel, destination, action, reason, code, person_id, person_name, changed_at)"
    " SELECT channel, destination, 'lifted', reason, code, :person_id, :person_name, :now FROM gone"
    " RETURNING change_id"
)
_STANDING = sa.text(
    "SELECT channel, destination, reason, code, suppressed_at FROM suppressions WHERE destination = :destination"
)
# What is not asked for is asked for by what everything meets, so that the index serves the first page and the last.
_SOUGHT = (
    " FROM suppressions WHERE suppressed_at >= :since AND (:channel = '' OR channel = :channel)"
    " AND (:reason = '' OR reason = :reason) AND (:domain = '' OR split_part(destination, '@', -1) = :domain)"
)
_HOW_MANY = sa.text(f"SELECT count(*){_SOUGHT}")
_LISTED = sa.text(
    f"SELECT channel, destination, reason, code, suppressed_at{_SOUGHT}"
    " AND (suppressed_at, channel, destination) < (:before, :before_channel, :before_destination)"
    " ORDER BY suppressed_at DESC, channel DESC, destination DESC LIMIT :size"
)
_CHANGES = sa.text(
    "SELECT channel, action, reason, person_name, changed_at, message_type FROM ("
    " SELECT channel, action, reason, person_name, changed_at, '' AS message_type FROM suppression_changes"
    " WHERE destination = :destination"
    " UNION ALL SELECT channel, action, coalesce(nullif(reason, ''), origin), person_name, changed_at, message_type"
    " FROM consent_changes WHERE destination = :destination"
    ") c ORDER BY changed_at DESC LIMIT :limit"
)
_STOPPED = sa.text(
    "SELECT channel, changed_at, is_stopped, stopped_types FROM consent WHERE destination = :destination"
    " AND (is_stopped OR stopped_types <> '{}') ORDER BY channel"
)


@dataclass(frozen=True)
class Finding:
    """A delivery after which its destination is suppressed."""

    entry_id: str
    number: int
    reason: str
    code: str


@dataclass(frozen=True)
class Change:
    """A line of a destination's history."""

    channel: str
    action: str
    """suppressed, lifted; or of consent: stopped, started, help, ignored."""
    reason: str
    person_name: str
    changed_at: datetime
    message_type: str
    """Empty: all of them."""


class Suppression(NamedTuple):
    """A destination that is not written to by a channel."""

    channel: str
    destination: str
    reason: str
    code: str
    """The provider's."""
    suppressed_at: datetime


class Key(NamedTuple):
    """Where a page of suppressions ended, newest first."""

    suppressed_at: datetime = datetime.max.replace(tzinfo=UTC)
    channel: str = ""
    destination: str = ""


@dataclass(frozen=True)
class Sought:
    """Which suppressions are asked for; empty texts mean any."""

    channel: str
    reason: str
    domain: str
    since: datetime


@dataclass(frozen=True)
class ContactStanding:
    """How a destination stands."""

    suppressed: Sequence[Suppression]
    stopped: Sequence[tuple[str, datetime, bool, Sequence[str]]]
    """Channel, when that changed last, whether the owner stopped all, types that are stopped besides."""
    changes: Sequence[Change]
    """Newest first."""


async def suppress(connection: AsyncConnection, findings: Sequence[Finding], now: datetime) -> None:
    """Suppress the destinations of these deliveries; what is suppressed already keeps its first reason."""
    values = {
        "entry_ids": [each.entry_id for each in findings],
        "numbers": [each.number for each in findings],
        "reasons": [each.reason for each in findings],
        "codes": [each.code for each in findings],
        "now": now,
    }
    await connection.execute(_SUPPRESS, values)


async def lift(
    connection: AsyncConnection, channel: Channel, destination: str, by: tuple[str, str], now: datetime
) -> bool:
    """Write to a destination again; `by` is the id and name of who says so. False when it is not suppressed."""
    values = {"channel": channel.value, "destination": destination, "now": now}
    values |= {"person_id": by[0], "person_name": by[1]}
    return (await connection.execute(_LIFT, values)).scalar_one_or_none() is not None


async def listed(connection: AsyncConnection, sought: Sought, after: Key, size: int) -> list[Suppression]:
    """Return the next of them, newest first."""
    key = dict(zip(("before", "before_channel", "before_destination"), after, strict=True))
    return [Suppression(*row) for row in await connection.execute(_LISTED, {**asdict(sought), **key, "size": size})]


async def how_many(connection: AsyncConnection, sought: Sought) -> int:
    """Return how many are asked for."""
    return int((await connection.execute(_HOW_MANY, asdict(sought))).scalar_one())


async def standing(connection: AsyncConnection, destination: str, limit: int) -> ContactStanding:
    """Return how a destination stands, with its latest changes."""
    values = {"destination": destination}
    suppressed = [Suppression(*row) for row in await connection.execute(_STANDING, values)]
    stopped = [tuple(row) for row in await connection.execute(_STOPPED, values)]
    changes = [Change(*row) for row in await connection.execute(_CHANGES, {**values, "limit": limit})]
    return ContactStanding(suppressed, stopped, changes)
