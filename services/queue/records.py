"""Rows as the code passes them around: what a message is, to whom it goes, what is claimed, what became of it.

Times are aware UTC; roles, kinds and recipient types are the numbers of protos/types/v1. Fields are in the order of the
tables' columns where a COPY writes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from services.queue.domain import SURVEYS, Channel, Lane, Screening, Source, State
from services.queue.message_types import MessageType
from services.queue.surveys import Survey

ROLE_ADMIN, ROLE_TEACHER, ROLE_STUDENT, ROLE_PARENT = 1, 2, 3, 4
KIND_ORDINARY, KIND_ATTENDANCE, KIND_ALERT = 1, 2, 3
TYPE_DIRECTORY, TYPE_IMPORTED = 1, 2
REGARDING_SHOWN = 20
"""Students named in a message's snapshot; the rest are counted."""


@dataclass(frozen=True)
class Sender:
    """Who wrote a message."""

    person_id: str
    name: str
    role: int
    school_id: str = ""
    grade: str = ""


@dataclass(frozen=True)
class Draft:
    """A message as it was submitted, checked by nobody yet."""

    idempotency_key: str
    sender: Sender
    subject: str
    body: str
    channels: Sequence[tuple[str, str]]
    """Channel name and its own text; an empty text means the body."""
    source: Source = Source.SCHOOL
    is_secure: bool = False
    is_emergency: bool = False
    once_per_family: bool = False
    lane: Lane = Lane.NORMAL
    kind: int = KIND_ORDINARY
    send_at: datetime | None = None
    expires_at: datetime | None = None
    audience_summary: str = ""
    language: str = "en"
    in_reply_to: str = ""
    alert_message_id: str = ""
    from_title: str = ""
    recording_id: str = ""
    """What the recorded call plays."""
    survey: Survey | None = None
    """What the poll or sign-up asks."""
    is_translated: bool | None = None
    """Whether each recipient gets it in their language; None: as the district has set it."""
    header_hash: bytes = b""
    """SHA-256 of the header as it came: tells a repetition from another message under the same key."""


class Addressee(NamedTuple):
    """A person with every destination, as directory or an uploaded list names them."""

    person_id: str
    name: str
    role: int
    school_id: str
    staff_id: str
    regarding_student_id: str
    regarding_student_name: str
    student_number: str
    language: str
    email: str
    mobile: str
    devices: str
    """Tokens, separated by commas."""
    has_account: bool
    invalid_email: str
    invalid_mobile: str
    type: int
    phones: str = ""
    """Numbers to call, in the order to try, separated by commas; without any the mobile number is called."""
    invalid_phone: str = ""


class Addressees(NamedTuple):
    """Many addressees, column by column in the order of Addressee's fields.

    What is done to a column in one step takes a fraction of what it takes row by row.
    """

    person_ids: Sequence[str]
    names: Sequence[str]
    roles: Sequence[int]
    school_ids: Sequence[str]
    staff_ids: Sequence[str]
    regarding_student_ids: Sequence[str]
    regarding_student_names: Sequence[str]
    student_numbers: Sequence[str]
    languages: Sequence[str]
    emails: Sequence[str]
    mobiles: Sequence[str]
    devices: Sequence[str]
    has_account: Sequence[bool]
    invalid_emails: Sequence[str]
    invalid_mobiles: Sequence[str]
    types: Sequence[int]
    phones: Sequence[str]
    invalid_phones: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[Addressee]) -> "Addressees":
        """Return rows as columns."""
        return cls._make(zip(*rows, strict=True) if rows else [()] * len(cls._fields))

    @classmethod
    def joined(cls, parts: Sequence["Addressees"]) -> "Addressees":
        """Return all parts, one behind the other."""
        if len(parts) == 1:
            return parts[0]
        return cls._make(list(chain.from_iterable(column)) for column in zip(*parts, strict=True))

    @property
    def size(self) -> int:
        """How many they are."""
        return len(self.names)

    def row(self, position: int) -> Addressee:
        """Return one of them."""
        return Addressee._make(column[position] for column in self)

    def only(self, positions: Sequence[int]) -> "Addressees":
        """Return those in these positions."""
        return Addressees._make([column[each] for each in positions] for column in self)


