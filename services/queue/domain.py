"""What a delivery may go through, and the rules of delivering: pure, no I/O.

One entry (one channel of a message) to one recipient is a delivery. Its state moves along these arrows, and along those
that are named below them, and no others:

    submitted ──┬─► held ──┬─► pending ─► claimed ─► handed_off ─┬─► sent ──(hard bounce)──► error
                │          ├─► withheld ───►▲ │          │       ├─► error
                │          └─► cancelled    └─┤ given    │       ├─► expired
                ├─► pending ─► cancelled,     │ back     │       ├─► opted_out
                │              expired        │          │       └─► pending   (a call that nobody took, again)
                │                             └─► sent, error, expired, opted_out, cancelled
                └─► duplicate, error, opted_out         (final at once)

`held` waits for screening. `claimed` is in a dispatcher's hands. `handed_off` means that the provider took it, `sent`
that the recipient has it. Everything after `handed_off` is final; a resend makes a new delivery and moves nothing.
The one exception is a hard bounce after delivery: the recipient did not receive it, so Sent becomes Error.

A message that is judged again after its release may be pulled back: what is pending, or comes back from a dispatcher,
becomes withheld; what was handed over keeps its state. So it is with a message that staff cancel.

A reviewer may release what is withheld: it becomes pending, once; or cancelled when staff had stopped the message, or
an error when the district's rules of that moment do not let it out.

A delivery without an outcome row stands where its batch stands: batches are held, pending, claimed or withheld.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """Where a delivery stands."""

    HELD = "held"
    PENDING = "pending"
    CLAIMED = "claimed"
    HANDED_OFF = "handed_off"
    SENT = "sent"
    ERROR = "error"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    WITHHELD = "withheld"
    CANCELLED = "cancelled"
    OPTED_OUT = "opted_out"


class Channel(StrEnum):
    """The ways of reaching a recipient that this release delivers by."""

    EMAIL = "email"
    SMS = "sms"
    TTS = "tts"
    RECORDED = "recorded"
    PUSH = "push"
    POLL = "poll"
    SIGNUP = "signup"


class Lane(IntEnum):
    """Queues drained one before the other: a smaller number goes first."""

    ALERT = 1
    EMERGENCY = 2
    NORMAL = 3
    BULK = 4


URGENT_LANES: Final = frozenset({Lane.ALERT, Lane.EMERGENCY})
"""They wait neither for quiet hours nor behind ordinary messages."""


class Source(StrEnum):
    """In whose name a message goes out."""

    DISTRICT = "district"
    SCHOOL = "school"


class Screening(StrEnum):
    """Where the screening of a message stands."""

    NOT_NEEDED = "not_needed"
    WAITING = "waiting"
    RELEASED = "released"
    WITHHELD = "withheld"


MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.HELD: frozenset({State.PENDING, State.WITHHELD, State.CANCELLED}),
    State.PENDING: frozenset({State.CLAIMED, State.EXPIRED, State.CANCELLED, State.WITHHELD}),
    State.CLAIMED: frozenset(State) - {State.HELD, State.CLAIMED, State.DUPLICATE},
    State.HANDED_OFF: frozenset({State.SENT, State.ERROR, State.EXPIRED, State.OPTED_OUT, State.PENDING}),
    State.SENT: frozenset({State.ERROR}),
    State.ERROR: frozenset(),
    State.EXPIRED: frozenset(),
    State.DUPLICATE: frozenset(),
    State.WITHHELD: frozenset({State.PENDING, State.CANCELLED, State.ERROR}),
    State.CANCELLED: frozenset(),
    State.OPTED_OUT: frozenset(),
}
"""The table of legal moves. SENT to ERROR needs a hard bounce, see `after_receipt`; HANDED_OFF to PENDING a call."""

FINAL: Final = frozenset(state for state in State if not MOVES[state] - {State.ERROR})
"""States that a delivery leaves only for a hard bounce (SENT), or never. A reviewer may release what is WITHHELD."""
COUNTED_AS: Final[Mapping[State, str]] = {
    **{state: state.value for state in State},
    State.CLAIMED: "pending",
    State.HANDED_OFF: "pending",
}
"""The counter of each state; the counters of an entry and school add up to its total."""
COUNTERS: Final = ("held", "pending", "sent", "error", "expired", "duplicate", "withheld", "cancelled", "opted_out")
"""Every counter, in the order of the columns."""
_NUMBER: Final = "([1-9][0-9]{0,6})"
_KEY: Final = re.compile(f"([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})[._]{_NUMBER}[._]{_NUMBER}")
SURVEYS: Final = frozenset({Channel.POLL, Channel.SIGNUP})
"""Channels that ask for an answer (services/queue/surveys.py)."""
MAILED: Final = frozenset({Channel.EMAIL, *SURVEYS})
"""Channels that travel by e-mail, and are in the portal inbox."""
BATCH_SIZE: Final = 1_000
"""Most recipients of one batch."""
CALL_BATCH_SIZE: Final = 100
"""Most recipients of a batch of calls: Twilio begins few calls a second, and a batch should not take minutes."""
MAX_RECIPIENTS: Final = 1_000_000
MAX_SUBJECT: Final = 200
MAX_BODY: Final = 20_000
MAX_TEXT: Final[Mapping[Channel, int]] = {
    Channel.EMAIL: MAX_BODY,
    Channel.SMS: 1_600,
    Channel.TTS: 1_600,
    Channel.RECORDED: MAX_BODY,
    Channel.PUSH: 1_000,
    Channel.POLL: MAX_BODY,
    Channel.SIGNUP: MAX_BODY,
}
"""Longest text by channel, in characters; Twilio refuses a longer SMS (21617). A recorded call says its recording."""
CALLS: Final = frozenset({Channel.TTS, Channel.RECORDED})
"""Channels that ring a telephone."""
CALL_OUT: Final = frozenset({Channel.SMS, *CALLS})
"""Channels of the Call Out System (statements 13, 226)."""
MAX_KEY: Final = 200
MAX_ID: Final = 200
"""Longest id, and longest grade of a sender."""
MAX_ATTEMPTS: Final = 5
"""Tries of one delivery before its temporary failure counts as permanent."""
DEFAULT_EXPIRY: Final[Mapping[Channel, timedelta]] = {
    **dict.fromkeys(MAILED, timedelta(hours=72)),
    Channel.SMS: timedelta(hours=24),
    Channel.TTS: timedelta(hours=8),
    Channel.RECORDED: timedelta(hours=8),
    Channel.PUSH: timedelta(hours=12),
}
"""After this long what has not left, or was never confirmed, expires."""
EMERGENCY_EXPIRY: Final = timedelta(hours=4)
"""An emergency call that comes later than this misleads."""
RECEIPT_UNDER_WAY: Final[Mapping[Channel, timedelta]] = {
    **dict.fromkeys(MAILED, timedelta(minutes=65)),
    **dict.fromkeys(CALL_OUT | {Channel.PUSH}, timedelta(minutes=5)),
}
"""How much later than its time what was handed over expires: what arrived in time may be told after it.

