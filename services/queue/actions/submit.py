"""Taking a message: everything about it, its batches and its events commit in one transaction, or nothing does."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.kit.ids import new_id
from services.queue import contacts, events_out, questions
from services.queue.actions import inboxes, recordings, replying
from services.queue.actions.describing import describe
from services.queue.actions.quieting import quiet_of
from services.queue.actions.refusing import Refusals, outcome_of
from services.queue.actions.reuse import reused
from services.queue.actions.sending_as import senders_of
from services.queue.actions.standing import Standing
from services.queue.contacts import Reached
from services.queue.domain import (
    MAX_RECIPIENTS,
    SURVEYS,
    Channel,
    FamilyFilter,
    Screening,
    State,
    lane_of,
    source_of,
)
from services.queue.message_types import MessageType
from services.queue.quiet import Quiet
from services.queue.records import KIND_ALERT, Addressees, Draft, Entry, Message, Outcome, Snapshot, type_of
from services.queue.senders import From
from services.queue.store import messages, surveys, translations
from services.queue.store.copying import place_of
from services.queue.store.submissions import Writer
from services.queue.surveys import Survey, check_closing, ends, said
from services.queue.timing import check_soon
from services.queue.translating import canonical, code_of, deadline

_KEYS_HASHED = 50
_LONG, _ASKED_TOGETHER = 2_000, 10_000
"""Recipients of a long message's first lot, and of each other where it must be asked which of them are refused."""


@dataclass(frozen=True)
class Submitted:
    """What a submission came to."""

    snapshot: Snapshot
    is_repeat: bool


@dataclass(frozen=True)
class Submission:
    """A draft and what directory says about its sender."""

    draft: Draft
    caller: str
    """Subject of the caller's token: the owner of the idempotency key."""
    standing: Standing
    beside: Callable[[AsyncConnection, str], Awaitable[None]] | None = None
    """What is written first in the same transaction, given the message's id: all or nothing with the message."""
    told: Set[tuple[str, str, str]] = frozenset()
    """Channel, student and person: whom a channel leaves out, since they were told."""


async def submit(
    engine: AsyncEngine, clock: Clock, submission: Submission, pieces: AsyncIterator[Addressees]
) -> Submitted:
    """Write the message with all recipients of the pieces.

    AlreadyExists when the key was used with another header; InvalidArgument without recipients, with more than a
    million, for later than soon, or for an answer that is none; PermissionDenied with one whom the sender may not
    write to.
    """
    now = clock()
    check_soon(submission.draft.send_at, now)
    message = _message(submission, now)
    check_closing(submission.draft.survey, message.send_at)
    async with transaction(engine) as connection:
        draft = submission.draft
        if submission.beside:
            await submission.beside(connection, message.message_id)
        earlier = await messages.remember_key(
            connection, submission.caller, draft.idempotency_key, draft.header_hash, message.message_id, now
        )
        if earlier is not None:
            return await _repeated(connection, draft, earlier)
        people = await replying.checked(connection, draft, message.sender, pieces, now)
        await recordings.use(connection, draft, submission.caller, message.send_at)
        await messages.ensure_months(connection, [now])
        await messages.insert_messages(connection, [message])
        quiet = await quiet_of(connection, message)
        entries = _entries(submission, message, quiet, await senders_of(connection, message))
        await ask(connection, draft.survey, entries)
        await messages.insert_entries(connection, entries)
        async with Writer(connection, message, quiet, now) as writer:
            recipients = _Recipients(connection, submission, message, entries, writer)
            async for piece in people:
                await recipients.add(piece)
            await recipients.finish()
        snapshot = await messages.snapshot(connection, message)
        await _tell(connection, snapshot, now)
    return Submitted(snapshot, is_repeat=False)


