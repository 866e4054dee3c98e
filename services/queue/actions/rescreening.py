"""Judging again what was delivered, and pulling back what should not have been.

A period is walked a piece at a time; how far it has come commits with the questions, so a crash asks nothing twice and
leaves nothing out. Verdicts come back as events: one that holds takes the message out of inboxes and stops what has
not left. What had arrived stays recorded as sent. A message that is withheld is never let go here: people decide that.
What went out while screening was off is released from its first verdict on that does not hold.
Questions that never get a verdict, since they ended as dead letters, are given up after a time and counted.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.kit.logs import get_logger
from services.queue import events_out, questions
from services.queue.actions.standing import Known
from services.queue.domain import Deltas, Screening, State
from services.queue.reasons import LONGEST_REASON, is_reason
from services.queue.records import ROLE_STUDENT, Message
from services.queue.store import batches, counts, inbox, messages, rescreenings, translations
from services.queue.store.rescreenings import Rescreening
from services.queue.translating import Stage

_log = get_logger(__name__)
KnownNow = Callable[[], Awaitable[Known]]
"""Asks directory for schools and modules; raises Unavailable when it does not answer."""
GIVEN_UP_AFTER = timedelta(hours=1)
"""How long a period may see neither a question nor a verdict before those it waits for are given up."""
_FIRST_YEAR, _LAST_YEAR = 1900, 9998
"""What every time zone can show."""
_ASKED_AT_ONCE = 50
_MOST_UNJUDGED = 500
"""Questions that wait for their answer: more would only lie in the stream."""
_NAMES_TOLD = 50
_SHOWN = 20


async def begin(engine: AsyncEngine, wanted: Rescreening) -> Rescreening:
    """Begin to judge a period again; the same id again is the one that was begun.

    InvalidArgument names what is wrong; FailedPrecondition while another period is not through.
    """
    _check(wanted)
    async with transaction(engine) as connection:
        if not await rescreenings.add(connection, wanted):
            raise FailedPrecondition(
                "RESCREENING_RUNS", "Another period is being judged again. Wait until it is through."
            )
        found = await rescreenings.newest(connection, _SHOWN)
    return next((each for each in found if each.rescreening_id == wanted.rescreening_id), wanted)


def _check(wanted: Rescreening) -> None:
    wrong = []
    for name, moment in (("/since", wanted.since), ("/before", wanted.before)):
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            wrong.append((name, f"Name a year from {_FIRST_YEAR} to {_LAST_YEAR}."))
    if not wanted.since < wanted.before:
        wrong.append(("/before", "The period ends after it begins."))
    if not is_reason(wanted.reason):
        wrong.append(("/reason", f"Say why in 1 to {LONGEST_REASON} characters."))
    if wrong:
        raise InvalidArgument("RESCREENING_INVALID", "The period cannot be judged again.", violations=wrong)


def check_may_rescreen(caller: Caller) -> None:
    """Raise PermissionDenied for a person who does not manage the whole district's policy."""
    viewer = caller.viewer
    if viewer and not ("manage_policy" in viewer.permissions and viewer.is_district_wide):
        raise PermissionDenied("RESCREENING_NOT_ALLOWED", "This is for those who manage the whole district's policy.")


def check_screening_is_on(modules: Mapping[str, bool]) -> None:
    """Raise FailedPrecondition while the module is off: nothing goes to a provider then (statement 174)."""
    if not _is_screening_on(modules):
        raise FailedPrecondition("SCREENING_OFF", "Screening is switched off; switch it on first.")


async def latest(engine: AsyncEngine) -> list[Rescreening]:
    """Return the latest periods with how far they have come, newest first."""
    async with transaction(engine) as connection:
        return await rescreenings.newest(connection, _SHOWN)


def _is_screening_on(modules: Mapping[str, bool]) -> bool:
    return modules.get("moderation_api", False)


async def ask_next(engine: AsyncEngine, clock: Clock, known: KnownNow) -> int:
    """Ask about the next messages of the period at work; return how many. While screening is off the period waits."""
    now = clock()
    await _give_up(engine, now)
    async with transaction(engine) as connection:
        is_idle = await rescreenings.take_unfinished(connection) is None
    if is_idle or not _is_screening_on((await known()).modules):
        return 0
    async with transaction(engine) as connection:
        run = await rescreenings.take_unfinished(connection)
        if run is None or run.awaited > _MOST_UNJUDGED:
            return 0
        found = await rescreenings.next_messages(connection, run, _ASKED_AT_ONCE)
        for message_id in found:
            message = await messages.find(connection, message_id)
            if message is not None:
                entries = await messages.entries_of(connection, message_id)
                await questions.ask_again(connection, message, entries, run.rescreening_id, now)
        await rescreenings.advance(connection, run, found, now, is_end=len(found) < _ASKED_AT_ONCE)
    return len(found)


