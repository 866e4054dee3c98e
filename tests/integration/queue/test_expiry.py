"""The time after which a message is of no use: what providers are told of it, and when a delivery's time ends."""

from datetime import timedelta

import pytest

from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller
from services.kit.errors import FailedPrecondition
from services.queue.actions import upkeep
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.domain import State
from services.queue.records import Receipt
from tests.integration.queue.conftest import PUPIL, Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.integration.queue.test_releasing import verdict
from tests.support.vendors import VendorSimulator

SMS = [("sms", "School is closed.")]


@pytest.mark.accepts(64)
async def test_twilio_is_told_until_when_a_text_may_leave_its_queue(queue: Queue, vendors: VendorSimulator) -> None:
    for lasts in (timedelta(minutes=10), timedelta(days=2)):
        await queue.submit(draft(channels=SMS, expires_at=queue.clock() + lasts), [person(2)])
    await queue.drain(queue.dispatcher())
    long, short = sorted((each["details"]["validity_period"] for each in vendors.arrivals(channel="sms")), reverse=True)
    assert long == 36_000
    assert 0 < short <= 600


@pytest.mark.accepts(58, 60, 63)
@pytest.mark.parametrize(
    ("channel", "provider", "status", "minutes"),
    [
        ("tts", "twilio_voice", "completed", 5),
        ("sms", "twilio", "delivered", 5),
        ("email", "ses", "Delivery", 65),
    ],
)
async def test_what_arrived_in_time_is_sent_though_its_receipt_is_late(
    queue: Queue, channel: str, provider: str, status: str, minutes: int
) -> None:
    people = [person(2), person(4)]
    done = await queue.submit(draft(channels=[(channel, "Closed.")]), people)
    (entry,) = done.snapshot.entries
    await queue.drain(queue.dispatcher())
    over = entry.expires_at - queue.clock()
    queue.clock.stop()
    queue.clock.ahead = over + timedelta(minutes=minutes, seconds=-30)
    assert await upkeep.expire(queue.engine, queue.clock) == 0
    again = Resend("again", b"h", entry.entry_id, [State.EXPIRED], None)
    with pytest.raises(FailedPrecondition, match="nobody in such a state"):
        await resend(queue.engine, queue.clock, Caller("test", frozenset()), again, told())
    await queue.record([Receipt(provider, "", f"{entry.entry_id}.1.1", status, "", entry.expires_at)])
    assert await queue.counts(entry.entry_id) == {"total": 2, "pending": 1, "sent": 1}
    queue.clock.ahead += timedelta(minutes=1)
    assert await upkeep.expire(queue.engine, queue.clock) == 1
    assert await queue.counts(entry.entry_id) == {"total": 2, "sent": 1, "expired": 1}


@pytest.mark.accepts(60)
@pytest.mark.parametrize(
    ("provider", "status", "code"),
    [("twilio", "undelivered", "30036"), ("aws_sms", "TEXT_TTL_EXPIRED", "")],
)
async def test_a_text_whose_time_ends_at_its_provider_is_expired_and_no_error(
    queue: Queue, provider: str, status: str, code: str
) -> None:
    done = await queue.submit(draft(channels=SMS), [person(2)])
    (entry,) = done.snapshot.entries
    await queue.drain(queue.dispatcher())
    await queue.record([Receipt(provider, "", f"{entry.entry_id}.1.1", status, code, entry.expires_at)])
    assert await queue.counts(entry.entry_id) == {"total": 1, "expired": 1}


@pytest.mark.accepts(161)
@pytest.mark.parametrize("is_asked", [False, True])
async def test_deadlines_of_a_late_verdict_count_from_it_unless_the_sender_named_one(
    queue: Queue, vendors: VendorSimulator, is_asked: bool
) -> None:
    queue.clock.stop()
    expires_at = queue.clock() + timedelta(hours=72) if is_asked else None
    message = draft(sender=PUPIL, channels=[("email", ""), *SMS, ("push", "")], expires_at=expires_at)
    done = await queue.submit(message, [person(2, devices="normal-2")], screened=True)
    queue.clock.ahead = timedelta(hours=73)
    await verdict(queue, done.snapshot.message.message_id, types.Verdict.DECISION_CLEAN)
    rows = await queue.rows(
        "SELECT b.channel, b.expires_at, e.expires_at = b.expires_at FROM batches b JOIN entries e USING (entry_id)"
    )
    assert all(row[2] for row in rows)
    if not is_asked:
        lasting = {channel: (ends - queue.clock()) / timedelta(hours=1) for channel, ends, _ in rows}
        assert lasting == {"email": 72, "sms": 24, "push": 12}
    assert await upkeep.expire(queue.engine, queue.clock) == (3 if is_asked else 0)
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == (0 if is_asked else 3)
