"""What the queue tells, into the read model; and what reports tells of its reviews.

Progress may come before its message, a release before its submission: nothing is lost and the newest version wins.
"""

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.events.v1 import queue_pb2 as queue
from protos.events.v1 import reports_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.clock import utc_now
from services.kit.consumer import Event, Subscribing
from services.kit.db import transaction
from services.kit.listening import tell_listeners
from services.kit.outbox import add_event, first_times
from services.reports.domain import COUNTERS, Origin, Screening
from services.reports.messages import DECISIONS
from services.reports.metrics import events_applied, progress_lag
from services.reports.store import intake, noting, schedules, surveys
from services.reports.store.review import Acknowledgement, Standing
from services.reports.survey_events import survey_rows

REVIEW_CHANGED = "reports.review.changed.v1"
REFERRAL_ADDED = "reports.referral.added.v1"
DURABLE = "reports-queue"
QUEUE = Subscribing(
    "queue",
    DURABLE,
    ("queue.message.*.v1", "queue.entry.progressed.v1", "queue.schedule.changed.v1"),
    batch=100,
    workers=2,
)
SCHEDULE_CHANGED = "queue.schedule.changed.v1"
_PARSERS: dict[str, Any] = {
    "queue.message.submitted.v1": queue.MessageSubmitted,
    "queue.message.withheld.v1": queue.MessageWithheld,
    "queue.message.released.v1": queue.MessageReleased,
    "queue.entry.progressed.v1": queue.EntryProgressed,
    SCHEDULE_CHANGED: queue.ScheduleChanged,
}


class QueueEvents:
    """Writes the queue's events into the read model."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of the reports' database."""
        self._engine = engine

    async def handle(self, delivered: Sequence[Event]) -> None:
        """Apply the events in one transaction; those that were applied before change nothing."""
        known = [
            (each, _PARSERS[each.subject].FromString(each.payload)) for each in delivered if each.subject in _PARSERS
        ]
        async with transaction(self._engine) as connection:
            fresh = await first_times(connection, DURABLE, [message.event_id for _, message in known])
            new = {message.event_id: (each.subject, message) for each, message in known if message.event_id in fresh}
            for message in (each for subject, each in new.values() if subject == SCHEDULE_CHANGED):
                await schedules.keep(connection, schedule_row(message))
            others = [message for subject, message in new.values() if subject != SCHEDULE_CHANGED]
            await intake.lock_messages(connection, [_message_id(message) for message in others])
            moved = await _apply(connection, others)
            await tell_listeners(connection, intake.CHANNEL, sorted(moved))
        _measure(list(new.values()))


async def _apply(connection: AsyncConnection, messages: Sequence[Any]) -> set[str]:
    """Write the messages, then the newest counts of each entry; return the entries that moved."""
    counts = _Counts()
    shown: set[str] = set()
    for each in messages:
        if isinstance(each, queue.EntryProgressed):
            counts.add(each.entry_id, each.version, each.counts)
            continue
        if isinstance(each, queue.MessageReleased):
            await _release(connection, each)
        else:
            await _write_message(connection, each, counts)
        shown.add(_message_id(each))
    moved = await intake.replace_counts(connection, counts.versions, counts.rows())
    return moved | set(await intake.entries_of(connection, sorted(shown)))


async def _release(connection: AsyncConnection, event: queue.MessageReleased) -> None:
    if event.is_by_review:
        await intake.release_after_review(connection, event.message_id, event.released_at.ToDatetime(tzinfo=UTC))
    else:
        await intake.release(connection, event.message_id)
        if event.verdict.decision == types.Verdict.DECISION_WATCH:
            await noting.keep(connection, noted_row(event))


