"""All dispatchers together call a provider no faster than the account may, and what is urgent goes first."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine, transaction
from services.queue.actions.dispatch import Dispatcher, claim, send
from services.queue.domain import Channel, Lane
from services.queue.store import batches, budgets
from tests.integration.queue.conftest import Queue, dispatch_one, draft, person
from tests.support.eventually import eventually
from tests.support.postgres import Databases
from tests.support.vendors import VendorSimulator

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def _asked(
    engine: AsyncEngine, at: float, seconds: float = 0.25, *, is_urgent: bool = False
) -> tuple[float, bool]:
    """Ask at a time for so many seconds' calls; return when they may begin, or when to ask again."""
    async with transaction(engine) as connection:
        now = NOW + timedelta(seconds=at)
        found = await budgets.reserve(connection, "ses", timedelta(seconds=seconds), now, is_urgent=is_urgent)
    return (found.at - NOW).total_seconds(), found.is_taken


@pytest.mark.accepts(308, 311)
async def test_ordinary_calls_follow_each_other_and_wait_for_all_that_is_urgent(databases: Databases) -> None:
    engine = create_engine(databases.copy("queue").url, name="test")
    assert await _asked(engine, 0) == (0.0, True)
    assert await _asked(engine, 0) == (0.25, True)
    assert await _asked(engine, 0) == (0.25, False), "not long ahead"
    assert await _asked(engine, 0.25) == (0.5, True)
    assert await _asked(engine, 1, 10, is_urgent=True) == (1.0, True)
    assert await _asked(engine, 1, 10, is_urgent=True) == (11.0, True)
    assert await _asked(engine, 20.9) == (21.05, False)
    assert await _asked(engine, 20.95, 1, is_urgent=True) == (21.0, True)
    assert await _asked(engine, 21.05) == (22.05, False)
    assert await _asked(engine, 22.05) == (22.05, True)
    await engine.dispose()


@pytest.mark.accepts(311)
async def test_dispatchers_share_one_rate(queue: Queue, vendors: VendorSimulator) -> None:
    await queue.submit(draft(), [person(number) for number in range(1, 61)])
    await queue.submit(draft(subject="Second"), [person(number) for number in range(101, 161)])
    dispatchers = [queue.dispatcher(ses_mails_per_second=100) for _ in range(2)]
    await asyncio.gather(*(queue.drain(each) for each in dispatchers))
    at = sorted(each["at"] for each in vendors.arrivals(channel="email"))
    assert len(at) == 120
    # 120 e-mails at 100 a second take 1.2 seconds; the first and the last of them are 119 apart.
    assert at[-1] - at[0] > 1.0


@pytest.mark.accepts(308, 311)
async def test_what_is_urgent_has_the_whole_rate_while_a_newsletter_is_called(
    queue: Queue, vendors: VendorSimulator
) -> None:
    ordinary, urgent = (queue.dispatcher(twilio_calls_per_second=4) for _ in range(2))
    await queue.submit(draft(channels=[("tts", "Picture day is on Friday.")]), [person(n) for n in range(2, 82, 2)])
    newsletter = asyncio.create_task(dispatch_one(ordinary, [Lane.NORMAL]))

    async def is_being_called() -> None:
        assert len(vendors.arrivals(channel="voice")) >= 3

    await eventually(is_being_called)
    (row,) = await queue.rows("SELECT free_at FROM budgets")
    # Calls are not taken for all of those who wait for their turn: they would be half a minute's at one a second.
    assert row[0] - queue.clock() < timedelta(seconds=1)
    families = [person(n) for n in range(102, 118, 2)]
    await queue.submit(draft(channels=[("tts", "Stay inside.")], is_emergency=True), families)
    await dispatch_one(urgent, [Lane.EMERGENCY])
    ordinary.pacer.stop()
    await newsletter
    called = [each["to"] for each in vendors.arrivals(channel="voice")[::-1]]
    places = [called.index(each.mobile) for each in families]
    # Two seconds of emergency calls; of ordinary ones no more than were taken before.
    assert max(places) - min(places) + 1 - len(families) <= 3


