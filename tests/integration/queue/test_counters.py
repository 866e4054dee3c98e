"""The comparison of counters with rows: by operators, and each hour."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.kit.db import transaction
from services.queue.actions import upkeep
from services.queue.store import counts
from tests.integration.queue.conftest import Queue, draft, person

DAY = timedelta(days=1)
LOSE = "UPDATE entry_counts SET pending = pending + :more, total = total + :more WHERE entry_id = :id RETURNING 1"


@pytest.mark.accepts(62)
async def test_a_counter_that_is_not_its_rows_is_found_among_those_of_its_time(queue: Queue) -> None:
    queue.clock.stop()
    done = await queue.submit(draft(), [person(2), person(4)])
    entry, now = done.snapshot.entries[0], queue.clock()
    await queue.rows(LOSE, more=1, id=entry.entry_id)
    now_on = timedelta()
    for since, until, is_within in (
        (-DAY, DAY, True),
        (now_on, DAY, True),
        (DAY, 2 * DAY, False),
        (-DAY, now_on, False),
    ):
        async with transaction(queue.engine) as connection:
            checked, broken = await counts.broken(connection, 10, since=now + since, until=now + until)
        assert (checked, [each[0] for each in broken]) == ((1, [entry.entry_id]) if is_within else (0, []))
    await queue.rows(LOSE, more=-1, id=entry.entry_id)


@pytest.mark.accepts(62)
@pytest.mark.parametrize(
    "lost",
    [
        "DELETE FROM recipients WHERE number = 1",
        "DELETE FROM outcomes",
        "DELETE FROM batches",
        "UPDATE outcomes SET state = 'expired'",
        "UPDATE recipients SET school_id = 'elsewhere' WHERE number = 2",
    ],
)
async def test_rows_that_are_not_what_was_counted_are_found(queue: Queue, lost: str) -> None:
    done = await queue.submit(draft(), [person(2), person(4, email="", invalid_email="x"), person(6)])
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "pending": 2, "error": 1}
    async with queue.engine.connect() as connection:
        assert (await counts.broken(connection, 10))[1] == []
        await connection.execute(sa.text(lost))
        assert [each[0] for each in (await counts.broken(connection, 10))[1]] == [done.snapshot.entries[0].entry_id]
        await connection.rollback()


@pytest.mark.accepts(62)
async def test_each_hour_those_are_compared_that_changed_lately_however_old_their_message_is(
    queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.clock.ahead = -8 * DAY
    unchanged, changed = [
        (await queue.submit(draft(), [person(2), person(4)])).snapshot.entries[0].entry_id for _ in range(2)
    ]
    await queue.expire(unchanged)
    queue.clock.ahead = timedelta()
    await queue.expire(changed)
    for each in (changed, unchanged):
        await queue.rows(LOSE, more=1, id=each)
    await upkeep.check_counters(queue.engine, queue.clock)
    (said,) = (each for each in capsys.readouterr().out.splitlines() if "counters_broken" in each)
    assert (changed in said, unchanged in said) == (True, False)
    for each in (changed, unchanged):
        await queue.rows(LOSE, more=-1, id=each)
