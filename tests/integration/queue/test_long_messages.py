"""Messages of many pieces: one COPY stays open from piece to piece, and what is refused is asked for once."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue.actions import refusing
from services.queue.actions.standing import Standing
from services.queue.actions.submit import Submission, submit
from services.queue.domain import Channel
from services.queue.records import Addressees
from services.queue.store import consent, submissions
from tests.integration.queue.conftest import Queue, draft, person

_PEOPLE = 4_500
_SUPPRESS = sa.text(
    "INSERT INTO suppressions (channel, destination, reason, code, suppressed_at)"
    " VALUES ('sms', :destination, 'invalid_number', '30005', now())"
)


@pytest.mark.accepts(61, 306, 311)
@pytest.mark.parametrize(
    ("listed", "open_seconds", "outcomes"), [(5_000, 10.0, 5_000), (2, 10.0, 5_000), (5_000, -1.0, 3)]
)
async def test_every_recipient_of_a_long_message_is_there_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, listed: int, open_seconds: float, outcomes: int
) -> None:
    monkeypatch.setattr(refusing, "_MOST_LISTED", listed)
    monkeypatch.setattr(submissions, "_OPEN_SECONDS", open_seconds)
    monkeypatch.setattr(submissions, "_OUTCOMES_TOGETHER", outcomes)
    people = [person(number) for number in range(1, _PEOPLE + 1)]
    people[3_000] = people[3_000]._replace(mobile=f"{people[0].mobile}\n{people[1].mobile}")
    people[4_100] = people[4_100]._replace(mobile=people[4_000].mobile)
    async with transaction(queue.engine) as connection:
        for number in (10, 2_500, 4_400):
            mobile = people[number - 1].mobile
            await consent.record(connection, Channel.SMS, mobile, "stopped", origin="text", now=queue.clock())
        for number in (20, 2_600):
            values = {"destination": people[number - 1].mobile}
            await connection.execute(_SUPPRESS, values)
    done = await queue.submit(draft(channels=[("email", ""), ("sms", "")], once_per_family=True), people)
    email, sms = done.snapshot.entries
    assert await queue.counts(email.entry_id) == {"total": _PEOPLE, "pending": _PEOPLE}
    expected = {"total": _PEOPLE, "pending": _PEOPLE - 7, "opted_out": 3, "error": 3, "duplicate": 1}
    assert await queue.counts(sms.entry_id) == expected
    numbers = await queue.rows("SELECT entry_id::text, min(number), max(number), count(*) FROM recipients GROUP BY 1")
    assert {tuple(row) for row in numbers} == {(each.entry_id, 1, _PEOPLE, _PEOPLE) for each in (email, sms)}
    rows = await queue.rows("SELECT number, error_code FROM outcomes WHERE state <> 'duplicate' ORDER BY number")
    assert [tuple(row) for row in rows] == [
        (10, "STOPPED"),
        (20, "SUPPRESSED_NUMBER"),
        (2_500, "STOPPED"),
        (2_600, "SUPPRESSED_NUMBER"),
        (3_001, "INVALID_NUMBER"),
        (4_400, "STOPPED"),
    ]


async def test_what_breaks_off_in_the_middle_leaves_nothing(queue: Queue) -> None:
    people = [person(number) for number in range(1, 3_001)]

    async def pieces() -> AsyncIterator[Addressees]:
        for start in range(0, len(people), 1_000):
            yield Addressees.of(people[start : start + 1_000])
        raise InvalidArgument("PIECE_UNEXPECTED", "After the header come recipients.")

    message = draft()
    standing = Standing(message.sender, "Lincoln High", is_excluded=False, is_screened=False, is_translated=False)
    with pytest.raises(InvalidArgument):
        await submit(queue.engine, queue.clock, Submission(message, "test", standing), pieces())
    left = "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM recipients) + (SELECT count(*) FROM batches)"
    assert (await queue.rows(left))[0][0] == 0
    done = await queue.submit(message, people)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3_000, "pending": 3_000}
