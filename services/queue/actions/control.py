"""Cancelling what has not left, and sending again to those who did not get it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.kit.ids import new_id
from services.queue import contacts, events_out
from services.queue.actions.quieting import quiet_of
from services.queue.actions.refusing import outcome_of, refused
from services.queue.actions.seeing import may_manage
from services.queue.actions.sending_as import senders_of
from services.queue.actions.standing import Known, check_call_out
from services.queue.domain import CALL_OUT, Channel, Deltas, Screening, State, expiry
from services.queue.quiet import Quiet
from services.queue.records import Entry, Message, Outcome, Recipient, type_of
from services.queue.store import (
    batches,
    copying,
    counts,
    deliveries,
    inbox,
    messages,
    recordings,
    surveys,
    translations,
)
from services.queue.store.submissions import Writer
from services.queue.surveys import ends

RESENDABLE = frozenset({State.ERROR, State.EXPIRED})


async def cancel(engine: AsyncEngine, clock: Clock, caller: Caller, message_id: str) -> int:
    """Stop what has not left; return how many deliveries.

    NotFound outside of the caller's view; a repetition stops nothing more.
    """
    now = clock()
    async with transaction(engine) as connection:
        message = await messages.find(connection, message_id, lock=True)
        if message is None or not may_manage(caller, message):
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        gone = await batches.remove_unsent(connection, message_id)
        deltas = Deltas()
        rows = []
        for entry_id, created_at, school_id, before, numbers in gone:
            deltas.move(entry_id, school_id, before, State.CANCELLED, len(numbers))
            rows.append((entry_id, created_at, school_id, now, [Outcome(each, State.CANCELLED) for each in numbers]))
        if rows:
            await copying.copy_outcomes(connection, rows)
            await counts.apply(connection, deltas, now)
        if message.cancelled_at is None:
            await messages.mark_cancelled(connection, message_id, now)
            await inbox.withdraw_unseen(connection, message_id, now)
            await events_out.tell_cancelled(connection, message_id, now)
    return sum(len(numbers) for *_, numbers in gone)


@dataclass(frozen=True)
class Resend:
    """What to send again."""

    key: str
    header_hash: bytes
    entry_id: str
    states: Sequence[State]
    channel: Channel | None
    """None keeps the entry's own."""


async def resend(
    engine: AsyncEngine, clock: Clock, caller: Caller, wanted: Resend, known: Known | None = None
) -> tuple[str, int]:
    """Queue new deliveries to those in Error or Expired; return the new entry and how many (statement 305).

    The old rows stay as they are; the new ones have the same numbers, and their entry names the old one. Text and
    destinations of another channel come from that channel's entry of the same message. Whoever has it by an earlier
    resend, or is waited for, is left out. `known` is what directory says of modules and schools.
    """
    if not wanted.states or not set(wanted.states) <= RESENDABLE:
        detail = [("/states", "ERROR, EXPIRED or both are needed.")]
        raise InvalidArgument("STATES_INVALID", "Only errors and expired deliveries are sent again.", violations=detail)
    async with transaction(engine) as connection:
        entry, message = await _resendable(connection, caller, wanted.entry_id)
        channel = wanted.channel or entry.channel
        _check_modules(channel, message, known)
        source = await _destinations(connection, entry, channel)
        fresh = _entry_like(source, entry, message, await quiet_of(connection, message), clock)
        sender = (await senders_of(connection, message))(fresh.channel, fresh.message_type)
        fresh.from_address, fresh.from_name = sender.address, sender.name
        earlier = await messages.remember_key(
            connection, caller.subject, wanted.key, wanted.header_hash, fresh.entry_id, fresh.created_at
        )
        if earlier is not None:
            return await _repeated(connection, wanted, earlier)
        fresh.recording_id, fresh.survey_id = source.recording_id, source.survey_id
        asked = await surveys.of_message(connection, message.message_id) if fresh.survey_id else None
        if asked and asked.closes_at and asked.closes_at <= clock():
            raise FailedPrecondition("SURVEY_CLOSED", "It takes no answers any more.")
        fresh.expires_at = ends(fresh.channel, fresh.expires_at, asked)
        if source.recording_id and not await recordings.use_again(connection, source.recording_id, clock()):
            raise FailedPrecondition("RECORDING_GONE", "The recording of this call is no longer kept.")
        people = await deliveries.standing_in(connection, entry, wanted.states, source)
        if not people:
            sentence = "There is nobody in such a state to whom it was not sent again already."
            raise FailedPrecondition("NOTHING_TO_RESEND", sentence)
        await _write(connection, message, fresh, people, clock)
        await events_out.tell_submitted(connection, await messages.snapshot(connection, message))
    return fresh.entry_id, len(people)


