"""What follows from a verdict: a held message leaves, or is withheld; one transaction, once."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.logs import get_logger
from services.queue import events_out
from services.queue.actions import inboxes
from services.queue.domain import Deltas, Screening, State
from services.queue.store import batches, counts, messages

_log = get_logger(__name__)
_NAMES_TOLD = 50


async def apply_verdict(
    connection: AsyncConnection, message_id: str, verdict: bytes, now: datetime, *, holds: bool
) -> bool:
    """Release or withhold a message that waits for its verdict; False when it waits for none.

    `verdict` is the wire form of the verdict, which goes into the events and stays with the message.
    """
    message = await messages.find(connection, message_id, lock=True)
    if message is None or message.screening is not Screening.WAITING:
        _log.info("verdict_without_effect", message_id=message_id, is_known=message is not None)
        return False
    screening = Screening.WITHHELD if holds else Screening.RELEASED
    await messages.decide(connection, message_id, screening, verdict, now)
    message.screening, message.verdict, message.decided_at = screening, verdict, now
    move = batches.withhold if holds else batches.release
    deltas = Deltas()
    for entry_id, school_id, how_many in await move(connection, message_id, now):
        deltas.move(entry_id, school_id, State.HELD, State.WITHHELD if holds else State.PENDING, how_many)
    await counts.apply(connection, deltas, now)
    snapshot = await messages.snapshot(connection, message)
    if holds:
        names = await messages.recipient_names(connection, snapshot.entries[0], _NAMES_TOLD)
        await events_out.tell_withheld(connection, snapshot, names, now)
    else:
        if message.cancelled_at is None:
            await inboxes.fill(connection, snapshot, max(now, message.send_at))
        await events_out.tell_released(connection, message, now)
    return True
