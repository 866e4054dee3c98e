"""All dispatchers together call a provider no faster than the account may, and what is urgent goes first."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine, transaction
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
