"""The rows of one past message, and what is wrong with it."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.kit.ids import new_id
from services.queue.domain import FINAL, MAILED, MAX_ID, MAX_RECIPIENTS, SURVEYS, Channel, State, expiry
from services.queue.past_records import PastMessage, PastOutcome
from services.queue.records import Entry, Message, Outcome, Recipient, type_of
from services.queue.store.copying import place_of
from services.queue.surveys import Survey, said

_PROVIDERS = {
    **dict.fromkeys(MAILED, "ses"),
    Channel.SMS: "twilio",
    Channel.TTS: "twilio_voice",
    Channel.RECORDED: "twilio_voice",
    Channel.PUSH: "sns",
}
_FINAL = FINAL | {State.SENT, State.WITHHELD}


class Problem(Exception):
    """Why a past message is refused, in a sentence."""


@dataclass
class Rows:
    """What is written for one past message."""

    entries: list[Entry] = field(default_factory=list)
    recipients: list[Sequence[Any]] = field(default_factory=list)
    outcomes: list[tuple[str, datetime, str, datetime, Outcome]] = field(default_factory=list)
    survey: Survey | None = None
    """What a poll or sign-up asked."""


def check(piece: PastMessage) -> None:
    """Raise Problem unless the message can be told as history."""
    if piece.sent_at is None:
        raise Problem("It does not say when it was sent.")
    if not 1 <= len(piece.recipients) <= MAX_RECIPIENTS:
        raise Problem(f"It needs 1 to {MAX_RECIPIENTS:,} recipients.")
    channels = {name for name, _ in piece.draft.channels}
    for person, outcomes in piece.recipients:
        if any("\x00" in each for each in person if isinstance(each, str)):
            raise Problem("A recipient has a zero character.")
        if max(map(len, (person.person_id, person.school_id, person.regarding_student_id))) > MAX_ID:
            raise Problem(f"A recipient has an id of over {MAX_ID} characters.")
        for outcome in outcomes:
            _check_outcome(outcome, channels, is_withheld=piece.is_withheld)
        if len({outcome.channel for outcome in outcomes}) != len(outcomes):
            raise Problem("A recipient has two outcomes for one channel.")


def _check_outcome(outcome: PastOutcome, channels: Set[str], *, is_withheld: bool) -> None:
    if outcome.state is None or outcome.state not in _FINAL:
        raise Problem("An outcome is not a final state.")
    if outcome.channel not in channels:
        raise Problem("An outcome names a channel that the message does not have.")
    if is_withheld and outcome.state is not State.WITHHELD:
        raise Problem("A withheld message has an outcome other than withheld.")
    if "\x00" in outcome.destination + outcome.error_code:
        raise Problem("An outcome has a zero character.")


def rows_of(piece: PastMessage, message: Message) -> Rows:
    """Return the rows; recipients without an outcome for a channel were not addressed by it."""
    rows, by_channel = Rows(survey=piece.draft.survey), {}
    for position, (name, text) in enumerate(piece.draft.channels):
        channel, entry_id = Channel(name), new_id()
        entry = Entry(
            entry_id=entry_id,
            message_id=message.message_id,
            created_at=message.created_at,
            position=position,
            channel=channel,
            text=said(channel, text or message.body, piece.draft.survey),
            expires_at=expiry(channel, message.created_at, is_emergency=message.is_emergency, asked=None),
            survey_id=entry_id if channel in SURVEYS else None,
            message_type=type_of(channel, message, message.sender.role),
        )
        by_channel[name] = entry
        rows.entries.append(entry)
    for number, (person, outcomes) in enumerate(piece.recipients, 1):
        for past in outcomes:
            entry = by_channel[past.channel]
            recipient = Recipient(number, *person[:9], past.destination, "", person.has_account, person.type)
            rows.recipients.append((*place_of(entry.entry_id, message.created_at), *recipient))
            code = past.error_code or ("REFUSED" if past.state is State.ERROR else "")
            assert past.state is not None  # noqa: S101  check has refused the others
            outcome = Outcome(number, past.state, 1, _PROVIDERS[entry.channel], "", code)
            at = past.at or message.created_at
            rows.outcomes.append((entry.entry_id, message.created_at, person.school_id, at, outcome))
    return rows
