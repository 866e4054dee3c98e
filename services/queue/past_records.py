"""Past messages as a history import passes them around. Times are aware UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.queue.domain import State
from services.queue.records import Addressee, Draft


class PastOutcome(NamedTuple):
    """What became of a past delivery."""

    channel: str
    state: State | None
    """None when it is not a state that this release knows."""
    error_code: str
    at: datetime | None
    destination: str


@dataclass(frozen=True)
class PastMessage:
    """A piece of a history import."""

    draft: Draft
    sent_at: datetime | None
    recipients: list[tuple[Addressee, Sequence[PastOutcome]]]
    verdict: bytes | None
    """Wire form of the verdict of a message that was screened."""
    is_withheld: bool