@pytest.mark.accepts(308, 311)
async def test_slow_calls_hold_one_worker_and_the_rest_goes_on(queue: Queue) -> None:
    called = await queue.submit(draft(channels=[("tts", "School is closed.")]), [person(n) for n in range(2, 402, 2)])
    await queue.submit(draft(), [person(2)])
    await queue.submit(
        draft(channels=[("tts", "Stay inside."), ("sms", "Stay inside.")], is_emergency=True), [person(2)]
    )
    dispatcher = queue.dispatcher(twilio_calls_per_second=1)
    taken = [(await claim(dispatcher, list(Lane), 4)).works for _ in range(3)]
    channels = [[work.batch.channel for work in works] for works in taken]
    # The emergency's call and one batch of ordinary calls keep the account busy; the others keep their place.
    assert channels == [[Channel.TTS, Channel.SMS, Channel.TTS], [Channel.EMAIL], []]
    assert not (await claim(dispatcher, list(Lane), 4)).due
    dispatcher.pacer.stop()
    for work in [each for works in taken for each in works]:
        await send(dispatcher, work, time.monotonic() + 60)
    freed = queue.dispatcher(twilio_calls_per_second=1)
    assert dispatcher.wanted(list(Lane)) == freed.wanted(list(Lane))
    (again,) = (await claim(freed, [Lane.NORMAL], 4)).works
    assert again.batch.entry_id == called.snapshot.entries[0].entry_id


async def _filled(queue: Queue, provider: str, seconds: float) -> None:
    """Let urgent calls take a provider for so long."""
    async with transaction(queue.engine) as connection:
        taken = timedelta(seconds=seconds)
        await budgets.reserve(connection, provider, taken, queue.clock(), is_urgent=True)


async def _has_due(queue: Queue, dispatcher: Dispatcher) -> bool:
    """Tell whether this dispatcher would look for work."""
    async with transaction(queue.engine) as connection:
        now = queue.clock()
        return await batches.next_due(connection, dispatcher.wanted(list(Lane)), now, now) is not None


@pytest.mark.accepts(308, 311)
async def test_an_emergency_that_fills_a_provider_holds_no_worker_of_the_rest(queue: Queue) -> None:
    dispatcher = queue.dispatcher(twilio_texts_per_second=4)
    for number in range(2, 10, 2):
        await queue.submit(draft(channels=[("sms", "")]), [person(number)])
    claimed = await claim(dispatcher, list(Lane), 4)
    assert len(claimed.works) == 4
    # While the clock stands still, what is urgent has always taken the next quarter second.
    queue.clock.stop()
    await _filled(queue, "twilio", 0.25)
    await queue.submit(draft(), [person(2)])
    await asyncio.gather(*(send(dispatcher, each, claimed.until) for each in claimed.works))
    # They wait in the queue as what they were, and nobody takes them over and over.
    assert await queue.rows("SELECT attempt, begun FROM batches WHERE channel = 'sms'") == [(1, 0)] * 4
    again = await claim(dispatcher, list(Lane), 4)
    assert [each.batch.channel for each in again.works] == [Channel.EMAIL]
    await send(dispatcher, again.works[0], again.until)
    assert not await _has_due(queue, dispatcher)
    queue.clock.stopped_at = None
    queue.clock.ahead += timedelta(seconds=1)
    assert await queue.drain(queue.dispatcher(twilio_texts_per_second=4)) == 4
    assert await queue.rows("SELECT attempt FROM outcomes WHERE provider = 'twilio'") == [(1,)] * 4


@pytest.mark.accepts(308)
async def test_an_ordinary_text_waits_for_an_alert_to_a_few_in_its_place(queue: Queue) -> None:
    dispatcher = queue.dispatcher(twilio_texts_per_second=4)
    await queue.submit(draft(channels=[("sms", "")]), [person(2)])
    claimed = await claim(dispatcher, [Lane.NORMAL], 1)
    await _filled(queue, "twilio", 0.25)
    await send(dispatcher, claimed.works[0], claimed.until)
    assert not await queue.rows("SELECT 1 FROM batches")


@pytest.mark.accepts(308, 311)
async def test_ordinary_texts_wait_for_a_filled_standby_in_charge_and_still_try_the_usual(queue: Queue) -> None:
    standby = {"sms_standby_origin": "+12125550199", "sms_standby_texts_per_second": 4}
    dispatcher = queue.dispatcher(twilio_texts_per_second=4, **standby)
    await queue.submit(draft(channels=[("sms", "")]), [person(2)])
    await _filled(queue, "aws_sms", 3_600)
    assert await _has_due(queue, dispatcher)
    await queue.rows(
        "INSERT INTO circuits (provider, failing_since, failed_at, opened_at) VALUES ('twilio', :now, :now, :now)"
        " RETURNING 1",
        now=queue.clock(),
    )
    assert not await _has_due(queue, dispatcher)
    queue.clock.ahead += timedelta(seconds=31)
    await dispatch_one(dispatcher, [Lane.NORMAL])
    assert await queue.rows("SELECT provider FROM outcomes") == [("twilio",)]
