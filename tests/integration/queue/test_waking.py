"""A dispatcher hears of what is submitted at once, and does not ask again for what others hold."""

import asyncio
import time

import sqlalchemy as sa

from services.kit.db import transaction
from services.queue.loops import Workers, wake_dispatchers
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.eventually import eventually

_HEARS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'listener'"
    " AND query LIKE 'LISTEN%' AND state = 'idle'"
)


async def test_a_dispatcher_is_woken_by_a_submission(queue: Queue) -> None:
    # It would not look by itself for an hour.
    dispatcher = queue.dispatcher(
        twilio_account_sid="", aws_access_key_id="", sandbox_channels="sms", sandbox_is_busy_every=2, retry_seconds=0.2
    )
    workers = Workers(dispatcher, 2, 3600.0)

    async def is_listening() -> None:
        assert (await queue.rows(_HEARS))[0][0] == 1

    async def everybody_has_it() -> None:
        rows = await queue.rows("SELECT attempt FROM outcomes ORDER BY number")
        assert [row[0] for row in rows] == [2, 1]

    parts = [asyncio.create_task(each) for each in (workers.run(), workers.hear(), wake_dispatchers(queue.engine))]
    try:
        await eventually(is_listening)
        await queue.submit(draft(channels=[("sms", "")]), [person(1), person(2)])
        await eventually(everybody_has_it)
    finally:
        await workers.stop()
        for each in parts:
            each.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


async def test_what_somebody_else_has_locked_is_looked_at_once_in_a_pause(queue: Queue) -> None:
    dispatcher = queue.dispatcher(twilio_account_sid="", aws_access_key_id="", sandbox_channels="sms")
    await queue.submit(draft(channels=[("sms", "")]), [person(1)])
    claims: list[float] = []

    def count(*executed: object) -> None:
        if str(executed[2]).startswith("WITH due"):
            claims.append(time.monotonic())

    async def many() -> None:
        # Three crews look at first, and after each pause.
        assert len(claims) >= 33

    sa.event.listen(queue.engine.sync_engine, "before_cursor_execute", count)
    workers = Workers(dispatcher, 2, 0.1)
    async with transaction(queue.engine) as connection:
        # As a cancellation does that takes long.
        await connection.execute(sa.text("SELECT 1 FROM batches FOR UPDATE"))
        working = asyncio.create_task(workers.run())
        try:
            await eventually(many)
        finally:
            await workers.stop()
            await asyncio.gather(working, return_exceptions=True)
    assert claims[32] - claims[0] >= 9 * 0.1
