"""The consent ledger: who wants no more messages, by channel, destination and type of message (statement 306).

The owner's STOP ends every type; everything else ends single types. START wants all of them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel
from services.queue.message_types import MessageType

_APPEND = sa.text(
    "INSERT INTO consent_changes (channel, destination, action, origin, provider_message_id, message_type, person_id,"
    " person_name, reason, changed_at) VALUES (:channel, :destination, :action, :origin, :provider_message_id,"
    " :message_type, :person_id, :person_name, :reason, :now) ON CONFLICT DO NOTHING RETURNING change_id"
)
_BY_OWNER = dict.fromkeys(("message_type", "person_id", "person_name", "reason"), "")
_OWNERS_WORD = sa.text(
    "INSERT INTO consent AS c (channel, destination, is_stopped, changed_at)"
    " VALUES (:channel, :destination, :is_stopped, :now) ON CONFLICT (channel, destination) DO UPDATE SET"
    " is_stopped = EXCLUDED.is_stopped, changed_at = :now,"
    " stopped_types = CASE WHEN EXCLUDED.is_stopped THEN c.stopped_types ELSE '{}' END"
)
_STOP_TYPE = sa.text(
    "INSERT INTO consent AS c (channel, destination, is_stopped, stopped_types, changed_at)"
    " VALUES (:channel, :destination, false, ARRAY[CAST(:message_type AS text)], :now)"
    " ON CONFLICT (channel, destination) DO UPDATE SET stopped_types = c.stopped_types || EXCLUDED.stopped_types,"
    " changed_at = :now WHERE NOT EXCLUDED.stopped_types <@ c.stopped_types RETURNING c.destination"
)
_START_TYPE = sa.text(
    "UPDATE consent SET stopped_types = array_remove(stopped_types, CAST(:message_type AS text)), changed_at = :now"
    " WHERE channel = :channel AND destination = :destination AND CAST(:message_type AS text) = ANY(stopped_types)"
    " RETURNING destination"
)
# A START that came after a text had left is the later word: what the provider says of that text is older. The standby's
# own list of opt-outs knows nothing of a START to the usual number: what it says takes none back, however old.
_DESTINATIONS = sa.text(
    "SELECT DISTINCT e.channel, r.destination"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:numbers AS integer[]), CAST(:left_at AS timestamptz[]))"
    " AS k (entry_id, number, left_at) JOIN entries e ON e.entry_id = k.entry_id"
    " JOIN messages m ON m.message_id = e.message_id"
    " JOIN recipients r ON r.entry_id = k.entry_id AND r.number = k.number AND r.created_at = e.created_at"
    " JOIN outcomes o ON o.entry_id = k.entry_id AND o.number = k.number AND o.created_at = e.created_at"
    " WHERE r.destination <> '' AND NOT EXISTS (SELECT 1 FROM consent_changes c WHERE c.destination = r.destination"
    " AND c.channel = e.channel AND c.action = 'started' AND c.message_type = ''"
    " AND (o.provider = 'aws_sms' OR c.changed_at > coalesce(k.left_at, m.send_at)))"
    # Everybody writes them in one order, so that no two wait for each other.
    " ORDER BY e.channel, r.destination"
)
_SUBSCRIPTION = sa.text(
    "SELECT r.destination, e.message_type,"
    " NOT coalesce(c.is_stopped OR e.message_type = ANY(c.stopped_types), false), r.language"
    " FROM entries e JOIN recipients r ON r.entry_id = e.entry_id AND r.created_at = e.created_at"
    " AND r.number = :number"
    " LEFT JOIN consent c ON c.channel = 'email' AND c.destination = r.destination"
    " WHERE e.entry_id = :entry_id AND e.channel IN ('email', 'poll', 'signup') AND r.destination <> ''"
)


@dataclass(frozen=True)
class TypeChange:
    """One type of messages that a destination is not to be written to any more, or again."""

    channel: Channel
    destination: str
    message_type: MessageType
    is_wanted: bool
    origin: str
    """unsubscribe: the link of an e-mail; staff: somebody whom the owner told, named in `by`."""
    by: tuple[str, str] = ("", "")
    """Id and name."""
    reason: str = ""


async def stopped_by_owner(connection: AsyncConnection, destination: str) -> set[Channel]:
    """Return the channels whose owner asked for no more messages of any type."""
    query = sa.text("SELECT channel FROM consent WHERE destination = :destination AND is_stopped")
    return {Channel(each) for each in (await connection.execute(query, {"destination": destination})).scalars()}


async def record(
    connection: AsyncConnection,
    channel: Channel,
    destination: str,
    action: str,
    *,
    origin: str,
    now: datetime,
    provider_message_id: str = "",
) -> bool:
    """Append an owner's word to the ledger; "stopped" and "started" mean all types. False for one that is known."""
    values = {"channel": channel.value, "destination": destination, "now": now}
    line = values | _BY_OWNER | {"action": action, "origin": origin, "provider_message_id": provider_message_id}
    if (await connection.execute(_APPEND, line)).scalar_one_or_none() is None:
        return False
    if action in {"stopped", "started"}:
        await connection.execute(_OWNERS_WORD, values | {"is_stopped": action == "stopped"})
    return True


async def set_type(connection: AsyncConnection, change: TypeChange, now: datetime) -> bool:
    """Stop or start one type and append that to the ledger; False when it stood so already."""
    values = {
        "channel": change.channel.value,
        "destination": change.destination,
        "message_type": change.message_type.value,
        "now": now,
    }
    statement = _START_TYPE if change.is_wanted else _STOP_TYPE
    if (await connection.execute(statement, values)).scalar_one_or_none() is None:
        return False
    line = values | {"action": "started" if change.is_wanted else "stopped", "origin": change.origin}
    line |= {"person_id": change.by[0], "person_name": change.by[1], "reason": change.reason}
    await connection.execute(_APPEND, line | {"provider_message_id": ""})
    return True


async def action_of(connection: AsyncConnection, provider_message_id: str) -> str:
    """Return what an inbound message that is known already did."""
    query = sa.text("SELECT action FROM consent_changes WHERE provider_message_id = :provider_message_id")
    return str((await connection.execute(query, {"provider_message_id": provider_message_id})).scalar_one())


async def not_started_since(
    connection: AsyncConnection, deliveries: Mapping[tuple[str, int], datetime | None]
) -> list[tuple[Channel, str]]:
    """Return channel and destination of deliveries, each once, in order; none that was started since they left.

    Of what the standby for texts says, none that was ever started: a STOP since then is in the ledger already.
    Deliveries are by entry and number. The message's time of sending counts where it is not known when one
    left: a STOP that this overlooks is told again with the next text, a START would stay overlooked.
    """
    values = {
        "entry_ids": [entry_id for entry_id, _ in deliveries],
        "numbers": [number for _, number in deliveries],
        "left_at": list(deliveries.values()),
    }
    return [(Channel(row[0]), row[1]) for row in await connection.execute(_DESTINATIONS, values)]


async def subscription(connection: AsyncConnection, entry_id: str, number: int) -> tuple[str, str, bool, str] | None:
    """Return address, type, whether it is wanted, and the recipient's language, of one e-mail as it was sent."""
    row = (await connection.execute(_SUBSCRIPTION, {"entry_id": entry_id, "number": number})).one_or_none()
    return tuple(row) if row else None
