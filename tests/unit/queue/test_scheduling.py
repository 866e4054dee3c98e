"""What becomes of a schedule when it is edited; pure."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.queue.scheduling import Schedule, edited
from services.queue.timing import read_timing

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.accepts(140)
def test_an_edited_schedule_is_of_the_school_that_its_writer_writes_from_now() -> None:
    timing = read_timing("2026-11-03", "08:00", "FREQ=DAILY", "", "America/New_York")
    before = Schedule("s", "tom", "tom", "east", ("east",), b"", b"", timing, NOW, NOW)
    after = replace(before, sender_school_id="west", school_ids=("west",), header=b"from west")
    found = edited(before, after, NOW)
    assert (found.sender_school_id, found.school_ids, found.header) == ("west", ("west",), b"from west")
