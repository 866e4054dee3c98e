"""The consent ledger: who asked for no more messages, by channel and destination."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel
from services.queue.tables import consent, consent_changes

LINES = "string_to_table(:lines, chr(10)) AS given (line)"
"""Many texts of one parameter, one a line: the driver makes an array of a list element by element, far more slowly.

One that has line breaks itself becomes several, which matters to nobody who looks results up by the whole text.
"""
_STOPPED = sa.text(
    f"SELECT c.destination FROM {LINES} JOIN consent c"
    " ON c.channel = :channel AND c.destination = given.line AND c.is_stopped"
)


async def stopped(connection: AsyncConnection, channel: Channel, destinations: Iterable[str]) -> set[str]:
    """Return those of the destinations whose owners asked for no more messages."""
    values = {"channel": channel.value, "lines": "\n".join(destinations)}
    return set((await connection.execute(_STOPPED, values)).scalars())


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
    """Append to the ledger; "stopped" and "started" change the consent. False for a message that is known."""
    change = insert(consent_changes).values(
        channel=channel.value,
        destination=destination,
        action=action,
        origin=origin,
        provider_message_id=provider_message_id,
        changed_at=now,
    )
    added = await connection.execute(change.on_conflict_do_nothing().returning(consent_changes.c.change_id))
    if added.scalar_one_or_none() is None:
        return False
    if action in {"stopped", "started"}:
        present = {"is_stopped": action == "stopped", "changed_at": now}
        row = insert(consent).values(channel=channel.value, destination=destination, **present)
        await connection.execute(row.on_conflict_do_update(index_elements=["channel", "destination"], set_=present))
    return True


async def action_of(connection: AsyncConnection, provider_message_id: str) -> str:
    """Return what an inbound message that is known already did."""
    query = sa.select(consent_changes.c.action).where(consent_changes.c.provider_message_id == provider_message_id)
    return str((await connection.execute(query)).scalar_one())