class Recipient(NamedTuple):
    """One row of `recipients`, without its entry and time."""

    number: int
    person_id: str
    name: str
    role: int
    school_id: str
    staff_id: str
    regarding_student_id: str
    regarding_student_name: str
    student_number: str
    language: str
    destination: str
    """Normalised when it can be used; device tokens and numbers to call are separated by commas; empty for the portal
    inbox alone."""
    problem: str
    """Code of what is wrong with the destination; empty when nothing is."""
    has_account: bool
    type: int


@dataclass
class Message:
    """One row of `messages`."""

    message_id: str
    created_at: datetime
    caller: str
    sender: Sender
    subject: str
    body: str
    source: Source
    kind: int
    lane: Lane
    is_secure: bool
    is_emergency: bool
    once_per_family: bool
    send_at: datetime
    expires_at: datetime | None
    audience_summary: str
    language: str
    in_reply_to: str
    alert_message_id: str
    from_title: str
    is_from_excluded_school: bool
    screening: Screening
    recipient_type: int = TYPE_DIRECTORY
    regarding: list[dict[str, str]] = field(default_factory=list)
    """At most REGARDING_SHOWN students: student_id, name, number."""
    regarding_count: int = 0
    only_recipient_name: str = ""
    is_imported: bool = False
    verdict: bytes | None = None
    decided_at: datetime | None = None
    cancelled_at: datetime | None = None
    review_released_at: datetime | None = None
    """When a reviewer let it go after screening had withheld it."""
    is_translated: bool = False
    """Each recipient gets it in their language."""

    @property
    def is_threat(self) -> bool:
        """Whether screening withheld it, released by a reviewer since or not."""
        return self.screening is Screening.WITHHELD or self.review_released_at is not None

    @property
    def is_held(self) -> bool:
        """Whether it waits for its verdict."""
        return self.screening is Screening.WAITING


@dataclass
class Entry:
    """One row of `entries`."""

    entry_id: str
    message_id: str
    created_at: datetime
    position: int
    channel: Channel
    text: str
    """What this channel says; never empty unless the body is."""
    expires_at: datetime
    resend_of: str | None = None
    recording_id: str | None = None
    """What a recorded call plays."""
    survey_id: str | None = None
    """What a poll or sign-up asks; an entry that sends it again asks the same."""
    message_type: MessageType = MessageType.ANNOUNCEMENT
    from_address: str = ""
    """Address or number that it goes out from; empty: the configuration's."""
    from_name: str = ""
    """From Name of its e-mails; empty: the message's title."""


def type_of(channel: Channel, about: Draft | Message, sender_role: int) -> MessageType:
    """Return the type of one channel of a message."""
    if about.kind == KIND_ALERT:
        return MessageType.ALERT
    if about.is_emergency:
        return MessageType.EMERGENCY
    if about.kind == KIND_ATTENDANCE:
        return MessageType.ATTENDANCE
    if channel in SURVEYS:
        return MessageType.SURVEY
    is_personal = sender_role in {ROLE_STUDENT, ROLE_PARENT} or bool(about.in_reply_to)
    return MessageType.PERSONAL if is_personal else MessageType.ANNOUNCEMENT


@dataclass
class Counts:
    """The counters of one entry by school, and their version."""

    by_school: dict[str, dict[str, int]] = field(default_factory=dict)
    version: int = 0

    def sums(self) -> dict[str, int]:
        """Return the counters over all schools, `total` among them."""
        result: dict[str, int] = {}
        for counts in self.by_school.values():
            for name, value in counts.items():
                result[name] = result.get(name, 0) + value
        return result


@dataclass
class Snapshot:
    """A message whole: what events and answers are made of."""

    message: Message
    entries: list[Entry]
    counts: dict[str, Counts]
    survey: Survey | None = None


class Outcome(NamedTuple):
    """What became of a delivery, to be written; without entry and time of the message."""

    number: int
    state: State
    attempt: int = 0
    provider: str = ""
    provider_message_id: str = ""
    error_code: str = ""


class Receipt(NamedTuple):
    """What a provider said about one delivery."""

    provider: str
    provider_message_id: str
    delivery_key: str
    status: str
    error_code: str
    occurred_at: datetime
