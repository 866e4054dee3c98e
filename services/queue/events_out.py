"""What the queue tells the others: builders of its events, added to the outbox of the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import queue_pb2 as contract
from protos.types.v1 import types_pb2 as types
from services.kit.ids import new_id
from services.kit.outbox import EventMessage, add_event, add_events
from services.queue.attention import Attention
from services.queue.domain import COUNTERS, Channel, Source
from services.queue.records import Counts, Entry, Message, Snapshot
from services.queue.scheduling import Schedule
from services.queue.store.responses import Answerer, Changed
from services.queue.survey_words import survey_message

SUBMITTED = "queue.message.submitted.v1"
WITHHELD = "queue.message.withheld.v1"
RELEASED = "queue.message.released.v1"
CANCELLED = "queue.message.cancelled.v1"
SCREENING_REQUESTED = "queue.screening.requested.v1"
RESCREENING_REQUESTED = "queue.rescreening.requested.v1"
SCREENING_STALLED = "queue.screening.stalled.v1"
ATTENTION_NEEDED = "queue.attention.needed.v1"
PROGRESSED = "queue.entry.progressed.v1"
SCHEDULE_CHANGED = "queue.schedule.changed.v1"
RESPONSE_RECORDED = "queue.response.recorded.v1"
_LONGEST_EXPLANATION = 1_000

CHANNELS = {
    Channel.EMAIL: types.CHANNEL_EMAIL,
    Channel.SMS: types.CHANNEL_SMS,
    Channel.TTS: types.CHANNEL_TTS,
    Channel.RECORDED: types.CHANNEL_RECORDED,
    Channel.PUSH: types.CHANNEL_PUSH,
    Channel.POLL: types.CHANNEL_POLL,
    Channel.SIGNUP: types.CHANNEL_SIGNUP,
}
SOURCES = {Source.DISTRICT: types.SOURCE_DISTRICT, Source.SCHOOL: types.SOURCE_SCHOOL}


async def tell_submitted(connection: AsyncConnection, snapshot: Snapshot) -> None:
    """Tell that a message was submitted, with everything that a report shows of it."""
    await add_event(connection, SUBMITTED, events.MessageSubmitted(message=snapshot_message(snapshot)))


async def tell_sent_again(connection: AsyncConnection, snapshot: Snapshot, entry_id: str, at: datetime) -> None:
    """Tell the same of a message that is sent again, and when this entry of it was."""
    message = snapshot_message(snapshot)
    for each in message.entries:
        if each.entry_id == entry_id:
            each.sent_at.FromDatetime(at)
    await add_event(connection, SUBMITTED, events.MessageSubmitted(message=message))


async def tell_stalled(connection: AsyncConnection, how_many: int, oldest_at: datetime) -> None:
    """Tell that messages have waited too long for their verdict."""
    event = events.ScreeningStalled(messages=how_many)
    event.oldest_at.FromDatetime(oldest_at)
    await add_event(connection, SCREENING_STALLED, event)


async def tell_attention(connection: AsyncConnection, needed: Attention) -> None:
    """Tell that something stopped by itself; what is about the same is one occasion."""
    event = events.AttentionNeeded(
        kind=events.AttentionKind.Value(f"ATTENTION_KIND_{needed.kind.name}"),
        reason=needed.reason,
        about_id=needed.about_id or new_id(),
        owner_id=needed.owner_id,
        subject_id=needed.subject_id,
    )
    await add_event(connection, ATTENTION_NEEDED, event)


async def tell_withheld(connection: AsyncConnection, snapshot: Snapshot, names: Sequence[str], now: datetime) -> None:
    """Tell that screening stopped a message."""
    event = events.MessageWithheld(
        message=snapshot_message(snapshot), recipient_names=names, is_imported=snapshot.message.is_imported
    )
    event.verdict.ParseFromString(snapshot.message.verdict or b"")
    event.withheld_at.FromDatetime(now)
    await add_event(connection, WITHHELD, event)


async def tell_released(connection: AsyncConnection, message: Message, now: datetime) -> None:
    """Tell that screening, or a reviewer after it, let a message go."""
    event = events.MessageReleased(message_id=message.message_id, is_by_review=message.review_released_at is not None)
    event.verdict.ParseFromString(message.verdict or b"")
    event.released_at.FromDatetime(now)
    await add_event(connection, RELEASED, event)


async def tell_cancelled(connection: AsyncConnection, message_id: str, now: datetime) -> None:
    """Tell that staff stopped what had not left."""
    event = events.MessageCancelled(message_id=message_id)
    event.cancelled_at.FromDatetime(now)
    await add_event(connection, CANCELLED, event)


async def tell_progress(
    connection: AsyncConnection, changed: Iterable[tuple[str, str, datetime]], counts: dict[str, Counts]
) -> None:
    """Tell the counts of entries as they stand: (entry, message, time of change)."""
    every: list[tuple[str, EventMessage]] = []
    for entry_id, message_id, changed_at in changed:
        event = events.EntryProgressed(
            message_id=message_id,
            entry_id=entry_id,
            version=counts[entry_id].version,
            counts=counts_messages(counts[entry_id]),
        )
        event.changed_at.FromDatetime(changed_at)
        every.append((PROGRESSED, event))
    await add_events(connection, every)


async def tell_schedule(connection: AsyncConnection, schedule: Schedule) -> None:
    """Tell where a schedule stands."""
    header, timing = contract.MessageHeader.FromString(schedule.header), schedule.timing
    event = events.ScheduleChanged(
        schedule_id=schedule.schedule_id,
        version=schedule.version,
        state=schedule.state.value,
        sender_id=schedule.sender_id,
        sender_name=header.sender.name,
        sender_school_id=schedule.sender_school_id,
        school_ids=schedule.school_ids,
        subject=header.subject,
        channels=[each.channel for each in header.channels],
        is_emergency=header.is_emergency,
        start_date=timing.start.isoformat(),
        send_time=f"{timing.send_time:%H:%M}",
        rule=timing.rule,
        end_date=timing.end.isoformat() if timing.end else "",
        time_zone=timing.zone,
        pause_reason=schedule.pause_reason,
    )
    event.changed_at.FromDatetime(schedule.changed_at)
    if schedule.next_at:
        event.next_at.FromDatetime(schedule.next_at)
    await add_event(connection, SCHEDULE_CHANGED, event)


async def tell_responses(
    connection: AsyncConnection, changed: Sequence[Changed], people: Mapping[int, Answerer]
) -> None:
    """Tell how answers to one survey stand, of those whose recipients are still known."""
    known = [(each, people[each.number]) for each in changed if each.number in people]
    if not known:
        return
    event = events.ResponseRecorded(message_id=known[0][1].message_id, survey_id=known[0][0].survey_id)
    for response, person in known:
        told = event.responses.add(
            number=response.number,
            version=response.version,
            person_id=person.person_id,
            name=person.name,
            school_id=person.school_id,
            regarding_student_name=person.regarding_student_name,
            chosen=response.chosen,
        )
        told.answered_at.FromDatetime(response.answered_at)
    await add_event(connection, RESPONSE_RECORDED, event)


def verdict_about(verdict: bytes, message_id: str) -> bytes:
    """Return an imported verdict with the id that the message has here."""
    message = types.Verdict.FromString(verdict)
    message.message_id = message_id
    return message.SerializeToString()


def verdict_on_translation(verdict: bytes, language: str) -> bytes:
    """Return the verdict on a translation, saying so: whoever reads what was written would not see why."""
    message = types.Verdict.FromString(verdict)
    message.explanation = f"In its translation ({language}): {message.explanation}"[:_LONGEST_EXPLANATION]
    return message.SerializeToString()


def counts_messages(counts: Counts) -> list[types.DeliveryCounts]:
    """Return the counters by school."""
    return [_counts(school, each) for school, each in counts.by_school.items()]


def summed(counts: Counts) -> types.DeliveryCounts:
    """Return the sums over all schools."""
    return _counts("", counts.sums())


def _counts(school_id: str, values: Mapping[str, int]) -> types.DeliveryCounts:
    message = types.DeliveryCounts(school_id=school_id)
    for name in ("total", *COUNTERS):
        setattr(message, name, values.get(name, 0))
    return message


def snapshot_message(snapshot: Snapshot) -> events.MessageSnapshot:
    """Return the message as its events carry it."""
    message = snapshot.message
    event = events.MessageSnapshot(
        message_id=message.message_id,
        sender_id=message.sender.person_id,
        sender_name=message.sender.name,
        sender_role=types.Role.ValueType(message.sender.role),
        sender_school_id=message.sender.school_id,
        sender_grade=message.sender.grade,
        source=SOURCES[message.source],
        kind=types.MessageKind.ValueType(message.kind),
        recipient_type=types.RecipientType.ValueType(message.recipient_type),
        regarding=[events.StudentReference(**each) for each in message.regarding],
        is_held=message.is_held,
        entries=[_entry_snapshot(each, snapshot) for each in snapshot.entries],
        **{name: getattr(message, name) for name in _COPIED},
    )
    event.sent_at.FromDatetime(message.created_at)
    return event


_COPIED = (
    "subject",
    "body",
    "is_secure",
    "is_emergency",
    "audience_summary",
    "regarding_count",
    "alert_message_id",
    "from_title",
    "is_from_excluded_school",
    "in_reply_to",
    "language",
)


def _entry_snapshot(entry: Entry, snapshot: Snapshot) -> events.EntrySnapshot:
    counts = snapshot.counts[entry.entry_id]
    is_asking = snapshot.survey is not None and entry.survey_id is not None
    return events.EntrySnapshot(
        entry_id=entry.entry_id,
        channel=CHANNELS[entry.channel],
        text=entry.text,
        counts=counts_messages(counts),
        version=counts.version,
        only_recipient_name=snapshot.message.only_recipient_name,
        survey_id=entry.survey_id or "",
        survey=survey_message(snapshot.survey) if is_asking and snapshot.survey else None,
    )
