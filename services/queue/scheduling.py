"""What a schedule is and how it moves: pure rules, the records of its table.

    active ─┬─► paused ─► active          somebody; the sender lost a right; the last sending was not made
            ├─► finished                  nothing is left to send
            └─► cancelled                 also from paused; final

An occurrence is one moment at which a schedule is due. It is sent, or missed when it could not be sent within GRACE.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from services.kit.errors import FailedPrecondition, InvalidArgument
from services.queue.attention import Attention, Kind
from services.queue.timing import Timing

GRACE: Final = timedelta(hours=1)
"""After an outage the latest occurrence that is not older than this is sent; the others are missed."""
MAX_PER_SENDER: Final = 100
"""Active and paused schedules of one sender."""
MISSED: Final = "The system did not run when this was due."
FAILED: Final = "It could not be sent within an hour of its time."
RESTORED: Final = "The system was restored from a backup. It may have been sent before."
RETIMED: Final = "Its times were changed before this was sent."
_MOST_MISSED: Final = 1_000
_NEAR: Final = timedelta(hours=12)
"""More than any zone's clocks are put back, and nearer than any two occurrences."""
_FIRST_RETRY: Final = timedelta(seconds=1)
_LONGEST_RETRY: Final = timedelta(minutes=1)


class ScheduleState(StrEnum):
    """Where a schedule stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


OPEN: Final = frozenset({ScheduleState.ACTIVE, ScheduleState.PAUSED})
"""States in which a schedule may be changed."""


@dataclass(frozen=True)
class Schedule:
    """One row of `schedules`."""

    schedule_id: str
    caller: str
    """Subject of the token that made it."""
    sender_id: str
    sender_school_id: str
    school_ids: Sequence[str]
    """Schools that it reaches, "*" for every one; empty when people are named one by one."""
    header: bytes
    """Wire form of the message without key and times."""
    audience: bytes
    """Wire form of whom directory should find."""
    timing: Timing
    created_at: datetime
    changed_at: datetime
    version: int = 1
    state: ScheduleState = ScheduleState.ACTIVE
    pause_reason: str = ""
    next_at: datetime | None = None
    recording_id: str | None = None
    """What a recorded call plays: kept while the schedule is open. Empty when the call lacks one."""
    failures: int = 0
    """How often what is due could not be sent, since the schedule last moved."""
    failure: str = ""
    """The last one's reason or kind of error."""
    retry_at: datetime | None = None
    """When it is tried again after a failure."""

    def shown_next(self, now: datetime) -> datetime | None:
        """Return the next sending as people see it: never in the past (statement 138)."""
        if self.next_at is None or self.next_at > now:
            return self.next_at
        return self.timing.after(now)


@dataclass(frozen=True)
class Occurrence:
    """What became of one occurrence."""

    occurs_at: datetime
    message_id: str | None
    reason: str
    """Why nothing was sent; empty when a message was made."""


@dataclass(frozen=True)
class Due:
    """What a schedule owes at a moment."""

    send: datetime | None
    """The occurrence to send."""
    missed: Sequence[datetime]
    """Occurrences that are too old, or that a later one stands for."""


def due(schedule: Schedule, now: datetime) -> Due:
    """Return which occurrence to send and which were missed: at most one is sent, however long nothing ran."""
    passed = _passed(schedule, now)
    if not passed:
        return Due(None, ())
    latest = passed[-1]
    if now - latest <= GRACE:
        return Due(latest, passed[:-1][-_MOST_MISSED:])
    return Due(None, passed[-_MOST_MISSED:])


def _passed(schedule: Schedule, now: datetime) -> list[datetime]:
    """Return the occurrences of which nothing has become yet and whose time has come.

    The moment that is kept may be none of them, when the zone's rules have changed since: then it stands for the
    nearest one, which is still to come where the clocks were put back.
    """
    kept = schedule.next_at
    if kept is None or kept > now:
        return []
    if passed := list(schedule.timing.between(kept, now)):
        return passed
    following = schedule.timing.after(now)
    return [] if following and following - kept < _NEAR else [kept]


def moved_on(schedule: Schedule, now: datetime) -> Schedule:
    """Return the schedule after what was due: at its next occurrence, or finished."""
    following = schedule.timing.after(now)
    state = ScheduleState.ACTIVE if following else ScheduleState.FINISHED
    return _changed(schedule, now, state=state, next_at=following)


def left_out(schedule: Schedule, now: datetime, reason: str) -> Schedule:
    """Return the schedule after a sending that was not made: at its next occurrence; paused where nothing follows.

    What is finished is on no list any more and final: paused, whoever wrote it sees it, and may send it yet.
    """
    after = moved_on(schedule, now)
    return after if after.state is ScheduleState.ACTIVE else paused(schedule, now, reason)