async def _write_message(
    connection: AsyncConnection, event: queue.MessageSubmitted | queue.MessageWithheld, counts: "_Counts"
) -> None:
    snapshot = event.message
    screening = Screening.HELD if snapshot.is_held else Screening.NONE
    if await intake.take_early_release(connection, snapshot.message_id):
        screening = Screening.RELEASED
    await intake.insert_message(connection, message_row(snapshot, screening), entry_rows(snapshot))
    await surveys.keep(connection, survey_rows(snapshot))
    if isinstance(event, queue.MessageWithheld):
        await intake.withhold(connection, threat_row(event))
    for entry in snapshot.entries:
        counts.add(entry.entry_id, entry.version, entry.counts)


class _Counts:
    """The newest counts of each entry among some events."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self._counts: dict[str, Sequence[types.DeliveryCounts]] = {}

    def add(self, entry_id: str, version: int, counts: Sequence[types.DeliveryCounts]) -> None:
        if version > self.versions.get(entry_id, -1):
            self.versions[entry_id], self._counts[entry_id] = version, counts

    def rows(self) -> list[dict[str, Any]]:
        names = ("school_id", "total", *COUNTERS)
        return [
            {"entry_id": entry_id, **{name: getattr(each, name) for name in names}}
            for entry_id, counts in self._counts.items()
            for each in counts
        ]


def message_row(snapshot: queue.MessageSnapshot, screening: Screening) -> dict[str, Any]:
    """Return a message as its row. Names and source stay as sent (statements 234, 243)."""
    copied = (
        "message_id",
        "sender_id",
        "sender_name",
        "sender_school_id",
        "subject",
        "body",
        "is_secure",
        "is_emergency",
    )
    only = {each.only_recipient_name for each in snapshot.entries} - {""}
    regarding = [{"student_id": s.student_id, "name": s.name, "number": s.number} for s in snapshot.regarding]
    return {
        **{name: getattr(snapshot, name) for name in (*copied, "regarding_count", "in_reply_to")},
        "sent_at": snapshot.sent_at.ToDatetime(tzinfo=UTC),
        "from_words": _from_words(snapshot),
        "sender_role": word(types.Role, "ROLE_", snapshot.sender_role),
        "source": word(types.Source, "SOURCE_", snapshot.source or types.SOURCE_SCHOOL),
        "kind": word(types.MessageKind, "MESSAGE_KIND_", snapshot.kind or types.MESSAGE_KIND_ORDINARY),
        "to_words": only.pop() if len(only) == 1 else snapshot.audience_summary,
        "recipient_type": word(types.RecipientType, "RECIPIENT_TYPE_", snapshot.recipient_type or 1),
        "regarding": regarding,
        "regarding_words": ", ".join(each["name"] for each in regarding),
        "screening": screening,
        "school_ids": sorted(_schools(snapshot)),
    }


def _from_words(snapshot: queue.MessageSnapshot) -> str:
    """Return an excluded school's title for what its staff sends, and the sender's own name for all else (42, 231)."""
    is_schools = snapshot.is_from_excluded_school and snapshot.sender_role in (types.ROLE_ADMIN, types.ROLE_TEACHER)
    return snapshot.from_title if is_schools else snapshot.sender_name


def _schools(snapshot: queue.MessageSnapshot) -> set[str]:
    return {each.school_id for entry in snapshot.entries for each in entry.counts} - {""}


def entry_rows(snapshot: queue.MessageSnapshot) -> list[dict[str, Any]]:
    """Return a message's entries as rows."""
    return [
        {
            "entry_id": each.entry_id,
            "message_id": snapshot.message_id,
            "sent_at": (each.sent_at if each.HasField("sent_at") else snapshot.sent_at).ToDatetime(tzinfo=UTC),
            "channel": word(types.Channel, "CHANNEL_", each.channel),
            "text": each.text or snapshot.body,
            "survey_id": each.survey_id or None,
        }
        for each in snapshot.entries
    ]


