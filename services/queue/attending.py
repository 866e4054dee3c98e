"""What an attendance rule is and when it owes a message: pure rules, the records of its tables.

A rule tells the guardians of absent students once for each school and day, at its time on the wall of the school. Each
of these is a run: it made one message, or says why not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from services.queue.attention import Attention, Kind
from services.queue.timing import in_utc

MAX_PER_OWNER: Final = 100
"""Rules of one owner."""
OLDEST: Final = timedelta(days=30)
LATEST: Final = timedelta(days=60)
"""How far from the district's day the date of an absence may lie."""
KEPT: Final = timedelta(days=90)
"""After this an absence is forgotten; what was told of it stays with its message."""
MISSED: Final = "The system did not run when this was due."
FAILED: Final = "It could not be sent on its day."
NOBODY_ABSENT: Final = "No student was absent under its codes."
TOLD_BY_ANOTHER: Final = "Another rule told of everybody who was absent under its codes."
NOBODY_TOLD: Final = "The absent students have no guardians on record."
_ONE_DAY: Final = timedelta(days=1)
_FIRST_RETRY: Final = timedelta(seconds=5)
_LONGEST_RETRY: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Rule:
    """One row of `attendance_rules`."""

    rule_id: str
    owner_id: str
    owner_name: str
    name: str
    school_ids: Sequence[str]
    """Empty: every school."""
    codes: Sequence[str]
    """In upper case."""
    content: bytes
    """Wire form of all that it does."""
    send_time: time
    """Local time of day, whole minutes."""
    begins_at: datetime
    """Only times after this count: when it was made, was switched on, or got another time or another school."""
    created_at: datetime
    changed_at: datetime
    changed_by: str
    changed_by_name: str
    version: int = 1
    is_on: bool = True
    schools_begin_at: Mapping[str, datetime] = field(default_factory=dict)
    """The same of the schools that it had before it got another: what it owes them it owes them still."""

    def concerns(self, school_id: str) -> bool:
        """Tell whether it is for this school."""
        return not self.school_ids or school_id in self.school_ids


@dataclass(frozen=True)
class Change:
    """One row of `attendance_rule_changes`."""

    version: int
    changed_at: datetime
    changed_by_name: str
    what: str
    content: bytes


@dataclass(frozen=True)
class Absence:
    """One row of `absences`."""

    student_id: str
    school_id: str
    day: date
    period: str
    code: str
    is_withdrawn: bool
    stated_at: datetime

    @property
    def key(self) -> tuple[str, date, str]:
        """What it replaces: a student has one for each day and period."""
        return self.student_id, self.day, self.period


@dataclass(frozen=True)
class Due:
    """A rule for a school and day."""

    rule: Rule
    school_id: str
    day: date
    is_missed: bool = False
    """The day has passed."""

    @property
    def key(self) -> tuple[str, str, date]:
        """What makes it the only one."""
        return self.rule.rule_id, self.school_id, self.day


@dataclass(frozen=True)
class Run:
    """One row of `attendance_runs`."""

    rule_id: str
    school_id: str
    day: date
    students: int
    message_id: str | None
    reason: str
    """Why no message was made; empty when one was."""
    recorded_at: datetime
    late: int = 0
    """Students whose absences came after it, and of whom no rule told; counted when it is read."""


class Tried(NamedTuple):
    """A delivery of a message that told of a student's absences."""

    student_id: str
    codes: tuple[str, ...]
    """Those of which it told."""
    channel: str
    person_id: str
    is_first: bool
    """Not a resend."""
    is_reached: bool
    """It is under way or arrived: neither failed nor expired."""


@dataclass(frozen=True)
class Left:
    """What a run has to tell."""

    students: dict[str, str]
    """Of whom it tells: the codes of each, in order, with commas."""
    told: frozenset[tuple[str, str, str]] = frozenset()
    """Channel, student and person: who was told of all this by this channel."""


@dataclass(frozen=True)
class Waiting:
    """How often a run failed, and when it is tried again."""

    failures: int
    until: datetime


