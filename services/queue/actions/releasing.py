"""A reviewer releases what screening withheld: it is delivered late, each recipient once (statement 303).

Everything changes in one transaction: the message, its batches with new deadlines, the inboxes, the counters and the
event. What the district's rules of this moment do not let out becomes an error that says why; consent, suppressions
and quiet hours are asked when a batch leaves, as always.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.logs import get_logger
from services.queue import events_out
from services.queue.actions import inboxes
from services.queue.actions.quieting import quiet_of
from services.queue.actions.standing import Known
from services.queue.domain import CALL_OUT, Channel, Deltas, Screening, State
from services.queue.quiet import Quiet
from services.queue.records import Entry, Message, Outcome
from services.queue.store import copying, counts, messages, surveys, translations, withheld
from services.queue.surveys import Survey, ends
from services.queue.translating import deadline

_log = get_logger(__name__)


@dataclass(frozen=True)
class _Rules:
    """What holds when a message is released."""

    is_cancelled: bool
    is_excluded: bool
    """The sender's school communicates within itself alone, and not by text or call (226, 227)."""
    is_call_out_on: bool
    school_id: str

    @property
    def only_school_id(self) -> str:
        """The only school that may be written to; empty when every one may be."""
        return self.school_id if self.is_excluded else ""

    def lets_out(self, channel: Channel) -> bool:
        """Tell whether anything may leave by this channel."""
        return not self.is_cancelled and (channel not in CALL_OUT or (self.is_call_out_on and not self.is_excluded))

    def refusal(self, channel: Channel) -> tuple[State, str]:
        """Return what becomes of a delivery that may not leave: its state and its error code."""
        if self.is_cancelled:
            return State.CANCELLED, ""
        is_switched_off = channel in CALL_OUT and not self.is_call_out_on
        return State.ERROR, "CALL_OUT_OFF" if is_switched_off else "SCHOOL_EXCLUDED"


async def release(connection: AsyncConnection, message_id: str, known: Known, now: datetime) -> bool:
    """Let a withheld message go, once; False when it is not withheld, or was imported and has nothing to deliver."""
    message = await messages.find(connection, message_id, lock=True)
    if message is None or message.is_imported or message.screening is not Screening.WITHHELD:
        _log.info("release_without_effect", message_id=message_id, is_known=message is not None)
        return False
    await messages.release_after_review(connection, message_id, now)
    message.screening, message.review_released_at = Screening.RELEASED, now
    rules = _rules(message, known)
    asked = await surveys.of_message(connection, message_id)
    releasing = _Releasing(connection, message, rules, await quiet_of(connection, message), now, asked)
    for entry in await messages.entries_of(connection, message_id):
        await withheld.gather(connection, message, entry, now)
        if rules.lets_out(entry.channel):
            await releasing.let_go(entry)
        await releasing.refuse_rest(entry)
    await counts.apply(connection, releasing.deltas, now)
    if message.is_translated and not rules.is_cancelled:
        await _translate(connection, message, now)
    snapshot = await messages.snapshot(connection, message)
    if not rules.is_cancelled:
        await inboxes.fill(connection, snapshot, max(now, message.send_at), rules.only_school_id)
    await events_out.tell_released(connection, message, now)
    return True


async def _translate(connection: AsyncConnection, message: Message, now: datetime) -> None:
    """Let the batches wait for the translations that were not made of a withheld message."""
    until = deadline(now, message, await messages.entries_of(connection, message.message_id))
    languages = await translations.begin(connection, message.message_id, now, until)
    await translations.hold_back(connection, message.message_id, languages, until)


def _rules(message: Message, known: Known) -> _Rules:
    school = known.schools.get(message.sender.school_id)
    return _Rules(
        is_cancelled=message.cancelled_at is not None,
        is_excluded=school is not None and school.is_excluded,
        is_call_out_on=known.modules.get("call_out", False),
        school_id=message.sender.school_id,
    )


@dataclass(frozen=True)
class _Releasing:
    """One message on its way out."""

    connection: AsyncConnection
    message: Message
    rules: _Rules
    quiet: Quiet
    now: datetime
    survey: Survey | None
    deltas: Deltas = field(default_factory=Deltas)

    async def let_go(self, entry: Entry) -> None:
        """Make an entry's batches pending, with a deadline that counts from now."""
        sent_at, asked = self.message.send_at, self.message.expires_at
        due_at = max(self.now, sent_at)
        # Who asked for a time gets as long after the release as there would have been after sending.
        renewed = asked and self.quiet.last_leaves_at(entry.channel, due_at) + (asked - sent_at)
        renewed = self.quiet.expires_at(entry.channel, due_at, is_emergency=False, asked=renewed)
        expires_at = ends(entry.channel, max(entry.expires_at, renewed), self.survey)
        only = self.rules.only_school_id
        for school_id, how_many in await withheld.release(self.connection, entry, expires_at, self.now, only):
            self.deltas.move(entry.entry_id, school_id, State.WITHHELD, State.PENDING, how_many)

    async def refuse_rest(self, entry: Entry) -> None:
        """End what may not leave."""
        state, code = self.rules.refusal(entry.channel)
        rows = []
        for school_id, attempt, numbers in await withheld.remove(self.connection, entry):
            self.deltas.move(entry.entry_id, school_id, State.WITHHELD, state, len(numbers))
            ended = [Outcome(each, state, attempt, "lantern", "", code) for each in numbers]
            rows.append((entry.entry_id, entry.created_at, school_id, self.now, ended))
        if rows:
            await copying.copy_outcomes(self.connection, rows)
