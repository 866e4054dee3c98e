"""Pure rules of the reports: what a viewer sees, what a search asks for, how the admin flag behaves.

A message is `none` (not screened), `held` (shown to nobody), `released` or `withheld`:

    none ───────────────────────────────┐
                held ──► released ──► withheld ──(a reviewer)──► released, for ever
                  └───────────────────►┘

A threat is what was withheld once: undecided, then kept, then perhaps released; a release is the last word (303).

The admin flag's cell, by the first rule that fits: a referral locks it (106); without the Flag Messages permission it
is read-only (8); a teacher's earlier flag hides it (102, 119); otherwise it is a box (107).
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.kit.errors import FailedPrecondition
from services.kit.rules import Kind, Rule

EVERY_SCHOOL = "*"
COUNTERS = ("held", "pending", "sent", "error", "expired", "duplicate", "withheld", "cancelled", "opted_out")
"""The counters of an entry and school; they add up to its total (statement 62)."""
PAGE_SIZE, LARGEST_PAGE = 20, 500
TEXT_SHOWN = 300  # Characters of the text in a row.


class Screening(StrEnum):
    """Where the screening of a message stands."""

    NONE = "none"
    HELD = "held"
    RELEASED = "released"
    WITHHELD = "withheld"


class Origin(StrEnum):
    """Whose flag it is."""

    TEACHER = "teacher"
    ADMIN = "admin"
    SYSTEM = "system"


class Report(StrEnum):
    """The reports that list entries."""

    HISTORY = "history"
    ATTENDANCE = "attendance"
    THREATS = "threats"


NUMBERS = {
    "total": ("total",),
    "sent": ("sent",),
    "pending": ("held", "pending"),
    "expired": ("expired",),
    "errors": ("error",),
    "duplicate": ("duplicate",),
    "withheld": ("withheld",),
    "cancelled": ("cancelled",),
    "opted_out": ("opted_out",),
}
"""Columns of counts, and the counters that each adds up."""
COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("type", "message", "source", "from", "to", "recipient_type"), Kind.TEXT),
    **dict.fromkeys(("regarding_student", "referral", "decision"), Kind.TEXT),
    "date": Kind.DATE,
    **dict.fromkeys(NUMBERS, Kind.NUMBER),
    **dict.fromkeys(("secure", "emergency", "flagged", "admin_flagged", "acknowledge"), Kind.TICK),
}
"""Every column that sorts and takes rules."""
CHANNEL_LABELS = {
    "email": "E-mail",
    "sms": "SMS",
    "tts": "TTS",
    "recorded": "Recorded",
    "push": "Push notifications",
    "poll": "Poll",
    "signup": "Sign up",
}
"""What the Type column says, by which it sorts and takes rules."""
HIDDEN_STUDENTS = "See the recipients"
"""What the Regarding Student column says where some students may be of schools that the viewer does not see."""
CALLS = ("tts", "recorded")  # Ring a telephone: only they are emergencies.


@dataclass(frozen=True)
class Sight:
    """What a viewer sees: their own messages whole; with all_users also those that reach their schools."""

    person_id: str
    schools: frozenset[str]
    all_users: bool
    holds_threat_alerts: bool = False
    """Sees every recipient of a withheld message from their schools, here and in the recipients' list; and reviews
    the threats of which they were alerted, whatever their school."""
    by_sender: bool = False
    """Sees what was sent from their schools, whole, in place of what reaches them: threats are seen like this (177)."""
    attendance_alone: bool = False
    """Sees no other messages than those of attendance rules."""

    @property
    def is_district_wide(self) -> bool:
        """Whether every school is in sight."""
        return EVERY_SCHOOL in self.schools

    def for_threats(self) -> "Sight":
        """Threats are seen by the sender's school, and by who was alerted: nobody is limited to their own messages."""
        return replace(self, all_users=True, by_sender=True)

    def for_attendance(self, role: str) -> "Sight":
        """An admin sees the attendance messages of their schools, a teacher those of their own rules (124)."""
        return replace(self, all_users=role == "admin", attendance_alone=True)


EVERYTHING = Sight("", frozenset({EVERY_SCHOOL}), all_users=True)
"""The sight of a district system."""


@dataclass(frozen=True)
class Referring:
    """Which messages somebody may refer a student for, and whose referrals they see."""

    sight: Sight
    may_flag: bool
    """Holds Flag Messages: every message in sight (statement 8)."""
    holds_threat_alerts: bool
    """Threats from their schools (statement 199)."""
    is_district: bool = False
    """A district system, whose referral comes with an admin's flag (statement 108)."""


