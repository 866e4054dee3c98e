"""What a submission would do, without doing it: who gets it, who is left out and why, when it leaves, what it takes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue import contacts
from services.queue.actions import replying
from services.queue.actions.quieting import quiet_of
from services.queue.actions.refusing import refused
from services.queue.actions.resendable import Again, FromDirectory, Resend, look, people_of
from services.queue.actions.submit import Submission
from services.queue.domain import MAX_RECIPIENTS, MAX_TEXT, Channel, FamilyFilter, lane_of
from services.queue.inviting import Invitations
from services.queue.left_out import LeftOut
from services.queue.providers.amazon_translate import AmazonTranslate
from services.queue.quiet import Quiet
from services.queue.records import Addressees, type_of
from services.queue.store import quiet, recordings, translations
from services.queue.surveys import check_closing, of_use_until
from services.queue.translating import Stage, code_of, cut, told_in
from services.queue.ways import DUPLICATE, NO_DEVICE, OF_NO_USE

_TRANSLATING_SECONDS = 3.0


@dataclass
class ChannelPreview:
    """What one channel would do."""

    channel: Channel
    text: str
    seconds: float = 0.0
    """How long the recording of a recorded call is."""
    goes_out: int = 0
    """Handed to the provider."""
    inbox_only: int = 0
    """E-mails that reach the portal inbox alone."""
    waiting: int = 0
    """How many of `goes_out` quiet hours hold back."""
    waits_until: datetime | None = None
    """When the last of those leave."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """By reason: one of ways.py, STOPPED, SUPPRESSED_…, or a problem of contacts."""
    languages: Counter[str] = field(default_factory=Counter)
    """How many of `goes_out` get it in another language."""
    below: str = ""
    """What a text says below `text`: the link of a poll or a sign-up."""
    translations: dict[str, str] = field(default_factory=dict)
    """Of a text, by language; what could not be had in time is missing."""


async def preview(
    engine: AsyncEngine,
    clock: Clock,
    submission: Submission,
    pieces: AsyncIterator[Addressees],
    translator: AmazonTranslate | None = None,
    invitations: Invitations | None = None,
) -> list[ChannelPreview]:
    """Return what `submit` would do now, by channel, in the order of the draft; nothing is written.

    Texts are translated, since carriers charge for their length. PermissionDenied and InvalidArgument as submit raises
    them, though no recipients at all are fine.
    """
    draft = submission.draft
    found = [ChannelPreview(Channel(name), text or draft.body) for name, text in draft.channels]
    if invitations and draft.survey and draft.survey.closes_at:
        below = invitations.usual(draft.language, once_per_family=draft.once_per_family)
        found = [replace(each, below=below) if each.channel is Channel.SMS else each for each in found]
    now = clock()
    check_closing(draft.survey, max(now, draft.send_at or now))
    async with transaction(engine) as connection:
        lane = lane_of(draft.lane, is_emergency=draft.is_emergency)
        await _measure(connection, draft.recording_id, found)
        hours = Quiet(await quiet.every(connection), lane, submission.standing.sender.school_id)
        looks = [_Look(submission, each, hours, max(now, draft.send_at or now)) for each in found]
        count = 0
        sender = submission.standing.sender
        async for piece in await replying.checked(connection, draft, sender, pieces, now):
            submission.standing.check_recipients(piece, count)
            count += piece.size
            if count > MAX_RECIPIENTS:
                raise InvalidArgument("TOO_MANY_RECIPIENTS", f"A message has at most {MAX_RECIPIENTS:,} recipients.")
            for look in looks:
                await look.add(connection, piece)
    for each in found:
        if translator and each.channel is Channel.SMS and each.languages:
            each.translations = await _translated(translator, each, code_of(draft.language))
    return found


async def _translated(translator: AmazonTranslate, found: ChannelPreview, source: str) -> dict[str, str]:
    asked = {
        language: asyncio.create_task(translator.translate(found.text, source, language))
        for language in found.languages
    }
    _, late = await asyncio.wait(asked.values(), timeout=_TRANSLATING_SECONDS)
    for task in late:
        task.cancel()
    answers = {language: task.result() for language, task in asked.items() if task not in late}
    return {language: cut(one.text, MAX_TEXT[found.channel]) for language, one in answers.items() if one.text}


async def _measure(connection: AsyncConnection, recording_id: str, found: list[ChannelPreview]) -> None:
    recording = await recordings.find(connection, recording_id) if recording_id else None
    for each in found:
        if recording and each.channel is Channel.RECORDED:
            each.seconds = recording.duration_seconds


async def preview_resend(
    engine: AsyncEngine,
    clock: Clock,
    caller: Caller,
    wanted: Resend,
    told: FromDirectory,
    invitations: Invitations | None = None,
) -> ChannelPreview:
    """Return what `resend` would do now; nothing is written. Raises as it does, though nobody at all is fine."""
    people = await people_of(engine, clock, caller, wanted, told)
    async with transaction(engine) as connection:
        again = await look(connection, clock, caller, wanted, told)
        message, channel = again.message, again.channel
        found, left_out = again.addressed(await again.standing(connection, wanted.states), people)
        into = ChannelPreview(channel, again.text, left_out=left_out)
        if invitations and channel is Channel.SMS and again.survey and again.survey.closes_at:
            into.below = invitations.usual(message.language, once_per_family=message.once_per_family)
        await _measure(connection, (again.source and again.source.recording_id) or "", [into])
        message_type = type_of(channel, message, message.sender.role)
        refusals = await refused(connection, channel, message_type, [each.destination for each in found])
        source = message.language if message.is_translated else ""
        until = of_use_until(channel, message.expires_at, again.survey)
        counting = _Counting(into, await quiet_of(connection, message), clock(), source, until)
        for each in found:
            who = _Who(each.school_id, each.language, each.name, each.regarding_student_name)
            counting.add(each.destination, refusals.get(each.destination, ""), who)
        await _add_translations(connection, again, into)
    return into


async def _add_translations(connection: AsyncConnection, again: Again, into: ChannelPreview) -> None:
    """Take what was translated; what was left as it was written goes so again."""
    message_id = again.message.message_id
    stages = await translations.stages(connection, message_id) if into.languages else {}
    for language in [each for each, (stage, _) in stages.items() if stage is Stage.ORIGINAL]:
        del into.languages[language]
    wordings = await translations.wordings(connection, [(message_id, each) for each in into.languages])
    for (_, language), wording in wordings.items():
        if wording.has(into.text):
            into.translations[language] = cut(wording.of(into.text), MAX_TEXT[into.channel])


class _Who(NamedTuple):
    """One recipient."""

    school_id: str
    language: str
    name: str
    student: str


@dataclass(frozen=True)
class _Counting:
    """Counts deliveries of one channel."""

    into: ChannelPreview
    hours: Quiet
    due_at: datetime
    source: str
    """Language in which it is written; empty where nothing is translated."""
    until: datetime | None = None
    """After which it is of no use; None: as long as usual, which is longer than quiet hours."""

    def add(self, destination: str, problem: str, who: _Who) -> None:
        """Count one; `problem` is why it does not go."""
        into = self.into
        if problem:
            into.left_out.leave(problem, who.name, who.student)
            return
        if not destination:
            into.inbox_only += 1
            return
        leaves_at = self.hours.leaves_at(into.channel, who.school_id, self.due_at)
        if self.until and leaves_at >= self.until:
            into.left_out.leave(OF_NO_USE, who.name, who.student)
            return
        into.goes_out += 1
        if self.source and (language := told_in(into.channel, who.language, self.source)):
            into.languages[language] += 1
        if leaves_at > self.due_at:
            into.waiting += 1
            into.waits_until = max(leaves_at, into.waits_until or leaves_at)


class _Look:
    """Counts what becomes of addressees in one channel, as submit decides it."""

    def __init__(self, submission: Submission, into: ChannelPreview, hours: Quiet, due_at: datetime) -> None:
        draft = submission.draft
        self._into = into
        self._type = type_of(into.channel, draft, submission.standing.sender.role)
        self._families = FamilyFilter(is_on=draft.once_per_family)
        source = draft.language if submission.standing.is_translated else ""
        until = of_use_until(into.channel, draft.expires_at, draft.survey)
        self._counting = _Counting(into, hours, due_at, source, until)

    async def add(self, connection: AsyncConnection, people: Addressees) -> None:
        into = self._into
        reached = contacts.reached(into.channel, people, 1, has_inbox=True)
        refusals = await refused(connection, into.channel, self._type, reached.destinations)
        duplicates = self._families.duplicates(reached.families())
        taken = set(reached.numbers)
        for number, (name, student) in enumerate(zip(people.names, people.regarding_student_names, strict=True), 1):
            if number not in taken:
                into.left_out.leave(NO_DEVICE, name, student)
        people = reached.people
        about = (people.school_ids, people.languages, people.names, people.regarding_student_names)
        every = zip(reached.destinations, reached.problems, map(_Who, *about), strict=True)
        for position, (destination, problem, who) in enumerate(every):
            if position in duplicates:
                into.left_out.leave(DUPLICATE, who.name, who.student)
            else:
                self._counting.add(destination, problem or refusals.get(destination, ""), who)
