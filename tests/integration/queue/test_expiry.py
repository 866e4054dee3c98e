"""The time after which a message is of no use: what providers are told of it, and when a delivery's time ends."""

from datetime import timedelta

import pytest

from services.kit.auth import Caller
from services.kit.errors import FailedPrecondition
from services.queue.actions import upkeep
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.domain import State
from services.queue.records import Receipt
from tests.integration.queue.conftest import Queue, draft, person
from tests.integration.queue.from_directory import told
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