async def _resendable(connection: AsyncConnection, caller: Caller, entry_id: str) -> tuple[Entry, Message]:
    found = await messages.find_entry(connection, entry_id)
    if found is None or not may_manage(caller, found[1]):
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    if found[1].screening in {Screening.WAITING, Screening.WITHHELD}:
        raise FailedPrecondition("MESSAGE_NOT_RELEASED", "This message was not released by screening.")
    if found[1].cancelled_at is not None:
        raise FailedPrecondition("MESSAGE_CANCELLED", "This message was cancelled. Write it anew.")
    return found


def _check_modules(channel: Channel, message: Message, known: Known | None) -> None:
    if known is None or channel not in CALL_OUT:
        return
    school = known.schools.get(message.sender.school_id)
    check_call_out(known, is_excluded=school is not None and school.is_excluded)


def _entry_like(source: Entry, entry: Entry, message: Message, quiet: Quiet, clock: Clock) -> Entry:
    now, channel = clock(), source.channel
    return Entry(
        entry_id=new_id(),
        message_id=message.message_id,
        # The partition is that of the first sending, where a repetition of the same statement would look for it.
        created_at=message.created_at,
        position=entry.position + 100,
        channel=channel,
        text=source.text,
        expires_at=expiry(channel, quiet.last_leaves_at(channel, now), is_emergency=message.is_emergency, asked=None),
        resend_of=entry.entry_id,
        message_type=type_of(channel, message, message.sender.role),
    )


async def _repeated(connection: AsyncConnection, wanted: Resend, earlier: tuple[bytes, str]) -> tuple[str, int]:
    header_hash, entry_id = earlier
    if header_hash != wanted.header_hash:
        raise AlreadyExists("IDEMPOTENCY_KEY_REUSED", "This idempotency key was used for another request.")
    totals = (await counts.read(connection, [entry_id]))[entry_id].sums()
    return entry_id, totals.get("total", 0)


async def _destinations(connection: AsyncConnection, entry: Entry, channel: Channel) -> Entry:
    """Return the entry that knows the destinations of the channel."""
    if channel is entry.channel:
        return entry
    for each in await messages.entries_of(connection, entry.message_id):
        if each.channel is channel:
            return each
    raise FailedPrecondition("NO_DESTINATIONS", "The message did not go by this channel: its contacts are not known.")


async def _write(
    connection: AsyncConnection, message: Message, entry: Entry, people: Sequence[Recipient], clock: Clock
) -> None:
    now = clock()
    message.send_at = now
    await messages.insert_entries(connection, [entry])
    destinations = [each.destination for each in people if each.destination]
    refusals = await refused(connection, entry.channel, entry.message_type, destinations)
    async with Writer(connection, message, await quiet_of(connection, message), now) as writer:
        place = copying.place_of(entry.entry_id, entry.created_at)
        decided = {each.number: found for each in people if (found := _outcome(entry, each, refusals))}
        rows = [(*place, *each) for each in people]
        await writer.copy(rows)
        writer.add(entry, rows, decided)
        await writer.idle()
        waits_until = await translations.waits_until(connection, message.message_id) if message.is_translated else None
        await writer.finish([entry], State.PENDING, waits_until)


def _outcome(entry: Entry, recipient: Recipient, refusals: Mapping[str, str]) -> Outcome | None:
    """Return what is known of a delivery before it is tried."""
    if recipient.problem or not recipient.destination:
        problem = recipient.problem or contacts.MISSING.get(entry.channel, "NO_EMAIL")
        return Outcome(recipient.number, State.ERROR, provider="lantern", error_code=problem)
    code = refusals.get(recipient.destination)
    return outcome_of(recipient.number, 1, code) if code else None


def check_manager(caller: Caller) -> None:
    """Raise PermissionDenied for students and parents: what they sent is not theirs to stop or repeat."""
    if caller.viewer and caller.viewer.role not in {"admin", "teacher"}:
        raise PermissionDenied("STAFF_ONLY", "This is for staff.")