async def _give_up(engine: AsyncEngine, now: datetime) -> None:
    async with transaction(engine) as connection:
        given_up = await rescreenings.give_up(connection, now - GIVEN_UP_AFTER)
    for rescreening_id, how_many in given_up:
        _log.warning("rescreening_gave_up", rescreening_id=rescreening_id, messages=how_many)


@dataclass(frozen=True)
class Judged:
    """A verdict of a period."""

    rescreening_id: str
    message_id: str
    verdict: bytes
    """Its wire form."""
    holds: bool
    translated_into: str = ""
    """Language of the translation that it is about; empty: it is about what the student wrote."""


async def apply_verdict_again(connection: AsyncConnection, judged: Judged, now: datetime) -> bool:
    """Take a verdict of a period; True when it pulled the message back.

    What was written is judged first, then each translation; the message counts as judged with its last verdict.
    """
    if not judged.holds and await _ask_next_language(connection, judged, now):
        await rescreenings.note_verdict(connection, judged.rescreening_id, now)
        return False
    language, said = judged.translated_into, judged.verdict
    if language:
        said = events_out.verdict_on_translation(said, language)
    is_withheld = judged.holds and await _pull_back(connection, judged.message_id, said, now)
    if not judged.holds:
        await _note_judged(connection, judged.message_id, said, now)
    await rescreenings.count_judged(connection, judged.rescreening_id, now, is_withheld=is_withheld)
    return is_withheld


async def _ask_next_language(connection: AsyncConnection, judged: Judged, now: datetime) -> bool:
    """Ask about the translation behind the one that was judged, by language; False when there is none to ask about."""
    message = await messages.find(connection, judged.message_id)
    if message is None or not message.is_translated or not _may_be_pulled_back(message):
        return False
    stages = await translations.stages(connection, message.message_id)
    done = judged.translated_into
    left = sorted(each for each, (stage, _) in stages.items() if stage is Stage.TRANSLATED and each > done)
    if not left:
        return False
    (wording,) = (await translations.wordings(connection, [(message.message_id, left[0])])).values()
    # Moderation reads the first two as one, as it does those that were written.
    said = [wording.of(message.subject), wording.of(message.body)]
    texts = [*said, *(each for each in wording.by_digest.values() if each not in said)]
    await questions.ask_about_translation(connection, message, left[0], texts, now, judged.rescreening_id)
    return True


def _may_be_pulled_back(message: Message) -> bool:
    if message.screening is Screening.NOT_NEEDED:
        return message.sender.role == ROLE_STUDENT
    return message.screening is Screening.RELEASED and not message.review_released_at


async def _note_judged(connection: AsyncConnection, message_id: str, verdict: bytes, now: datetime) -> None:
    """Release what a student sent while screening was off: it is judged now, and may be sent again."""
    message = await messages.find(connection, message_id, lock=True)
    if message and message.screening is Screening.NOT_NEEDED and message.sender.role == ROLE_STUDENT:
        await messages.decide(connection, message_id, Screening.RELEASED, verdict, now)


async def _pull_back(connection: AsyncConnection, message_id: str, verdict: bytes, now: datetime) -> bool:
    message = await messages.find(connection, message_id, lock=True)
    if message is None or not _may_be_pulled_back(message):
        return False
    await messages.decide(connection, message_id, Screening.WITHHELD, verdict, now)
    message.screening, message.verdict, message.decided_at = Screening.WITHHELD, verdict, now
    deltas = Deltas()
    for entry_id, school_id, how_many in await batches.withhold(connection, message_id, now, State.PENDING):
        deltas.move(entry_id, school_id, State.PENDING, State.WITHHELD, how_many)
    await counts.apply(connection, deltas, now)
    await inbox.withdraw(connection, message_id)
    snapshot = await messages.snapshot(connection, message)
    names = await messages.recipient_names(connection, snapshot.entries[0], _NAMES_TOLD)
    await events_out.tell_withheld(connection, snapshot, names, now)
    return True
