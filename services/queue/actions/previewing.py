"""What a submission would do, without doing it: who gets it, who is left out and why, when it leaves, what it takes."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue import contacts
from services.queue.actions.refusing import refused
from services.queue.actions.submit import Submission
from services.queue.domain import MAX_RECIPIENTS, Channel, FamilyFilter, lane_of
from services.queue.quiet import Quiet
from services.queue.records import Addressee, type_of
from services.queue.store import quiet
from services.queue.surveys import check_closing

DUPLICATE, NO_DEVICE = "DUPLICATE", "NO_DEVICE"


@dataclass
class ChannelPreview:
    """What one channel would do."""

    channel: Channel
    text: str
    goes_out: int = 0
    """Handed to the provider."""
    inbox_only: int = 0
    """E-mails that reach the portal inbox alone."""
    waiting: int = 0
    """How many of `goes_out` quiet hours hold back."""
    waits_until: datetime | None = None
    """When the last of those leave."""
    left_out: Counter[str] = field(default_factory=Counter)
    """By reason: DUPLICATE, NO_DEVICE, STOPPED, SUPPRESSED_…, or a problem of contacts."""


async def preview(
    engine: AsyncEngine, clock: Clock, submission: Submission, pieces: AsyncIterator[Sequence[Addressee]]
) -> list[ChannelPreview]:
    """Return what `submit` would do now, by channel, in the order of the draft; nothing is written.

    PermissionDenied and InvalidArgument as submit raises them, though no recipients at all are fine.
    """
    draft = submission.draft
    found = [ChannelPreview(Channel(name), text or draft.body) for name, text in draft.channels]
    now = clock()
    check_closing(draft.survey, max(now, draft.send_at or now))
    async with transaction(engine) as connection:
        lane = lane_of(draft.lane, is_emergency=draft.is_emergency)
        hours = Quiet(await quiet.every(connection), lane, submission.standing.sender.school_id)
        looks = [_Look(submission, each, hours, max(now, draft.send_at or now)) for each in found]
        count = 0
        async for piece in pieces:
            submission.standing.check_recipients(piece, count)
            count += len(piece)
            if count > MAX_RECIPIENTS:
                raise InvalidArgument("TOO_MANY_RECIPIENTS", f"A message has at most {MAX_RECIPIENTS:,} recipients.")
            for look in looks:
                await look.add(connection, piece)
    return found


class _Look:
    """Counts what becomes of addressees in one channel, as submit decides it."""

    def __init__(self, submission: Submission, into: ChannelPreview, hours: Quiet, due_at: datetime) -> None:
        draft = submission.draft
        self._into, self._hours, self._due_at = into, hours, due_at
        self._is_exempt = draft.is_emergency and submission.emergency_ignores_stop
        self._type = type_of(into.channel, draft, submission.standing.sender.role)
        self._families = FamilyFilter(is_on=draft.once_per_family)

    async def add(self, connection: AsyncConnection, people: Sequence[Addressee]) -> None:
        channel = self._into.channel
        found = [contacts.destination(channel, each, has_inbox=True) for each in people]
        destinations = [each[0] for each in found if each and each[0]]
        refusals = await refused(connection, channel, self._type, destinations, ignores_stop=self._is_exempt)
        for person, where in zip(people, found, strict=True):
            self._count(person, where, refusals)

    def _count(self, person: Addressee, where: tuple[str, str] | None, refusals: Mapping[str, str]) -> None:
        into = self._into
        if where is None:
            into.left_out[NO_DEVICE] += 1
            return
        destination, problem = where
        contact = contacts.compared(into.channel, destination)
        if self._families.is_duplicate(contact or (f"inbox {person.person_id}" if not problem else "")):
            into.left_out[DUPLICATE] += 1
        elif problem:
            into.left_out[problem] += 1
        elif destination in refusals:
            into.left_out[refusals[destination]] += 1
        elif not destination:
            into.inbox_only += 1
        else:
            self._goes_out(person)

    def _goes_out(self, person: Addressee) -> None:
        into = self._into
        into.goes_out += 1
        leaves_at = self._hours.leaves_at(into.channel, person.school_id, self._due_at)
        if leaves_at > self._due_at:
            into.waiting += 1
            into.waits_until = max(leaves_at, into.waits_until or leaves_at)