Otherwise a family that has it could be written to, or rung, again. SNS repeats what SES tells for an hour."""
CONFIRMED_BY_RECEIPT: Final = frozenset({*MAILED, Channel.SMS, *CALLS})
"""Channels whose provider confirms arrival; the others are Sent when the provider takes them."""


def may_move(before: State, after: State) -> bool:
    """Tell whether the move is in the table."""
    return after in MOVES[before]


def travels_as(channel: Channel) -> Channel:
    """Return the channel whose addresses, consent and suppressions count: polls and sign-ups are e-mails."""
    return Channel.EMAIL if channel in MAILED else channel


def batch_size(channel: Channel) -> int:
    """Return the most recipients of one batch."""
    return CALL_BATCH_SIZE if channel in CALLS else BATCH_SIZE


def after_acceptance(channel: Channel) -> State:
    """Return the state of a delivery that the provider took."""
    return State.HANDED_OFF if channel in CONFIRMED_BY_RECEIPT else State.SENT


def after_receipt(before: State, said: State, *, is_hard_bounce: bool, is_same_attempt: bool) -> State:
    """Return where a receipt leaves a delivery; the same state when the receipt changes nothing.

    A receipt of an earlier attempt may prove that the recipient has the message, but an earlier attempt's failure says
    nothing about the present one.
    """
    if before is State.HANDED_OFF and may_move(before, said):
        return said if said is State.SENT or is_same_attempt else before
    if before is State.SENT and said is State.ERROR and is_hard_bounce and is_same_attempt:
        return State.ERROR
    return before


def backoff(attempt: int, lane: Lane, base_seconds: float) -> timedelta:
    """Return the wait after a try that failed for now: thrice longer each time, a tenth of it for urgent lanes."""
    share = 0.1 if lane in URGENT_LANES else 1.0
    return timedelta(seconds=base_seconds * share * 3 ** (attempt - 1))


def expiry(channel: Channel, start: datetime, *, is_emergency: bool, asked: datetime | None) -> datetime:
    """Return when what has not arrived expires; `start` is when it may first leave, and no quiet hours come then."""
    if asked is not None:
        return asked
    return start + (EMERGENCY_EXPIRY if is_emergency else DEFAULT_EXPIRY[channel])


def source_of(asked: Source, *, is_excluded: bool) -> Source:
    """Return the source fixed at sending: an excluded school never speaks for the district (statement 45)."""
    return Source.SCHOOL if is_excluded else asked


def lane_of(asked: Lane, *, is_emergency: bool) -> Lane:
    """Return the lane: emergencies have their own, unless they are alerts."""
    return Lane.EMERGENCY if is_emergency and asked is not Lane.ALERT else asked


class FamilyFilter:
    """Once Per Family: the first recipient of each contact, in submission order, is real (statements 72-77)."""

    def __init__(self, *, is_on: bool) -> None:
        """Remember nothing yet; one filter serves one entry, since contacts are compared per channel."""
        self._is_on = is_on
        self._seen: set[int] = set()

    def duplicates(self, contacts: Iterable[str]) -> set[int]:
        """Return the positions of normalised contacts that were there before, and remember all. Empty ones never were.

        Python's string hash is 64 bits of a keyed function; its seed differs in each process, the answer within one
        submission does not. A million contacts collide with odds of one in forty million.
        """
        found: set[int] = set()
        seen, add = self._seen, self._seen.add
        for position, contact in enumerate(contacts if self._is_on else ()):
            hashed = hash(contact)
            if hashed not in seen:
                add(hashed)
            elif contact:
                found.add(position)
        return found


class DeliveryKey(NamedTuple):
    """What travels to the provider with a delivery and comes back in its receipts."""

    entry_id: str
    number: int
    attempt: int

    def __str__(self) -> str:
        """Return entry.number.attempt."""
        return f"{self.entry_id}.{self.number}.{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> "DeliveryKey | None":
        """Return the key, or None when the text is none. An SES tag holds _ in place of the dots."""
        found = _KEY.fullmatch(text)
        if found is None:
            return None
        entry_id, number, attempt = found.groups()
        return cls(entry_id, int(number), int(attempt)) if int(number) <= MAX_RECIPIENTS else None


@dataclass
class Deltas:
    """Changes of counters that belong to one transaction, by entry and school."""

    by_school: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def move(self, entry_id: str, school_id: str, before: State | None, after: State, how_many: int = 1) -> None:
        """Count deliveries that go from one state to another; None means that they are new."""
        counts = self.by_school.setdefault((entry_id, school_id), {})
        if before is not None:
            counts[COUNTED_AS[before]] = counts.get(COUNTED_AS[before], 0) - how_many
        counts[COUNTED_AS[after]] = counts.get(COUNTED_AS[after], 0) + how_many

    def changed(self) -> dict[tuple[str, str], dict[str, int]]:
        """Return what differs from before, ordered as the rows are locked."""
        kept = {key: {name: n for name, n in counts.items() if n} for key, counts in self.by_school.items()}
        return {key: kept[key] for key in sorted(kept) if kept[key]}
