"""How long the lanes wait: what could not be handed over has waited since it was first due."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from deploy.local.ports import free_port
from services.kit.db import transaction
from services.queue.actions.dispatch import Dispatcher
from services.queue.actions.quieting import keep_hours
from services.queue.actions.standing import KnownSchool
from services.queue.domain import Lane
from services.queue.quiet import QuietHours
from services.queue.store import batches
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.vendors import VendorSimulator

ZONE = "America/New_York"


async def _waits(queue: Queue, lane: Lane) -> tuple[int, float]:
    """Return how many recipients of a lane are due, and how long the first has been, in seconds."""
    async with transaction(queue.engine) as connection:
        return (await batches.ages(connection, queue.clock())).get(lane, (0, 0.0))


async def _later(queue: Queue, dispatcher: Dispatcher, seconds: float) -> None:
    """Let time pass, and send what is due."""
    dispatcher.breakers.clear()
    queue.clock.ahead += timedelta(seconds=seconds)
    await queue.drain(dispatcher)


def _unreachable(queue: Queue) -> Dispatcher:
    return queue.dispatcher(twilio_base_url=f"http://127.0.0.1:{free_port()}")


@pytest.mark.accepts(308, 311)
async def test_an_emergency_waits_since_it_was_due_however_often_its_calls_were_tried(
    queue: Queue, vendors: VendorSimulator
) -> None:
    queue.clock.stop()
    dispatcher = _unreachable(queue)
    calls = [("tts", "Stay inside.")]
    await queue.submit(draft(channels=calls, is_emergency=True), [person(number) for number in range(2, 602, 2)])
    await queue.drain(dispatcher)
    for minutes in range(1, 6):
        await _later(queue, dispatcher, 60)
        assert await _waits(queue, Lane.EMERGENCY) == (300, 60.0 * minutes)
    # What was submitted later waits beside it, and does not make it younger: of one school they are tried together.
    await queue.submit(draft(channels=calls, is_emergency=True), [person(2)])
    await _later(queue, dispatcher, 60)
    assert await _waits(queue, Lane.EMERGENCY) == (301, 360.0)
    await _later(queue, queue.dispatcher(), 60)
    assert await _waits(queue, Lane.EMERGENCY) == (0, 0.0)
    assert len(vendors.arrivals(channel="voice")) == 301


@pytest.mark.accepts(307)
async def test_the_night_is_no_waiting(queue: Queue) -> None:
    local = ZoneInfo(ZONE)
    day = (datetime.now(UTC) + timedelta(days=1)).astimezone(local).date()
    queue.clock.stopped_at = datetime.combine(day, time(20, 50), local)
    known = {"school-1": KnownSchool("Ridge", is_excluded=False, quiet=QuietHours(ZONE, time(21), time(7)))}
    await keep_hours(queue.engine, known)
    dispatcher = _unreachable(queue)
    await queue.submit(draft(channels=[("sms", "School is closed.")]), [person(2)])
    await queue.drain(dispatcher)
    assert await _waits(queue, Lane.NORMAL) == (1, 0.0)
    await _later(queue, dispatcher, 60 * 15)
    assert await _waits(queue, Lane.NORMAL) == (0, 0.0)
    queue.clock.ahead = timedelta(hours=10, minutes=15)
    assert await _waits(queue, Lane.NORMAL) == (1, 300.0)
