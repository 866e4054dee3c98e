"""Submitting: exact counts, once per family, idempotency, what is written and told."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.directory.v1 import directory_pb2 as directory
from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import AlreadyExists, InvalidArgument
from services.queue import events_out
from services.queue.actions.history import Importing
from services.queue.actions.standing import KnownSchool, check_draft
from services.queue.domain import State
from services.queue.past_records import PastMessage, PastOutcome
from services.queue.past_words import past_message
from tests.integration.queue.conftest import PUPIL, Queue, draft, person


@pytest.mark.accepts(57, 61, 69)
async def test_counts_of_a_thousand_are_exact(queue: Queue) -> None:
    people = [person(number) for number in range(1, 1_001)]
    people[10] = people[10]._replace(email="", invalid_email="not an address")
    people[20] = people[20]._replace(mobile="", invalid_mobile="12")
    people[30] = people[30]._replace(mobile="")
    people[40] = people[40]._replace(email="", has_account=False)
    done = await queue.submit(draft(channels=[("email", ""), ("sms", "Friday.")]), people)
    email, sms = done.snapshot.entries
    assert await queue.counts(email.entry_id) == {"total": 1_000, "pending": 998, "error": 2}
    assert await queue.counts(sms.entry_id) == {"total": 1_000, "pending": 998, "error": 2}
    (told,) = await queue.event(events_out.SUBMITTED, events.MessageSubmitted)
    assert [sum(each.total for each in entry.counts) for entry in told.message.entries] == [1_000, 1_000]
    assert told.message.regarding_count == 1_000
    assert len(told.message.regarding) == 20
    codes = await queue.rows("SELECT number, error_code FROM outcomes ORDER BY number")
    assert [tuple(row) for row in codes] == [
        (11, "INVALID_EMAIL"),
        (21, "INVALID_NUMBER"),
        (31, "NO_NUMBER"),
        (41, "NO_EMAIL"),
    ]


@pytest.mark.accepts(54, 132, 233)
async def test_what_leaves_later_than_soon_is_left_to_schedules(queue: Queue) -> None:
    await queue.submit(draft(send_at=queue.clock() + timedelta(minutes=9)), [person(1)])
    with pytest.raises(InvalidArgument, match="ScheduleService") as caught:
        await queue.submit(draft(send_at=queue.clock() + timedelta(days=1)), [person(1)])
    assert caught.value.reason == "SEND_AT_TOO_LATE"


@pytest.mark.accepts(72, 73, 74)
async def test_three_siblings_share_one_transmission(queue: Queue) -> None:
    siblings = [person(n, person_id="mother", email="Mother@Example.org", school_id="school-1") for n in (1, 2, 3)]
    done = await queue.submit(draft(once_per_family=True), siblings)
    (entry,) = done.snapshot.entries
    assert await queue.counts(entry.entry_id) == {"total": 3, "pending": 1, "duplicate": 2}
    rows = await queue.rows(
        "SELECT r.regarding_student_id FROM outcomes o JOIN recipients r USING (entry_id, number, created_at)"
        " WHERE o.state = 'duplicate' ORDER BY r.number"
    )
    assert [row[0] for row in rows] == ["student-2", "student-3"]


@pytest.mark.accepts(75, 76)
async def test_contacts_are_compared_per_channel(queue: Queue) -> None:
    parents = [person(n, email="family@example.org") for n in (1, 2)]
    channels = [("email", ""), ("sms", "")]
    done = await queue.submit(draft(channels=channels, once_per_family=True), parents)
    email, sms = done.snapshot.entries
    assert await queue.counts(email.entry_id) == {"total": 2, "pending": 1, "duplicate": 1}
    assert await queue.counts(sms.entry_id) == {"total": 2, "pending": 2}
    plain = await queue.submit(draft(channels=channels), parents)
    assert await queue.counts(plain.snapshot.entries[0].entry_id) == {"total": 2, "pending": 2}


async def test_the_same_key_answers_the_first_result(queue: Queue) -> None:
    message = draft()
    results = await asyncio.gather(*(queue.submit(message, [person(1)]) for _ in range(5)))
    assert len({each.snapshot.message.message_id for each in results}) == 1
    assert sorted(each.is_repeat for each in results) == [False, True, True, True, True]
    with pytest.raises(AlreadyExists):
        await queue.submit(replace(message, header_hash=b"other"), [person(1)])


@pytest.mark.parametrize("field", ["subject", "from_title"])
@pytest.mark.parametrize("ending", ["\r\nBcc: x@example.org", "\nmore", "\u2028more"])
def test_what_becomes_a_header_of_an_e_mail_is_one_line(field: str, ending: str) -> None:
    message = draft()
    wrong: dict[str, Any] = {field: f"Hello{ending}"}
    check_draft(message)
    with pytest.raises(InvalidArgument) as caught:
        check_draft(replace(message, **wrong))
    assert list(caught.value.violations) == [(f"/{field}", "Write it on one line.")]


async def test_nothing_is_half_done(queue: Queue) -> None:
    with pytest.raises(InvalidArgument):
        await queue.submit(draft(), [])
    assert (await queue.rows("SELECT count(*) FROM messages"))[0][0] == 0
    assert (await queue.rows("SELECT count(*) FROM idempotency_keys"))[0][0] == 0


@pytest.mark.accepts(160, 161, 175)
async def test_a_students_message_waits_and_names_nobody(queue: Queue) -> None:
    done = await queue.submit(draft(sender=PUPIL, body="hello there"), [person(1, role=2)], screened=True)
    assert done.snapshot.message.is_held
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "held": 1}
    assert await queue.rows("SELECT 1 FROM inbox_items") == []
    (asked,) = await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested)
    assert list(asked.texts) == ["Picture day", "hello there"]
    await queue.submit(draft(subject="", sender=PUPIL, body="hi"), [person(1, role=2)], screened=True)
    second = await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested)
    assert list(second[1].texts) == ["", "hi"], "moderation knows the subject by its place"
    raw = asked.SerializeToString()
    assert not any(name in raw for name in (b"Sam", b"student-1", b"Parent 1", b"parent-1", b"parent1@"))


async def test_history_is_imported_once_with_its_outcomes(queue: Queue) -> None:
    def past(
        key: str, state: State, *, is_withheld: bool = False, to: str = "a@b.org", of: str = "p", at: str = "school-1"
    ) -> PastMessage:
        outcome = PastOutcome("email", state, "Bounce/Permanent/General" if state is State.ERROR else "", None, to)
        verdict = b"\x22\x00" if is_withheld else None
        sent_at = queue.clock().replace(year=2025, month=3, day=5)
        return PastMessage(
            draft(idempotency_key=key),
            sent_at,
            [(person(1, person_id=of, school_id=at), [outcome])],
            verdict,
            is_withheld,
        )

    schools = {"school-1": KnownSchool("Lincoln High", is_excluded=True)}
    for expected in ((3, 0), (0, 3)):
        importing = Importing(queue.engine, queue.clock, "test", schools)
        await importing.add(past("one", State.SENT))
        await importing.add(past("two", State.ERROR))
        await importing.add(past("two", State.ERROR))
        await importing.add(past("three", State.WITHHELD, is_withheld=True))
        await importing.add(past("four", State.PENDING))
        await importing.add(past("five", State.SENT, to="a\x00b"))
        await importing.add(past("six", State.SENT, of="a\x00b"))
        await importing.add(past("seven", State.SENT, of="p" * 201))
        await importing.add(past("eight", State.SENT, at="s" * 201))
        result = await importing.finish()
        assert (result.imported, result.repeated) == expected
        refused = [(position, key) for position, key, _ in result.problems]
        assert refused == list(enumerate(("four", "five", "six", "seven", "eight"), 5))
    submitted = await queue.event(events_out.SUBMITTED, events.MessageSubmitted)
    assert [each.message.entries[0].counts[0].total for each in submitted] == [1, 2, 1]
    assert all(each.message.is_from_excluded_school for each in submitted)
    (withheld,) = await queue.event(events_out.WITHHELD, events.MessageWithheld)
    assert withheld.is_imported
    assert withheld.verdict.message_id == withheld.message.message_id


async def test_what_a_past_message_answered_is_called_as_the_old_system_called_it(queue: Queue) -> None:
    importing = Importing(queue.engine, queue.clock, "test", {})
    sent_at = Timestamp(seconds=1_741_000_000)
    outcome = pb.HistoryOutcome(channel=types.CHANNEL_EMAIL, state=types.DELIVERY_STATE_SENT, destination="a@b.org")
    row = pb.RecipientRow(recipient=directory.Recipient(person_id="p", name="Pat"))
    for key in ("thread-7", "a\x00b", "x" * 201, ""):
        header = pb.MessageHeader(idempotency_key=f"key {key[:9]!r}", subject="Re: Your essay", in_reply_to=key)
        header.channels.add(channel=types.CHANNEL_EMAIL)
        past = pb.HistoryMessage(header=header, sent_at=sent_at)
        past.recipients.add(row=row, outcomes=[outcome])
        await importing.add(past_message(past))
    result = await importing.finish()
    assert [position for position, _, _ in result.problems] == [2, 3]
    rows = await queue.rows("SELECT in_reply_to FROM messages ORDER BY 1")
    assert [row[0] for row in rows] == ["", "thread-7"]
