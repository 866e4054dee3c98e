"""What queue and notify tell reports, for tests of pages that show what only screening brings about."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from protos.events.v1 import notify_pb2 as notify
from protos.events.v1 import queue_pb2 as queue
from protos.notify.v1.notify_pb2 import Alert
from protos.types.v1 import types_pb2 as types
from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.ids import new_id
from tests.integration.gateway.stack import Stack

SCARY = "I will burn the gym down"


def student_message(
    stack: Stack, channels: tuple[int, ...] = (types.CHANNEL_EMAIL,), **fields: Any
) -> queue.MessageSnapshot:
    """A message of Amy Stone to Tom Reed; `fields` replace those of the snapshot."""
    school = stack.school_id
    entries = [
        queue.EntrySnapshot(
            entry_id=new_id(),
            channel=types.Channel.ValueType(channel),
            counts=[types.DeliveryCounts(school_id=school, total=1, sent=1)],
            version=1,
        )
        for channel in channels
    ]
    base: dict[str, Any] = {
        "message_id": new_id(),
        "sent_at": utc_now(),
        "sender_id": stack.people["amy"],
        "sender_name": "Amy Stone",
        "sender_role": types.ROLE_STUDENT,
        "sender_school_id": school,
        "source": types.SOURCE_SCHOOL,
        "subject": "Gym",
        "body": "When is gym?",
        "audience_summary": "Tom Reed",
        "entries": entries,
    }
    return queue.MessageSnapshot(**{**base, **fields})


def tell_submitted(stack: Stack, snapshot: queue.MessageSnapshot) -> None:
    """Tell of a submission."""
    _publish(stack, "queue.message.submitted.v1", queue.MessageSubmitted(event_id=new_id(), message=snapshot))


def tell_withheld(stack: Stack, snapshot: queue.MessageSnapshot, *, is_imported: bool = False) -> None:
    """Tell that screening withheld a message, every delivery of it."""
    for entry in snapshot.entries:
        entry.counts[0].withheld, entry.counts[0].sent = 1, 0
    verdict = types.Verdict(verdict_id=new_id(), decision=types.Verdict.DECISION_HOLD, provider="embedded", tier=1)
    verdict.scores.add(category=types.CATEGORY_THREAT, score=0.97, holds=True)
    event = queue.MessageWithheld(event_id=new_id(), message=snapshot, verdict=verdict, is_imported=is_imported)
    event.recipient_names.append("Tom Reed")
    event.withheld_at.FromDatetime(utc_now())
    _publish(stack, "queue.message.withheld.v1", event)


def tell_alerted(stack: Stack, username: str, message_id: str) -> None:
    """Tell that somebody is alerted of a threat."""
    alert = Alert(alert_id=new_id(), message_id=message_id, person_id=stack.people[username])
    _publish(stack, "notify.alert.changed.v1", notify.AlertChanged(event_id=new_id(), alert=alert))


def tell_progress(stack: Stack, entry: queue.EntrySnapshot) -> None:
    """Tell how far an entry is now."""
    event = queue.EntryProgressed(
        event_id=new_id(), entry_id=entry.entry_id, version=entry.version, counts=entry.counts
    )
    event.changed_at.FromDatetime(utc_now())
    _publish(stack, "queue.entry.progressed.v1", event)


def tell_let_go(stack: Stack, snapshot: queue.MessageSnapshot) -> None:
    """Tell that the queue let a message go that a reviewer released."""
    event = queue.MessageReleased(event_id=new_id(), message_id=snapshot.message_id, is_by_review=True)
    event.released_at.FromDatetime(utc_now())
    _publish(stack, "queue.message.released.v1", event)


def tell_paused(stack: Stack, by: str, reason: str) -> None:
    """Tell that a daily schedule of somebody paused by itself."""
    event = queue.ScheduleChanged(
        event_id=new_id(),
        schedule_id=new_id(),
        version=2,
        state="paused",
        sender_id=stack.people[by],
        subject="Snack",
        channels=[types.CHANNEL_SMS],
        start_date="2026-01-05",
        send_time="08:05",
        rule="FREQ=DAILY",
        pause_reason=reason,
    )
    _publish(stack, "queue.schedule.changed.v1", event)


def ask_screening(stack: Stack, text: str, **fields: Any) -> None:
    """Ask for a verdict, on a message that reports never heard of unless `message_id` names one."""
    whole = {"event_id": new_id(), "message_id": new_id(), "texts": [text], "language": "en"} | fields
    event = queue.ScreeningRequested(**whole)
    event.requested_at.FromDatetime(utc_now())
    _publish(stack, "queue.screening.requested.v1", event)


def _publish(stack: Stack, subject: str, event: Any) -> None:
    async def publish() -> None:
        bus = Bus(stack.nats_url, name="test")
        await bus.open(subject.partition(".")[0])
        await bus.publish(subject, event.SerializeToString(), event.event_id)
        await bus.close()

    # A thread of its own, since the browser tests' thread has a loop already.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(publish())).result()