def after_restore(schedule: Schedule, now: datetime) -> tuple[Schedule, list[Occurrence]]:
    """Return the schedule without what fell due, and that: it may have been sent before its record was lost."""
    passed = _passed(schedule, now)[-_MOST_MISSED:]
    moved = left_out(schedule, now, RESTORED) if passed else moved_on(schedule, now)
    return moved, [Occurrence(each, None, RESTORED) for each in passed]


def not_sent(after: Schedule, latest: Occurrence) -> Attention:
    """Return what staff are told of a sending that was not made: that the schedule paused, or goes on without it."""
    owner_id, schedule_id = after.sender_id, after.schedule_id
    if after.state is ScheduleState.PAUSED:
        return Attention(Kind.SCHEDULE_PAUSED, after.pause_reason, owner_id=owner_id, subject_id=schedule_id)
    local = latest.occurs_at.astimezone(ZoneInfo(after.timing.zone))
    reason = f"{local:%B} {local.day}, {local:%H:%M}: {latest.reason}"
    return Attention(Kind.SCHEDULE_NOT_SENT, reason, owner_id=owner_id, subject_id=schedule_id)


def put_back(schedule: Schedule, now: datetime, failure: str) -> Schedule:
    """Return the schedule to be tried again: after a second, then after twice as long each time, at most a minute."""
    # Ten doublings are past the longest pause; more would only make large numbers.
    pause = min(_FIRST_RETRY * 2 ** min(schedule.failures, 10), _LONGEST_RETRY)
    return replace(schedule, failures=schedule.failures + 1, failure=failure, retry_at=now + pause)


def started(schedule: Schedule, now: datetime) -> Schedule:
    """Return a new or edited schedule with its next occurrence; InvalidArgument when all are past."""
    following = schedule.timing.after(now)
    if following is None:
        wrong = [("/timing/start_date", "Choose a date and time that are not past.")]
        raise InvalidArgument("SCHEDULE_IN_PAST", "Nothing would be sent: every date is past.", violations=wrong)
    return replace(schedule, next_at=following if schedule.state is ScheduleState.ACTIVE else None)


def edited(before: Schedule, after: Schedule, now: datetime) -> Schedule:
    """Return the schedule with another message, audience and timing; FailedPrecondition when it is over."""
    _check_open(before)
    fresh = replace(
        before,
        sender_school_id=after.sender_school_id,
        header=after.header,
        audience=after.audience,
        school_ids=after.school_ids,
        timing=after.timing,
        recording_id=after.recording_id,
    )
    fresh = _changed(fresh, now)
    # What is due already goes out in the new words, or is noted as missed.
    return fresh if fresh.timing == before.timing and _passed(before, now) else started(fresh, now)


def dropped(before: Schedule, after: Schedule, now: datetime) -> list[Occurrence]:
    """Return what was due and is not sent any more, since an edit changed the times."""
    if after.timing == before.timing:
        return []
    return [Occurrence(each, None, RETIMED) for each in _passed(before, now)[-_MOST_MISSED:]]


def paused(schedule: Schedule, now: datetime, reason: str = "") -> Schedule:
    """Return it paused; FailedPrecondition when it is over."""
    _check_open(schedule)
    return _changed(schedule, now, state=ScheduleState.PAUSED, next_at=None, pause_reason=reason)


def resumed(schedule: Schedule, now: datetime) -> Schedule:
    """Return it active from the next occurrence on; FailedPrecondition when none is left."""
    _check_open(schedule)
    following = schedule.timing.after(now)
    if following is None:
        raise FailedPrecondition("SCHEDULE_OVER", "Its last date is past. Change its dates first.")
    return _changed(schedule, now, state=ScheduleState.ACTIVE, next_at=following, pause_reason="")


def cancelled(schedule: Schedule, now: datetime) -> Schedule:
    """Return it cancelled; FailedPrecondition when it was finished."""
    _check_open(schedule)
    return _changed(schedule, now, state=ScheduleState.CANCELLED, next_at=None, pause_reason="")


def _check_open(schedule: Schedule) -> None:
    if schedule.state not in OPEN:
        raise FailedPrecondition("SCHEDULE_OVER", f"The schedule is {schedule.state}; it cannot be changed.")


def _changed(schedule: Schedule, now: datetime, **fields: object) -> Schedule:
    fields |= {"version": schedule.version + 1, "changed_at": now, "failures": 0, "failure": "", "retry_at": None}
    return replace(schedule, **fields)  # type: ignore[arg-type]
