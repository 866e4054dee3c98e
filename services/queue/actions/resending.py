"""Sending again to those in Error or Expired, by the same or another channel (statement 305).

The old rows stay as they are; the new ones have the same numbers, and their entry names the old one. Consent,
suppression, quiet hours, senders and translation are those of this moment, as for a first send.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition
from services.kit.ids import new_id
from services.queue import events_out, settings_out
from services.queue.actions.quieting import quiet_of
from services.queue.actions.refusing import outcome_of, refused
from services.queue.actions.resendable import Again, FromDirectory, Resend, look, people_of
from services.queue.actions.reuse import reused
from services.queue.actions.sending_as import senders_of
from services.queue.domain import MAILED, State
from services.queue.records import Entry, Message, Recipient, type_of
from services.queue.store import copying, counts, inbox, messages, recordings, surveys, translations
from services.queue.store.submissions import Writer
from services.queue.surveys import ends
from services.queue.translating import Stage, deadline


async def resend(
    engine: AsyncEngine,
    clock: Clock,
    caller: Caller,
    wanted: Resend,
    told: FromDirectory,
) -> tuple[str, int]:
    """Queue new deliveries to those in Error or Expired; return the new entry and how many.

    FailedPrecondition says why it cannot go, or that nobody is left. The same key again answers the first result.
    """
    async with transaction(engine) as connection:
        if earlier := await messages.find_key(connection, caller.subject, wanted.key):
            return await _repeated(connection, wanted, earlier)
    people = await people_of(engine, clock, caller, wanted, told)
    async with transaction(engine) as connection:
        again = await look(connection, clock, caller, wanted, told, lock=True)
        fresh = await _entry_like(connection, again, clock)
        earlier = await messages.remember_key(
            connection, caller.subject, wanted.key, wanted.header_hash, fresh.entry_id, fresh.created_at
        )
        if earlier is not None:
            return await _repeated(connection, wanted, earlier)
        found, _ = again.addressed(await again.standing(connection, wanted.states), people)
        if not found:
            sentence = "There is nobody in such a state whom this reaches, and to whom it was not sent already."
            raise FailedPrecondition("NOTHING_TO_RESEND", sentence)
        if fresh.recording_id and not await recordings.use_again(connection, fresh.recording_id, clock()):
            raise FailedPrecondition("RECORDING_GONE", "The recording of this call is no longer kept.")
        await _write(connection, again, fresh, found, clock)
        done = settings_out.Done.of(caller, clock())
        await settings_out.tell_resent(connection, done, fresh, wanted.states, len(found))
        snapshot = await messages.snapshot(connection, again.message)
        await events_out.tell_sent_again(connection, snapshot, fresh.entry_id, done.at)
    return fresh.entry_id, len(found)


async def _entry_like(connection: AsyncConnection, again: Again, clock: Clock) -> Entry:
    """Return the new entry: text, recording and survey of the message's own one of this channel, else the body."""
    now, channel, message, source = clock(), again.channel, again.message, again.source
    message_type = type_of(channel, message, message.sender.role)
    sender = (await senders_of(connection, message))(channel, message_type)
    quiet = await quiet_of(connection, message)
    expires_at = quiet.expires_at(channel, now, is_emergency=message.is_emergency, asked=message.expires_at)
    return Entry(
        entry_id=new_id(),
        message_id=message.message_id,
        # The partition is that of the first sending, where a repetition of the same statement would look for it.
        created_at=message.created_at,
        position=again.entry.position + 100,
        channel=channel,
        text=again.text,
        expires_at=ends(channel, expires_at, again.survey),
        resend_of=again.entry.entry_id,
        recording_id=source.recording_id if source else None,
        survey_id=source.survey_id if source else None,
        message_type=message_type,
        from_address=sender.address,
        from_name=sender.name,
    )


async def _repeated(connection: AsyncConnection, wanted: Resend, earlier: tuple[bytes, str]) -> tuple[str, int]:
    header_hash, entry_id = earlier
    if header_hash != wanted.header_hash:
        raise await reused(connection, entry_id)
    totals = (await counts.read(connection, [entry_id]))[entry_id].sums()
    return entry_id, totals.get("total", 0)


async def _write(
    connection: AsyncConnection, again: Again, entry: Entry, people: Sequence[Recipient], clock: Clock
) -> None:
    now, message = clock(), again.message
    message.send_at = now
    await messages.insert_entries(connection, [entry])
    destinations = [each.destination for each in people if each.destination]
    refusals = await refused(connection, entry.channel, entry.message_type, destinations)
    async with Writer(connection, message, await quiet_of(connection, message), now) as writer:
        place = copying.place_of(entry.entry_id, entry.created_at)
        codes = {each.number: refusals[each.destination] for each in people if each.destination in refusals}
        decided = {number: outcome_of(number, 1, code) for number, code in codes.items()}
        rows = [(*place, *each) for each in people]
        await writer.copy(rows)
        writer.add(entry, rows, decided)
        await writer.idle()
        waits_until, languages = await _translate(connection, message, entry, writer.languages, now)
        await writer.finish([entry], State.PENDING, waits_until, languages)
    if entry.channel in MAILED:
        await inbox.deliver(connection, message, entry, now)
        if entry.survey_id:
            # Who got an account since was not among those who may answer in the portal.
            await surveys.note_respondents(connection, message, entry)


async def _translate(
    connection: AsyncConnection, message: Message, entry: Entry, languages: set[str], now: datetime
) -> tuple[datetime | None, set[str]]:
    """Want the message in languages that it was not wanted in, and a body that it lacks in those that it was.

    Return until when to wait, and for which of the languages.
    """
    if not message.is_translated:
        return None, set()
    stages = await translations.stages(connection, message.message_id)
    new = languages - stages.keys()
    until = deadline(now, message, [entry])
    if new:
        await translations.add(connection, message.message_id, new, now, until)
    decided = {each for each, (stage, _) in stages.items() if stage in {Stage.TRANSLATED, Stage.ORIGINAL}}
    lacking = set[str]()
    if entry.text == message.body and decided & languages:
        lacking = await translations.lacking(connection, message.message_id, decided & languages, message.body)
    if lacking:
        await translations.ask_again(connection, message.message_id, lacking, entry.entry_id, now, until)
    return await translations.waits_until(connection, message.message_id), languages - decided | lacking
