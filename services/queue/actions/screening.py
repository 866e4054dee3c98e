"""What follows from a verdict: a held message leaves, or is withheld; one transaction, once.

What a student wrote is judged first, and nothing of it is translated before. Then every translation is judged by
itself, and the message leaves when none of them waits for its verdict any more.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.logs import get_logger
from services.queue import events_out
from services.queue.actions import inboxes
from services.queue.actions.quieting import quiet_of
from services.queue.domain import Deltas, Screening, State
from services.queue.records import Entry, Message
from services.queue.store import batches, counts, messages, questions, surveys, translations
from services.queue.surveys import ends
from services.queue.translating import deadline

_log = get_logger(__name__)
_NAMES_TOLD = 50


async def apply_verdict(
    connection: AsyncConnection,
    message_id: str,
    verdict: bytes,
    now: datetime,
    *,
    holds: bool,
    translated_into: str = "",
) -> bool:
    """Release or withhold a message that waits for its verdict; False when it waits for none, or still waits.

    `verdict` is the wire form of the verdict, which goes into the events and stays with the message. `translated_into`
    is the language of the translation that it is about; empty: it is about what the student wrote.
    """
    message = await messages.find(connection, message_id, lock=True)
    if message is None or message.screening is not Screening.WAITING:
        _log.info("verdict_without_effect", message_id=message_id, is_known=message is not None)
        return False
    await questions.answered(connection, message_id, translated_into)
    if holds:
        said = events_out.verdict_on_translation(verdict, translated_into) if translated_into else verdict
        await _withhold(connection, message, said, now)
        return True
    if translated_into:
        await translations.mark_screened(connection, message_id, translated_into)
    else:
        message.verdict = verdict
        await messages.decide(connection, message_id, Screening.WAITING, verdict, now)
        if message.is_translated:
            entries = await _renewed(connection, message, now)
            await translations.begin(connection, message_id, now, deadline(now, message, entries))
    return await let_go_if_through(connection, message, now)


async def let_go_if_through(connection: AsyncConnection, message: Message, now: datetime) -> bool:
    """Release a held message, locked by this transaction, that waits for no verdict any more; False when it does."""
    is_judged = message.verdict is not None
    if not is_judged or (message.is_translated and await translations.is_undecided(connection, message.message_id)):
        return False
    await _renewed(connection, message, now)
    await _decide(connection, message, Screening.RELEASED, message.verdict or b"", now)
    snapshot = await messages.snapshot(connection, message)
    if message.cancelled_at is None:
        await inboxes.fill(connection, snapshot, max(now, message.send_at))
    await events_out.tell_released(connection, message, now)
    return True


async def _renewed(connection: AsyncConnection, message: Message, now: datetime) -> Sequence[Entry]:
    """Return the entries, whose usual deadlines count from now if nothing could leave before.

    Else a message whose verdict came late would end at the moment at which it is released.
    """
    entries = await messages.entries_of(connection, message.message_id)
    if message.expires_at or now <= message.send_at:
        return entries
    quiet, asked = await quiet_of(connection, message), await surveys.of_message(connection, message.message_id)
    renewed = []
    for entry in entries:
        until = quiet.expires_at(entry.channel, now, is_emergency=message.is_emergency, asked=None)
        renewed.append(replace(entry, expires_at=max(entry.expires_at, ends(entry.channel, until, asked))))
        await messages.renew(connection, entry.entry_id, renewed[-1].expires_at)
    return renewed


async def _withhold(connection: AsyncConnection, message: Message, verdict: bytes, now: datetime) -> None:
    await _decide(connection, message, Screening.WITHHELD, verdict, now)
    if message.is_translated:
        await translations.pause(connection, message.message_id)
    snapshot = await messages.snapshot(connection, message)
    names = await messages.recipient_names(connection, snapshot.entries[0], _NAMES_TOLD)
    await events_out.tell_withheld(connection, snapshot, names, now)


async def _decide(
    connection: AsyncConnection, message: Message, screening: Screening, verdict: bytes, now: datetime
) -> None:
    """Write the decision, with the held batches and their counters."""
    await messages.decide(connection, message.message_id, screening, verdict, now)
    message.screening, message.verdict, message.decided_at = screening, verdict, now
    await questions.forget(connection, message.message_id)
    holds = screening is Screening.WITHHELD
    move, state = (batches.withhold, State.WITHHELD) if holds else (batches.release, State.PENDING)
    deltas = Deltas()
    for entry_id, school_id, how_many in await move(connection, message.message_id, now):
        deltas.move(entry_id, school_id, State.HELD, state, how_many)
    await counts.apply(connection, deltas, now)