def noted_row(event: queue.MessageReleased) -> dict[str, Any]:
    """Return what screening noted and let go. What holds under shadow mode goes out, and says so."""
    verdict = event.verdict
    return {
        "message_id": event.message_id,
        "noted_at": event.released_at.ToDatetime(tzinfo=UTC),
        "verdict": verdict.SerializeToString(),
        "labels": [
            word(types.Category, "CATEGORY_", each.category) for each in verdict.scores if each.holds or each.watches
        ],
        "would_hold": bool(verdict.phrases) or not verdict.scores or any(each.holds for each in verdict.scores),
    }


def threat_row(event: queue.MessageWithheld) -> dict[str, Any]:
    """Return a withheld message's threat as its row."""
    return {
        "message_id": event.message.message_id,
        "withheld_at": event.withheld_at.ToDatetime(tzinfo=UTC),
        "verdict": event.verdict.SerializeToString(),
        "recipient_names": list(event.recipient_names),
        "is_imported": event.is_imported,
        "categories": [word(types.Category, "CATEGORY_", each.category) for each in event.verdict.scores if each.holds],
    }


def word(enum: Any, prefix: str, number: int) -> str:
    """Return the word of a contract's number: CHANNEL_EMAIL is email."""
    return str(enum.Name(number)).removeprefix(prefix).lower()


def schedule_row(event: queue.ScheduleChanged) -> dict[str, Any]:
    """Return a schedule as it is kept."""
    return {
        **{name: getattr(event, name) for name in _SCHEDULE},
        "school_ids": list(event.school_ids),
        "channels": [_CHANNEL_NAMES[each] for each in event.channels if each in _CHANNEL_NAMES],
        "start_date": date.fromisoformat(event.start_date),
        "end_date": date.fromisoformat(event.end_date) if event.end_date else None,
        "next_at": event.next_at.ToDatetime(UTC) if event.HasField("next_at") else None,
    }


_SCHEDULE = (
    "schedule_id",
    "version",
    "state",
    "sender_id",
    "sender_name",
    "sender_school_id",
    "subject",
    "is_emergency",
    "send_time",
    "rule",
    "pause_reason",
)
_CHANNEL_NAMES = {number: name.removeprefix("CHANNEL_").lower() for name, number in types.Channel.items() if number}


def _message_id(message: Any) -> str:
    snapshot = isinstance(message, queue.MessageSubmitted | queue.MessageWithheld)
    return str(message.message.message_id if snapshot else message.message_id)


def _measure(applied: Sequence[tuple[str, Any]]) -> None:
    now = utc_now()
    for subject, message in applied:
        events_applied.add(1, {"messaging.destination.name": subject})
        if isinstance(message, queue.EntryProgressed):
            progress_lag.record(max(0.0, (now - message.changed_at.ToDatetime(tzinfo=UTC)).total_seconds()))


async def tell_review(
    connection: AsyncConnection, message_id: str, version: int, standing: Standing, by: Acknowledgement | None
) -> None:
    """Tell where the review of a message stands."""
    event = events.ReviewChanged(
        message_id=message_id,
        version=version,
        is_admin_flagged=standing.set_at[Origin.ADMIN] is not None,
        is_system_flagged=standing.set_at[Origin.SYSTEM] is not None,
    )
    if by:
        event.acknowledged_by_id, event.acknowledged_by_name = by.person_id, by.name
        event.acknowledged_at.FromDatetime(by.at)
    if standing.decision:
        event.decision = DECISIONS[standing.decision.outcome]
        event.decided_at.FromDatetime(standing.decision.at)
    await add_event(connection, REVIEW_CHANGED, event)


async def tell_referral(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Tell who is asked to follow up a referral; nobody when it is only the one who added it."""
    told_ids = [each["person_id"] for each in row["told"] if each["person_id"] != row["created_by_id"]]
    if not told_ids:
        return
    event = events.ReferralAdded(
        referral_id=row["referral_id"], told_ids=told_ids, added_by_name=row["created_by_name"]
    )
    event.added_at.FromDatetime(row["created_at"])
    await add_event(connection, REFERRAL_ADDED, event)