def owed(rule: Rule, zones: Mapping[str, str], now: datetime) -> Iterator[Due]:
    """Yield what a rule owed at this moment, today and the day before, given the zone of each school.

    A run that is late is made all the same as long as its day lasts at the school: late is better than never.
    """
    for school_id, zone in zones.items():
        if not rule.concerns(school_id):
            continue
        place = ZoneInfo(zone)
        today = now.astimezone(place).date()
        for day in (today - _ONE_DAY, today):
            if (
                rule.schools_begin_at.get(school_id, rule.begins_at)
                < in_utc(datetime.combine(day, rule.send_time), place)
                <= now
            ):
                yield Due(rule, school_id, day, is_missed=day < today)


def left_to_tell(absent: Mapping[str, Iterable[str]], channels: Sequence[str], tried: Sequence[Tried]) -> Left:
    """Return what a rule of these channels has to tell: of a code until each channel reached whom it addressed.

    Nobody is told of a code twice by one channel, unless a message tells them of another code beside it.
    """
    addressed: dict[tuple[str, str, str], set[str]] = {}
    reached: dict[tuple[str, str, str], set[str]] = {}
    for each in tried:
        for code in each.codes:
            key = each.channel, each.student_id, code
            if each.is_first:
                addressed.setdefault(key, set()).add(each.person_id)
            if each.is_reached:
                reached.setdefault(key, set()).add(each.person_id)

    def is_told(key: tuple[str, str, str]) -> bool:
        return key in addressed and addressed[key] <= reached.get(key, set())

    left = {
        student: [code for code in codes if not all(is_told((channel, student, code)) for channel in channels)]
        for student, codes in absent.items()
    }
    left = {student: codes for student, codes in left.items() if codes}
    told = (
        (channel, student, person)
        for student, codes in left.items()
        for channel in channels
        for person in set.intersection(*(reached.get((channel, student, code), set()) for code in codes))
    )
    return Left({student: ", ".join(codes) for student, codes in left.items()}, frozenset(told))


def is_past(rule: Rule, day: date, zone: str, now: datetime) -> bool:
    """Tell whether the rule's time of this day has passed at a school of the zone."""
    return in_utc(datetime.combine(day, rule.send_time), ZoneInfo(zone)) <= now


def not_sent(due: Due, reason: str) -> Attention:
    """Return what staff are told of a run that told no families: once a day for each rule, however many its schools."""
    about_id = str(uuid5(NAMESPACE_URL, f"attendance/{due.rule.rule_id}/{due.day}"))
    owner_id, rule_id = due.rule.owner_id, due.rule.rule_id
    return Attention(Kind.ATTENDANCE_NOT_SENT, f"{due.day:%B} {due.day.day}: {reason}", about_id, owner_id, rule_id)


def put_off(before: Waiting | None, now: datetime) -> Waiting:
    """Return when to try again: after five seconds, then after twice as long each time, at most five minutes."""
    failures = before.failures if before else 0
    return Waiting(failures + 1, now + min(_FIRST_RETRY * 2 ** min(failures, 10), _LONGEST_RETRY))


def edited(before: Rule, after: Rule, now: datetime) -> Rule:
    """Return the rule with another content. Another time or school counts from now on: none that has passed is made
    up for.
    """
    begins_at, schools_begin_at = before.begins_at, before.schools_begin_at
    if before.send_time != after.send_time:
        begins_at, schools_begin_at = now, {}
    elif _has_other_schools(before, after):
        schools_begin_at = {each: before.schools_begin_at.get(each, begins_at) for each in before.school_ids}
        begins_at = now
    return replace(
        after,
        rule_id=before.rule_id,
        owner_id=before.owner_id,
        owner_name=before.owner_name,
        created_at=before.created_at,
        begins_at=begins_at,
        schools_begin_at=schools_begin_at,
        version=before.version + 1,
        is_on=before.is_on,
    )


def _has_other_schools(before: Rule, after: Rule) -> bool:
    """Tell whether a rule concerns a school after an edit that it did not concern before."""
    return bool(before.school_ids) and (not after.school_ids or not set(after.school_ids) <= set(before.school_ids))


def switched(before: Rule, now: datetime, *, is_on: bool) -> Rule:
    """Return the rule switched on or off; switched on, it begins anew."""
    after = replace(before, is_on=is_on, version=before.version + 1, changed_at=now)
    return replace(after, begins_at=now, schools_begin_at={}) if is_on else after
