"""A dispatcher hears of what is submitted at once: here it would not look by itself for an hour."""

import asyncio

from services.queue.loops import Workers, wake_dispatchers
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.eventually import eventually

_HEARS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'listener'"
    " AND query LIKE 'LISTEN%' AND state = 'idle'"
)


async def test_a_dispatcher_is_woken_by_a_submission(queue: Queue) -> None:
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
