"""All dispatchers together call a provider no faster than the account may, and what is urgent goes first."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine, transaction
from services.queue.actions.dispatch import claim, send
from services.queue.domain import Channel, Lane
from services.queue.store import budgets
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.postgres import Databases
from tests.support.vendors import VendorSimulator

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def _starts(engine: AsyncEngine, seconds: float, *, is_urgent: bool = False, times: int = 1) -> list[float]:
    """Take so many seconds' calls; return after how many seconds each may begin."""
    found = []
    for _ in range(times):
        async with transaction(engine) as connection:
            start = await budgets.reserve(connection, "ses", timedelta(seconds=seconds), NOW, is_urgent=is_urgent)
        found.append((start - NOW).total_seconds())
    return found


@pytest.mark.accepts(308, 311)
async def test_ordinary_calls_follow_each_other_and_wait_for_all_that_is_urgent(databases: Databases) -> None:
    engine = create_engine(databases.copy("queue").url, name="test")
    assert await _starts(engine, 0.25, times=3) == [0.0, 0.25, 0.5]
    assert await _starts(engine, 10.0, is_urgent=True, times=2) == [0.0, 10.0]
    assert await _starts(engine, 0.25) == [20.0]
    assert await _starts(engine, 1.0, is_urgent=True) == [20.0]
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