@dataclass(frozen=True)
class NewReferral:
    """What the form says."""

    message_id: str
    reason: str
    """self_harm, threat, bullying, language or other."""
    notes: str
    told: list[dict[str, str]]
    """person_id and name of each who follows it up."""


LONGEST_NOTES, MOST_TOLD = 4000, 50


@dataclass(frozen=True)
class Search:
    """A report's filters, checked."""

    report: Report
    zone: str
    channels: tuple[str, ...] = ()
    school_ids: tuple[str, ...] = ()
    sender_ids: tuple[str, ...] = ()
    since: datetime | None = None
    """Inclusive."""
    before: datetime | None = None
    """Exclusive."""
    start_time: time | None = None
    end_time: time | None = None
    """Inclusive of its minute."""
    is_secure: bool = False
    is_emergency: bool = False
    is_flagged: bool = False
    rules: tuple[Rule, ...] = field(default_factory=tuple)
    message_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Order:
    """How a report is sorted."""

    column: str = "date"
    descending: bool = True


@dataclass(frozen=True)
class Page:
    """Where in a result a page stands."""

    number: int
    size: int
    total_rows: int

    @property
    def total_pages(self) -> int:
        """At least 1."""
        return max(1, -(-self.total_rows // self.size))

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.number - 1) * self.size


def page_of(number: int, size: int, total_rows: int) -> Page:
    """Return the page; past the end it is the last one (statement 211). Zeros mean page 1 and PAGE_SIZE rows."""
    whole = Page(1, size or PAGE_SIZE, total_rows)
    return Page(min(max(1, number), whole.total_pages), whole.size, total_rows)


def day_bounds(start: date | None, end: date | None, zone: str) -> tuple[datetime | None, datetime | None]:
    """Return [since, before) in UTC for inclusive days of the zone (statement 26); a day may last 23 or 25 hours."""
    place = ZoneInfo(zone)
    since = datetime.combine(start, time.min, place).astimezone(UTC) if start else None
    before = datetime.combine(end + timedelta(days=1), time.min, place).astimezone(UTC) if end else None
    return since, before


class FlagControl(StrEnum):
    """What the Admin Flagged cell offers."""

    READ_ONLY = "read_only"
    EDITABLE = "editable"
    HIDDEN = "hidden"
    LOCKED = "locked"


def is_teachers_first(teacher_set_at: datetime | None, admin_set_at: datetime | None) -> bool:
    """Tell whether a teacher's flag stands and no admin's was there before it. None means that the flag is not set."""
    return teacher_set_at is not None and (admin_set_at is None or admin_set_at > teacher_set_at)


def flag_control(
    *, may_flag: bool, has_referral: bool, teacher_set_at: datetime | None, admin_set_at: datetime | None
) -> FlagControl:
    """Return how the admin flag may be used; the module's docstring gives the order of the rules."""
    if has_referral:
        return FlagControl.LOCKED
    if not may_flag:
        return FlagControl.READ_ONLY
    return FlagControl.HIDDEN if is_teachers_first(teacher_set_at, admin_set_at) else FlagControl.EDITABLE


def check_flag(
    origin: Origin,
    *,
    has_referral: bool,
    is_threat: bool,
    teacher_set_at: datetime | None,
    admin_set_at: datetime | None,
) -> None:
    """Raise FailedPrecondition when this flag cannot be changed at present."""
    if has_referral:
        raise FailedPrecondition("FLAG_LOCKED", "A referral exists, so the flag stays as it is.")
    if origin is Origin.SYSTEM and not is_threat:
        raise FailedPrecondition("NOT_A_THREAT", "Screening did not flag this message.")
    if origin is Origin.ADMIN and is_teachers_first(teacher_set_at, admin_set_at):
        raise FailedPrecondition("TEACHER_FLAGGED", "A teacher flagged this message first.")


def can_be_referred(sender_role: str, *, is_flagged: bool, has_referral: bool) -> bool:
    """Tell whether a message offers a referral: a student's, flagged by anybody, without one (statements 109, 110)."""
    return sender_role == "student" and is_flagged and not has_referral


def check_referral(sender_role: str, *, is_flagged: bool) -> None:
    """Raise FailedPrecondition when no student can be referred for this message."""
    if sender_role != "student":
        raise FailedPrecondition("SENDER_NOT_A_STUDENT", "Only a message of a student can have a referral.")
    if not is_flagged:
        raise FailedPrecondition("NOT_FLAGGED", "Flag the message first.")
