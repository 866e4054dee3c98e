"""The comparison of counters with rows that runs each hour."""

from datetime import UTC, datetime, timedelta

import pytest

from services.kit.db import transaction
from services.queue.actions import upkeep
from services.queue.store import counts
from tests.integration.queue.conftest import Queue, draft, person


@pytest.mark.accepts(62)
async def test_a_counter_that_is_not_its_rows_is_found_among_the_recent_ones(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(2), person(4)])
    entry_id = done.snapshot.entries[0].entry_id
    lose = "UPDATE entry_counts SET pending = pending + :more, total = total + :more RETURNING entry_id"
    await queue.rows(lose, more=1)
    async with transaction(queue.engine) as connection:
        checked, broken = await counts.broken(connection, 10, datetime.now(UTC) - timedelta(days=1))
        later = await counts.broken(connection, 10, datetime.now(UTC) + timedelta(days=1))
    assert (checked, [each[0] for each in broken], later) == (1, [entry_id], (0, []))
    await upkeep.check_counters(queue.engine, queue.clock)
    await queue.rows(lose, more=-1)
