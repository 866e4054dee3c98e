"""The time after which a message is of no use: what providers are told of it, and when a delivery's time ends."""

from datetime import timedelta

import pytest

from tests.integration.queue.conftest import Queue, draft, person
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