async def _repeated(connection: AsyncConnection, draft: Draft, earlier: tuple[bytes, str]) -> Submitted:
    header_hash, message_id = earlier
    if header_hash != draft.header_hash:
        raise await reused(connection, message_id)
    message = await messages.find(connection, message_id)
    if message is None:
        raise await reused(connection, message_id)
    return Submitted(await messages.snapshot(connection, message), is_repeat=True)


def _message(submission: Submission, now: datetime) -> Message:
    draft, standing = submission.draft, submission.standing
    return Message(
        message_id=new_id(),
        created_at=now,
        caller=submission.caller,
        sender=standing.sender,
        subject=draft.subject,
        body=draft.body,
        source=source_of(draft.source, is_excluded=standing.is_excluded),
        kind=draft.kind,
        lane=lane_of(draft.lane, is_emergency=draft.is_emergency),
        is_secure=draft.is_secure,
        is_emergency=draft.is_emergency,
        once_per_family=draft.once_per_family,
        send_at=max(now, draft.send_at or now),
        expires_at=draft.expires_at,
        audience_summary=draft.audience_summary,
        language=draft.language or "en",
        in_reply_to=draft.in_reply_to,
        alert_message_id=draft.alert_message_id,
        from_title=standing.from_title,
        is_from_excluded_school=standing.is_excluded,
        screening=Screening.WAITING if standing.is_screened else Screening.NOT_NEEDED,
        is_translated=standing.is_translated and bool(code_of(draft.language or "en")),
    )


def _entries(
    submission: Submission, message: Message, quiet: Quiet, sender_of: Callable[[Channel, MessageType], From]
) -> list[Entry]:
    draft, found = submission.draft, []
    for position, (name, text) in enumerate(draft.channels):
        channel, entry_id = Channel(name), new_id()
        message_type = type_of(channel, message, message.sender.role)
        sender = sender_of(channel, message_type)
        expires_at = quiet.expires_at(
            channel, message.send_at, is_emergency=message.is_emergency, asked=message.expires_at
        )
        found.append(
            Entry(
                entry_id=entry_id,
                message_id=message.message_id,
                created_at=message.created_at,
                position=position,
                channel=channel,
                text=said(channel, text or message.body, draft.survey),
                expires_at=ends(channel, expires_at, draft.survey),
                recording_id=draft.recording_id or None if channel is Channel.RECORDED else None,
                survey_id=entry_id if channel in SURVEYS else None,
                message_type=message_type,
                from_address=sender.address,
                from_name=sender.name,
            )
        )
    return found


async def ask(connection: AsyncConnection, survey: Survey | None, entries: Sequence[Entry]) -> None:
    """Write what the entry of a poll or sign-up asks, before the entries."""
    for entry in entries:
        if survey and entry.survey_id:
            await surveys.insert(connection, survey, entry)


