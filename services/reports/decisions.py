"""Deciding a threat: undecided, then kept, then perhaps released; a release is the last word (statement 303); pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kit.errors import FailedPrecondition

LONGEST_REASON = 500
"""Characters."""


class Outcome(StrEnum):
    """What a reviewer decides about a threat."""

    KEPT = "kept"
    RELEASED = "released"


@dataclass(frozen=True)
class Decision:
    """A reviewer's decision about a threat."""

    number: int
    """1 for the first of a threat."""
    outcome: Outcome
    reason: str
    person_id: str
    name: str
    at: datetime


def check_decision(latest: Decision | None, outcome: Outcome, seen: int, *, is_imported: bool) -> None:
    """Raise FailedPrecondition when a threat cannot be decided so; `seen` is the latest decision that the person knows.

    A release cannot be taken back (303); whoever did not see the latest decision reads it first, so that one wins.
    """
    if latest and latest.outcome is Outcome.RELEASED:
        sentence = f"{latest.name} released this message. What was delivered cannot be taken back."
        raise FailedPrecondition("ALREADY_RELEASED", sentence)
    if seen != (latest.number if latest else 0):
        who = latest.name if latest else "Somebody"
        raise FailedPrecondition("DECIDED_MEANWHILE", f"{who} decided meanwhile. Read that decision first.")
    if latest and outcome is Outcome.KEPT:
        raise FailedPrecondition("ALREADY_KEPT", f"{latest.name} keeps this message withheld already.")
    if is_imported and outcome is Outcome.RELEASED:
        raise FailedPrecondition("NOTHING_TO_RELEASE", "This message was imported: there is nothing to deliver.")
