"""Schedules of the composer: shown before they are kept, kept, read, changed."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from protos.queue.v1 import schedules_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway import addressing, choosing, composing, recurring
from services.gateway.access import Person
from services.gateway.asking import Asking, asking_of
from services.gateway.drafts import Draft
from services.gateway.languages import known
from services.gateway.recurring import When
from services.gateway.state import gateway
from services.gateway.words import moment
from services.kit.errors import InvalidArgument
from services.kit.rpc_errors import translated

STATES = {
    pb.SCHEDULE_STATE_ACTIVE: "Active",
    pb.SCHEDULE_STATE_PAUSED: "Paused",
    pb.SCHEDULE_STATE_CANCELLED: "Cancelled",
    pb.SCHEDULE_STATE_FINISHED: "Finished",
}
_ROLE_NAMES = {number: name for name, number in addressing.ROLES.items()}


def writer(someone: Person, school_id: str) -> Person:
    """Return a person at work in the school that the message or schedule which they write is from, while it is theirs.

    It stays of its school, whichever one its writer happens to work in when they change a word of it or send it.
    """
    return someone.working_in(school_id) if school_id in someone.school_ids else someone


def upcoming(when: When) -> list[datetime]:
    """Return the next sendings, at most five; InvalidArgument with every field at fault, also when all are past."""
    recurring.check(when)
    wanted = pb.PreviewScheduleRequest(timing=recurring.timing_of(when))
    with translated():
        answer = gateway().clients.schedules.PreviewSchedule(wanted)
    found = [each for each in map(moment, answer.upcoming) if each is not None]
    if not found:
        wrong = [("/timing/start_date", "Choose a date and time that are not past.")]
        raise InvalidArgument("SCHEDULE_IN_PAST", "Nothing would be sent: every date is past.", violations=wrong)
    return found


def check(draft: Draft) -> None:
    """Raise InvalidArgument for a draft that can only be sent now."""
    if draft.list_id:
        wrong = [("/list", "An uploaded list is sent now. Choose people of the directory to send later.")]
        raise InvalidArgument("LIST_NOT_SCHEDULED", "An uploaded list cannot be scheduled.", violations=wrong)


def check_expiring(draft: Draft, first: datetime) -> None:
    """Raise InvalidArgument for a schedule whose message is of no use when it is sent next, at `first`."""
    expires_at = draft.expiring(gateway().zone)
    if expires_at and not first < expires_at <= first + composing.LONGEST_USE:
        text = f"Choose a time after the next sending, by {composing.LONGEST_USE.days} days at most."
        raise InvalidArgument("SCHEDULE_INVALID", "Some fields need another look.", violations=[("/expires_at", text)])


def keep(draft: Draft, person: Person) -> pb.Schedule:
    """Keep a checked draft as a schedule, or give the edited schedule its new form. The queue's errors rise."""
    check(draft)
    recurring.check(draft.when)
    header = composing.header_of(draft, person)
    header.idempotency_key, header.audience_digest = "", b""
    audience, timing = addressing.audience_of(draft, person), recurring.timing_of(draft.when)
    stub = gateway().clients.schedules
    with translated():
        if draft.when.schedule_id:
            change = pb.UpdateScheduleRequest(header=header, audience=audience, timing=timing)
            change.schedule_id, change.version = draft.when.schedule_id, draft.when.version
            edited: pb.Schedule = stub.UpdateSchedule(change).schedule
            return edited
        new = pb.CreateScheduleRequest(idempotency_key=draft.key, header=header, audience=audience, timing=timing)
        made: pb.Schedule = stub.CreateSchedule(new).schedule
    return made


def get(schedule_id: str) -> pb.GetScheduleResponse:
    """Return a schedule with its occurrences; NotFound outside of the person's view."""
    with translated():
        answer: pb.GetScheduleResponse = gateway().clients.schedules.GetSchedule(
            pb.GetScheduleRequest(schedule_id=schedule_id)
        )
    return answer


def move(schedule_id: str, verb: str) -> None:
    """Pause, resume or cancel a schedule; the queue's errors rise."""
    stub = gateway().clients.schedules
    calls = {
        "pause": lambda: stub.PauseSchedule(pb.PauseScheduleRequest(schedule_id=schedule_id)),
        "resume": lambda: stub.ResumeSchedule(pb.ResumeScheduleRequest(schedule_id=schedule_id)),
        "cancel": lambda: stub.CancelSchedule(pb.CancelScheduleRequest(schedule_id=schedule_id)),
    }
    with translated():
        calls[verb]()


def may_edit(schedule: pb.Schedule) -> bool:
    """Tell whether the composer can show everything that the schedule sends, and its person may change it."""
    is_open = schedule.state in {pb.SCHEDULE_STATE_ACTIVE, pb.SCHEDULE_STATE_PAUSED}
    audience, is_answer = schedule.audience, bool(schedule.header.in_reply_to)
    named = len(audience.person_ids) + len(audience.student_ids)
    # The composer would cut more than it names, and an answer goes to the person whom it answers alone.
    is_shown = not audience.class_ids and named <= choosing.MOST and not (is_answer and audience.student_ids)
    return schedule.is_own and is_open and is_shown


def draft_of(schedule: pb.Schedule) -> Draft:
    """Return the draft that makes this schedule, for the composer."""
    header, audience = schedule.header, schedule.audience
    asked = [(each.channel, each.survey, gateway().zone) for each in header.channels if each.HasField("survey")]
    recordings = [each.recording_id for each in header.channels if each.recording_id]
    return Draft(
        key=schedule.schedule_id,
        subject=header.subject,
        body=header.body,
        channels={each.channel: each.text for each in header.channels},
        recording_id=recordings[0] if recordings else "",
        audience="people" if audience.person_ids or audience.student_ids else "directory",
        school_ids=list(audience.school_ids),
        grades=list(audience.grades),
        roles=[_ROLE_NAMES[each] for each in audience.roles if each in _ROLE_NAMES],
        person_ids=list(audience.person_ids),
        student_ids=list(audience.student_ids),
        is_district=header.source == types.SOURCE_DISTRICT,
        is_secure=header.is_secure,
        is_emergency=header.is_emergency,
        once_per_family=header.once_per_family,
        language=known(header.language),
        is_translated=header.is_translated if header.HasField("is_translated") else None,
        in_reply_to=header.in_reply_to,
        from_school_id=header.sender.school_id,
        no_use_after=_local(header.expires_at) if header.HasField("expires_at") else "",
        when=recurring.when_of(schedule),
        asking=next((asking_of(*each) for each in asked), Asking()),
    )


def _local(stamp: Timestamp) -> str:
    """Return a moment as a field for date and time shows it, in the district's zone."""
    return stamp.ToDatetime(UTC).astimezone(gateway().zone).strftime("%Y-%m-%dT%H:%M")