class _Recipients:
    """Turns addressees into deliveries of every entry, in the order in which they come."""

    def __init__(
        self,
        connection: AsyncConnection,
        submission: Submission,
        message: Message,
        entries: list[Entry],
        writer: Writer,
    ) -> None:
        self._connection, self._submission, self._message, self._entries = connection, submission, message, entries
        self._writer = writer
        self._families = {each.entry_id: FamilyFilter(is_on=message.once_per_family) for each in entries}
        self._regarding: set[str] = set()
        # A held message may wait: its recipients' wishes are asked for when it leaves.
        self._refusals = Refusals(connection, [] if message.is_held else entries)
        self._count = self._written = 0
        self._together = 1 if self._refusals.is_known else _LONG
        self._gathered: list[Addressees] = []

    async def add(self, piece: Addressees) -> None:
        """Take one piece; it is written at once, or together with others."""
        if self._count + piece.size > MAX_RECIPIENTS:
            raise InvalidArgument("TOO_MANY_RECIPIENTS", f"A message has at most {MAX_RECIPIENTS:,} recipients.")
        self._submission.standing.check_recipients(piece, self._count)
        if piece.size:
            describe(self._message, piece, self._count, self._regarding)
        self._count += piece.size
        self._gathered.append(piece)
        if self._count - self._written >= self._together:
            if self._together == _LONG:
                await self._refusals.learn()
                self._together = 1 if self._refusals.is_known else _ASKED_TOGETHER
            await self._write()

    async def finish(self) -> None:
        """Write what is left, and what the whole list told."""
        if not self._count:
            raise InvalidArgument("NO_RECIPIENTS", "A message needs at least one recipient.")
        await self._write()
        await self._finish_writing()
        self._message.regarding_count = len(self._regarding)
        await messages.describe_recipients(self._connection, self._message)

    async def _finish_writing(self) -> None:
        message, now = self._message, self._message.created_at
        # What a student wrote is judged before anything of it goes to be translated.
        is_wanted = message.is_translated and not message.is_held
        waits_until = deadline(now, message, self._entries) if is_wanted else None
        await self._writer.finish(self._entries, State.HELD if message.is_held else State.PENDING, waits_until)
        await translations.add(self._connection, message.message_id, self._writer.languages, now, waits_until)

    async def _write(self) -> None:
        if not self._gathered:
            return
        people, first = Addressees.joined(self._gathered), self._written + 1
        self._gathered, self._written = [], self._count
        if self._message.is_translated:
            people = people._replace(languages=[canonical(each, self._message.language) for each in people.languages])
        found = [contacts.reached(each.channel, people, first, has_inbox=self._has_inbox) for each in self._entries]
        every = [each.without(self._submission.told) for each in found]
        rows = [_rows(entry, reached) for entry, reached in zip(self._entries, every, strict=True)]
        if not self._refusals.is_known:
            await self._writer.idle()
        refusals = [
            await self._refusals.of(entry, each.destinations) for entry, each in zip(self._entries, every, strict=True)
        ]
        # PostgreSQL takes the rows while what becomes of them is decided, and while the next ones are put together.
        await self._writer.copy(chain.from_iterable(rows))
        for entry, its_rows, reached, refused_ones in zip(self._entries, rows, every, refusals, strict=True):
            self._writer.add(entry, its_rows, self._decided(entry, reached, refused_ones))

    @property
    def _has_inbox(self) -> bool:
        return self._message.kind != KIND_ALERT

    def _decided(self, entry: Entry, reached: Reached, refusals: Mapping[str, str]) -> dict[int, Outcome]:
        """Return, by number, the outcomes of those deliveries that need no provider."""
        numbers, found = reached.numbers, {}
        if refusals:
            for number, destination in zip(numbers, reached.destinations, strict=True):
                if destination in refusals:
                    found[number] = outcome_of(number, 1, refusals[destination])
        if not self._message.is_held and any(reached.problems):
            for number, problem in zip(numbers, reached.problems, strict=True):
                if problem:
                    found[number] = Outcome(number, State.ERROR, provider="lantern", error_code=problem)
        for position in self._families[entry.entry_id].duplicates(reached.families()):
            found[numbers[position]] = Outcome(numbers[position], State.DUPLICATE)
        return found


def _rows(entry: Entry, reached: Reached) -> list[Sequence[Any]]:
    people, (entry_id, created_at) = reached.people, place_of(entry.entry_id, entry.created_at)
    about = people[:9]
    where = (reached.destinations, reached.problems)
    return list(
        zip(repeat(entry_id), repeat(created_at), reached.numbers, *about, *where, people.has_account, people.types)
    )


async def _tell(connection: AsyncConnection, snapshot: Snapshot, now: datetime) -> None:
    """Add the events, and the inbox items of a message that need not wait."""
    message = snapshot.message
    await events_out.tell_submitted(connection, snapshot)
    if message.is_held:
        keys = await messages.recipient_keys(connection, snapshot.entries[0], _KEYS_HASHED)
        await questions.ask_for_screening(connection, message, snapshot.entries, keys, now)
    else:
        await inboxes.fill(connection, snapshot, message.send_at)
