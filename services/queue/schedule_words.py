"""Schedules: proto to our words and back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2
from protos.queue.v1 import schedules_pb2 as pb
from services.kit.errors import InvalidArgument
from services.kit.ids import new_id
from services.queue import words
from services.queue.actions.standing import Known, Standing
from services.queue.domain import Channel
from services.queue.records import Draft
from services.queue.scheduling import OPEN, Occurrence, Schedule, ScheduleState
from services.queue.timing import Timing, read_timing

_STATES: Final = {
    ScheduleState.ACTIVE: pb.SCHEDULE_STATE_ACTIVE,
    ScheduleState.PAUSED: pb.SCHEDULE_STATE_PAUSED,
    ScheduleState.CANCELLED: pb.SCHEDULE_STATE_CANCELLED,
    ScheduleState.FINISHED: pb.SCHEDULE_STATE_FINISHED,
}
_STATE_NAMES: Final = {number: state for state, number in _STATES.items()}
LONGEST_USE: Final = timedelta(days=30)
_MOST_NAMED: Final = 5_000
_LONGEST_AUDIENCE: Final = 400_000


def read_draft(header: queue_pb2.MessageHeader, key: str) -> Draft:
    """Return the message that a schedule sends, under this key; InvalidArgument when it says when it is sent."""
    if header.HasField("send_at"):
        wrong = [("/header/send_at", "The schedule's timing says when.")]
        raise InvalidArgument("SCHEDULE_INVALID", "A scheduled message has no time of its own.", violations=wrong)
    keyed = queue_pb2.MessageHeader()
    keyed.CopyFrom(header)
    keyed.idempotency_key = key
    return words.draft(keyed)


def check_expiring(draft: Draft, first: datetime) -> None:
    """Raise InvalidArgument unless the message is of use when it is first sent, and for 30 days at most."""
    if draft.expires_at and not first < draft.expires_at <= first + LONGEST_USE:
        wrong = [("/expires_at", f"Choose a time after the next sending, by {LONGEST_USE.days} days at most.")]
        raise InvalidArgument(
            "SCHEDULE_INVALID", "The time after which it is of no use does not fit.", violations=wrong
        )


def timing(message: pb.Timing, zone: str) -> Timing:
    """Return the timing of a request; InvalidArgument with every field at fault."""
    return read_timing(message.start_date, message.send_time, message.rule, message.end_date, zone)


def carry(header: queue_pb2.MessageHeader, timing: Timing, before: datetime, after: datetime) -> None:
    """Move what a message says of one sending, after which it is of no use and until when it asks, to another's."""
    moments = [header.expires_at] if header.HasField("expires_at") else []
    moments += [each.survey.closes_at for each in header.channels if each.survey.HasField("closes_at")]
    for each in moments:
        if found := words.moment(each):
            each.FromDatetime(timing.carried(found, before, after))


def kept_header(header: queue_pb2.MessageHeader, standing: Standing, timing: Timing, now: datetime) -> bytes:
    """Return the message as a schedule keeps it: without its key, from whom directory knows, its times those of the
    first sending. A request's are those of the next one, which the first of a series that has begun is not.
    """
    kept = queue_pb2.MessageHeader()
    kept.CopyFrom(header)
    kept.idempotency_key, kept.audience_digest = "", b""
    carry(kept, timing, timing.upcoming(now), timing.first())
    sender = standing.sender
    kept.sender.name, kept.sender.school_id, kept.sender.grade = sender.name, sender.school_id, sender.grade
    kept.sender.role = sender.role  # type: ignore[assignment]
    return kept.SerializeToString(deterministic=True)


def kept_audience(audience: directory.Audience, standing: Standing) -> bytes:
    """Return the audience as a schedule keeps it; InvalidArgument when it names nobody or too many."""
    named = [*audience.person_ids, *audience.student_ids]
    if not (audience.roles or named):
        wrong = [("/audience/roles", "Choose whom to write to.")]
        raise InvalidArgument("SCHEDULE_INVALID", "A schedule needs an audience.", violations=wrong)
    kept = directory.Audience()
    kept.CopyFrom(audience)
    kept.working_school_id = standing.sender.school_id
    raw = kept.SerializeToString(deterministic=True)
    if len(named) > _MOST_NAMED or len(raw) > _LONGEST_AUDIENCE:
        wrong = [("/audience", f"At most {_MOST_NAMED:,} people are named one by one.")]
        raise InvalidArgument("SCHEDULE_INVALID", "The audience is too large.", violations=wrong)
    return raw


def reached_schools(audience: directory.Audience, known: Known) -> tuple[str, ...]:
    """Return the schools that an audience is for: "*" for every one, none when people are named one by one."""
    if audience.person_ids or audience.student_ids:
        return ()
    if audience.school_ids:
        return tuple(sorted(set(audience.school_ids)))
    return tuple(sorted(known.sender.visible_schools)) if known.sender else ("*",)


@dataclass(frozen=True)
class Made:
    """What is known when a schedule is made or edited."""

    caller: str
    """Subject of the token."""
    standing: Standing
    known: Known
    zone: str
    """The district's."""
    now: datetime


def fresh(request: pb.CreateScheduleRequest | pb.UpdateScheduleRequest, draft: Draft, made: Made) -> Schedule:
    """Return a schedule of a request."""
    rule = timing(request.timing, made.zone)
    return Schedule(
        schedule_id=new_id(),
        caller=made.caller,
        sender_id=request.header.sender.person_id,
        sender_school_id=made.standing.sender.school_id,
        school_ids=reached_schools(request.audience, made.known),
        header=kept_header(request.header, made.standing, rule, made.now),
        audience=kept_audience(request.audience, made.standing),
        timing=rule,
        created_at=made.now,
        changed_at=made.now,
        recording_id=draft.recording_id if any(name == Channel.RECORDED for name, _ in draft.channels) else None,
    )


def numbered(fresh: Schedule, schedule_id: str, version: int) -> Schedule:
    """Return the edited form of a schedule that the editor saw in this version."""
    return replace(fresh, schedule_id=schedule_id, version=version)


def states(numbers: Sequence[int]) -> list[ScheduleState]:
    """Return the states of a request; active and paused when it names none."""
    found = [_STATE_NAMES.get(number) for number in numbers]  # type: ignore[call-overload]
    if None in found:
        raise InvalidArgument("STATE_UNKNOWN", "A state is not known.", violations=[("/states", "Unknown state.")])
    return [each for each in found if each is not None] or sorted(OPEN)


def schedule(found: Schedule, now: datetime, *, is_own: bool) -> pb.Schedule:
    """Return a schedule as it is answered: the times of its message are those of the next sending."""
    rule, header = found.timing, queue_pb2.MessageHeader.FromString(found.header)
    carry(header, rule, rule.first(), rule.upcoming(now))
    return pb.Schedule(
        schedule_id=found.schedule_id,
        header=header,
        audience=directory.Audience.FromString(found.audience),
        timing=pb.Timing(
            start_date=rule.start.isoformat(),
            send_time=f"{rule.send_time:%H:%M}",
            rule=rule.rule,
            end_date=rule.end.isoformat() if rule.end else "",
        ),
        time_zone=rule.zone,
        state=_STATES[found.state],
        next_at=words.stamp(found.shown_next(now)),
        version=found.version,
        pause_reason=found.pause_reason,
        created_at=words.stamp(found.created_at),
        is_own=is_own,
    )


def occurrence(found: Occurrence) -> pb.Occurrence:
    """Return what became of one sending."""
    return pb.Occurrence(occurs_at=words.stamp(found.occurs_at), message_id=found.message_id or "", reason=found.reason)
