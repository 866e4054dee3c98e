"""What may be sent again, and by which channels (statement 305): the rights, rules and texts of a first send hold.

Directory is asked for contacts between two transactions, so that none waits for it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.queue import ways
from services.queue.actions.seeing import may_manage
from services.queue.actions.standing import Known, check_call_out, check_permissions, reachable
from services.queue.domain import CALL_OUT, Channel, Screening, State
from services.queue.left_out import LeftOut
from services.queue.records import ROLE_STUDENT, Addressee, Entry, Message, Recipient
from services.queue.store import deliveries, messages, recordings, surveys
from services.queue.surveys import LINKED, Survey

RESENDABLE = frozenset({State.ERROR, State.EXPIRED})


@dataclass(frozen=True)
class FromDirectory:
    """What directory says, and is asked."""

    known: Known
    """With the caller as its sender."""
    contacts_of: Callable[[Sequence[str], str], Awaitable[Mapping[str, Addressee]]]
    """Returns people with their contacts by id, given the sender's school; those out of the caller's reach are
    missing. Raises Unavailable when directory does not answer."""


@dataclass(frozen=True)
class Resend:
    """What to send again."""

    key: str
    header_hash: bytes
    entry_id: str
    states: Sequence[State]
    channel: Channel | None
    """None keeps the entry's own."""


@dataclass(frozen=True)
class Again:
    """An entry that may be sent again by a channel."""

    entry: Entry
    message: Message
    channel: Channel
    source: Entry | None
    """The entry itself, or that by which the message went by this channel at first; None when it did not."""
    survey: Survey | None
    """What the message asks, by whichever channel."""
    scope: ways.Scope

    async def standing(self, connection: AsyncConnection, states: Sequence[State]) -> list[Recipient]:
        """Return those in the states who do not have it, and are not waited for, by this channel."""
        if not states or not set(states) <= RESENDABLE:
            detail = [("/states", "ERROR, EXPIRED or both are needed.")]
            raise InvalidArgument(
                "STATES_INVALID", "Only errors and expired deliveries are sent again.", violations=detail
            )
        return await deliveries.standing_in(connection, self.entry, states, self.channel, self.source, ways.UNLISTED)

    def addressed(self, rows: Sequence[Recipient], people: Mapping[str, Addressee]) -> tuple[list[Recipient], LeftOut]:
        """Return to whom it goes, and how many of the rows are left out by reason."""
        return ways.to_whom((self.channel, self.message), rows, people, self.scope)

    @property
    def text(self) -> str:
        """What it says: what the message said by this channel, else the body."""
        return self.source.text if self.source else self.message.body


async def people_of(
    engine: AsyncEngine, clock: Clock, caller: Caller, wanted: Resend, told: FromDirectory
) -> Mapping[str, Addressee]:
    """Return the contacts, by id, of those to whom an entry may go again and whose destination is not known."""
    async with transaction(engine) as connection:
        again = await look(connection, clock, caller, wanted, told)
        rows = await again.standing(connection, wanted.states)
    person_ids = sorted({each.person_id for each in rows if each.problem and each.person_id})
    return await told.contacts_of(person_ids, again.message.sender.school_id) if person_ids else {}


async def look(
    connection: AsyncConnection,
    clock: Clock,
    caller: Caller,
    wanted: Resend,
    told: FromDirectory,
    *,
    lock: bool = False,
) -> Again:
    """Return what may be sent again by the wanted channel.

    NotFound out of the caller's view; PermissionDenied without the rights; FailedPrecondition in a sentence where it
    cannot go. With `lock` nobody else sends the message again until the transaction ends.
    """
    entry, message = await _resendable(connection, caller, wanted.entry_id, lock=lock)
    if message.expires_at and message.expires_at <= clock():
        raise FailedPrecondition("MESSAGE_OF_NO_USE", "The time after which it is of no use has passed. Write it anew.")
    channel = wanted.channel or entry.channel
    _check_rights(caller, message, told.known)
    _check_modules(channel, message, told.known)
    entries = await messages.entries_of(connection, message.message_id)
    if sentence := ways.why_not(channel, message, entries):
        raise FailedPrecondition("CHANNEL_SAYS_NOTHING", sentence)
    source = entry if channel is entry.channel else ways.source_of(channel, entries)
    asks = any(each.survey_id for each in entries)
    survey = await surveys.of_message(connection, message.message_id) if asks else None
    if channel in LINKED and survey and survey.closes_at and survey.closes_at <= clock():
        raise FailedPrecondition("SURVEY_CLOSED", "It takes no answers any more.")
    if source and source.recording_id and not await recordings.find(connection, source.recording_id):
        raise FailedPrecondition("RECORDING_GONE", "The recording of this call is no longer kept.")
    return Again(entry, message, channel, source, survey, _scope(caller, message, told))


async def ways_of(
    engine: AsyncEngine, clock: Clock, caller: Caller, entry_id: str, told: FromDirectory
) -> list[tuple[Channel, str]]:
    """Return the channels by which an entry may be sent again, its own first, each with why it cannot go by it.

    Raises as `look` does what holds for every channel.
    """
    found = []
    async with transaction(engine) as connection:
        entry, message = await _resendable(connection, caller, entry_id)
        _check_rights(caller, message, told.known)
        for channel in ways.offered(entry, await messages.entries_of(connection, message.message_id)):
            try:
                await look(connection, clock, caller, Resend("", b"", entry_id, [], channel), told)
                found.append((channel, ""))
            except FailedPrecondition as problem:
                found.append((channel, problem.message))
    return found


async def _resendable(
    connection: AsyncConnection, caller: Caller, entry_id: str, *, lock: bool = False
) -> tuple[Entry, Message]:
    entry, message = await messages.find_entry(connection, entry_id) or (None, None)
    if message is not None and lock:
        message = await messages.find(connection, message.message_id, lock=True)
    if entry is None or message is None or not may_manage(caller, message):
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    if message.screening in {Screening.WAITING, Screening.WITHHELD}:
        raise FailedPrecondition("MESSAGE_NOT_RELEASED", "This message was not released by screening.")
    if message.cancelled_at is not None:
        raise FailedPrecondition("MESSAGE_CANCELLED", "This message was cancelled. Write it anew.")
    return entry, message


def _check_rights(caller: Caller, message: Message, known: Known) -> None:
    """Raise unless the caller might send such a message, and what a student wrote was judged."""
    if caller.viewer:
        if known.sender is None:
            raise PermissionDenied("SENDER_UNKNOWN", "Your account is not active.")
        check_permissions(message, caller, known.sender, is_excluded=_is_excluded(message, known))
    was_judged = message.screening is not Screening.NOT_NEEDED
    if message.sender.role == ROLE_STUDENT and not was_judged and known.modules.get("moderation_api", False):
        raise FailedPrecondition("MESSAGE_NOT_SCREENED", "It was sent while screening was off. Write it anew.")


def _check_modules(channel: Channel, message: Message, known: Known) -> None:
    if channel in CALL_OUT:
        check_call_out(known, is_excluded=_is_excluded(message, known))


def _is_excluded(message: Message, known: Known) -> bool:
    school = known.schools.get(message.sender.school_id)
    return school is not None and school.is_excluded


def _scope(caller: Caller, message: Message, told: FromDirectory) -> ways.Scope:
    excluded = frozenset(each for each, school in told.known.schools.items() if school.is_excluded)
    return ways.Scope(message.sender.school_id, excluded, reachable(caller))
