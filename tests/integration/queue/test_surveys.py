"""Polls and sign-ups: sent with a personal link, answered once by each recipient, never overbooked."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from protos.events.v1 import queue_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer, set_caller
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.queue import events_out
from services.queue.actions import control, releasing
from services.queue.actions.answering import Answering, Form, Who
from services.queue.actions.history import Importing
from services.queue.actions.receipts import record_receipts
from services.queue.actions.rescreening import Judged, apply_verdict_again
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.actions.screening import apply_verdict
from services.queue.actions.submit import Submitted
from services.queue.domain import Channel, State
from services.queue.links import Links
from services.queue.past_records import PastMessage, PastOutcome
from services.queue.records import Draft, Receipt
from services.queue.store import suppressions
from services.queue.surveys import Option, Question, Survey
from tests.integration.queue.conftest import ANSWERS_SECRET, KNOWN, PUPIL, Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.support.vendors import VendorSimulator

SERVICE = Caller("test", frozenset())
LINK = re.compile(r"https://lantern\.example\.org/answer/(\S+)")
EVENINGS = Question("Which evening suits you?", [Option("Tuesday"), Option("Wednesday")])
CAKES = Question("Cakes", [Option("Friday", 2), Option("Saturday", 50)])
SEATS = Question("Seats", [Option("Bus", 3), Option("Car", 1)])


def _parent(person_id: str) -> Caller:
    viewer = Viewer(person_id, "Pat", "parent", frozenset(), frozenset(), all_users=False)
    return Caller(person_id, frozenset(), viewer)


def _asking(
    queue: Queue,
    *questions: Question,
    channel: Channel = Channel.POLL,
    closes_in: timedelta = timedelta(days=2),
    **fields: Any,
) -> Draft:
    survey = Survey(channel, questions or [EVENINGS], queue.clock() + closes_in)
    return draft(channels=[(channel.value, "")], survey=survey, **fields)


def _answering(queue: Queue) -> Answering:
    return Answering(queue.engine, queue.clock, Links(ANSWERS_SECRET))


async def _answer(queue: Queue, done: Submitted, number: int, *chosen: int) -> Form:
    who = Who(entry_id=done.snapshot.entries[0].entry_id, number=number)
    return await _answering(queue).answer(SERVICE, who, chosen)


async def _links(queue: Queue, vendors: VendorSimulator) -> dict[str, str]:
    """Send what is due; return the signed part of each recipient's link, by their address."""
    await queue.drain(queue.dispatcher())
    found = {}
    for each in vendors.arrivals(channel="email"):
        match = LINK.search(each["text"])
        assert match
        found[each["to"]] = match[1]
    return found


async def _taken(queue: Queue) -> list[int]:
    return [row[0] for row in await queue.rows("SELECT taken FROM survey_options ORDER BY question, option")]


async def test_each_recipient_gets_a_link_of_their_own(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(_asking(queue), [person(1), person(2)])
    entry = done.snapshot.entries[0]
    links = await _links(queue, vendors)
    assert len(set(links.values())) == 2
    mail = next(each for each in vendors.arrivals(channel="email") if each["to"] == "parent1@example.org")
    assert "1. Which evening suits you?\n   - Tuesday\n   - Wednesday" in mail["text"]
    assert "Your answer about Child 1:" in mail["text"]
    assert "Child 2" not in mail["text"]
    answering = _answering(queue)
    form = await answering.answer(SERVICE, Who(link=links["parent2@example.org"]), [2])
    assert (form.number, list(form.chosen), form.is_closed) == (2, [2], False)
    assert list((await answering.show(SERVICE, Who(link=links["parent1@example.org"]))).chosen) == [0]
    (told,) = await queue.event(events_out.SUBMITTED, events.MessageSubmitted)
    assert told.message.entries[0].survey_id == entry.entry_id
    assert [each.text for each in told.message.entries[0].survey.questions[0].options] == ["Tuesday", "Wednesday"]


async def test_who_asked_sees_how_often_each_option_is_chosen_and_nobody_else(queue: Queue) -> None:
    done = await queue.submit(
        _asking(queue, EVENINGS, Question("By?", [Option("Bus"), Option("Car")]), sender=PUPIL), [person(1), person(2)]
    )
    await _answer(queue, done, 1, 2, 1)
    await _answer(queue, done, 2, 2, 0)
    message_id = done.snapshot.message.message_id
    set_caller(_parent(PUPIL.person_id))
    asked, is_closed = await _answering(queue).show_own(message_id)
    assert (asked.survey.taken, is_closed) == ({(1, 1): 0, (1, 2): 2, (2, 1): 1, (2, 2): 0}, False)
    set_caller(_parent("parent-1"))
    with pytest.raises(NotFound):
        await _answering(queue).show_own(message_id)


@pytest.mark.accepts(62)
async def test_its_counts_are_those_of_an_email(queue: Queue, vendors: VendorSimulator) -> None:
    people = [person(1), person(2, email="", has_account=True), person(3, email="", has_account=False), person(4)]
    done = await queue.submit(_asking(queue), people)
    entry_id = done.snapshot.entries[0].entry_id
    assert await queue.counts(entry_id) == {"total": 4, "pending": 3, "error": 1}
    await _links(queue, vendors)
    receipts = [Receipt("ses", "", f"{entry_id}.{number}.1", "Delivery", "", queue.clock()) for number in (1, 4)]
    await record_receipts(queue.engine, queue.clock, receipts)
    assert await queue.counts(entry_id) == {"total": 4, "sent": 3, "error": 1}


async def test_it_shares_the_suppressions_of_email(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(_asking(queue), [person(1)])
    entry_id = done.snapshot.entries[0].entry_id
    await _links(queue, vendors)
    bounce = Receipt("ses", "", f"{entry_id}.1.1", "Bounce", "Permanent/General", queue.clock())
    await record_receipts(queue.engine, queue.clock, [bounce])
    assert await queue.counts(entry_id) == {"total": 1, "error": 1}
    async with transaction(queue.engine) as connection:
        standing = await suppressions.standing(connection, "parent1@example.org", 1)
    assert [each[0] for each in standing.suppressed] == ["email"]
    again = await queue.submit(_asking(queue), [person(1)])
    assert await queue.counts(again.snapshot.entries[0].entry_id) == {"total": 1, "error": 1}


@pytest.mark.accepts(72, 73)
async def test_duplicates_answer_as_the_one_that_is_real(queue: Queue, vendors: VendorSimulator) -> None:
    family = [person(n, person_id=f"record-{n}", email="Family@example.org") for n in (1, 2, 3)]
    done = await queue.submit(_asking(queue, once_per_family=True), [*family, person(4)])
    entry = done.snapshot.entries[0]
    assert await queue.counts(entry.entry_id) == {"total": 4, "pending": 2, "duplicate": 2}
    links = await _links(queue, vendors)
    texts = [each["text"] for each in vendors.arrivals(channel="email")]
    assert ["about Child" in each for each in texts] == [False, False]
    answering = _answering(queue)
    await answering.answer(SERVICE, Who(link=links["family@example.org"]), [1])
    inbox = Who(message_id=done.snapshot.message.message_id)
    form = await answering.answer(_parent("record-3"), inbox, [2])
    assert form.number == 1
    with pytest.raises(FailedPrecondition) as caught:
        await answering.answer(SERVICE, Who(entry_id=entry.entry_id, number=2), [1])
    assert caught.value.reason == "RECIPIENT_DUPLICATE"
    assert await _taken(queue) == [0, 1]


async def test_a_parent_answers_in_the_inbox_for_each_child(queue: Queue) -> None:
    people = [person(1, person_id="mother"), person(2, person_id="mother"), person(3)]
    done = await queue.submit(_asking(queue), people)
    message_id, answering = done.snapshot.message.message_id, _answering(queue)
    form = await answering.show(_parent("mother"), Who(message_id=message_id))
    assert list(form.mine) == [(1, "Child 1"), (2, "Child 2")]
    await answering.answer(_parent("mother"), Who(message_id=message_id, number=2), [2])
    await answering.answer(_parent("mother"), Who(message_id=message_id), [1])
    assert await _taken(queue) == [1, 1]
    for caller, number in ((_parent("mother"), 3), (_parent("parent-9"), 0), (SERVICE, 0)):
        with pytest.raises(NotFound):
            await answering.show(caller, Who(message_id=message_id, number=number))
    with pytest.raises(PermissionDenied):
        await answering.show(_parent("mother"), Who(entry_id=done.snapshot.entries[0].entry_id, number=1))


async def test_an_answer_counts_once_and_may_change(queue: Queue) -> None:
    done = await queue.submit(_asking(queue, EVENINGS, EVENINGS), [person(1)])
    for chosen in ((1, 1), (1, 1), (2, 0), (2, 2)):
        await _answer(queue, done, 1, *chosen)
    assert await _taken(queue) == [0, 1, 0, 1]
    rows = await queue.rows("SELECT chosen, version FROM responses")
    assert [tuple(row) for row in rows] == [([2, 2], 4)]
    for wrong in ((0, 0), (1,), (3, 1)):
        with pytest.raises(InvalidArgument):
            await _answer(queue, done, 1, *wrong)
    with pytest.raises(NotFound):
        await _answer(queue, done, 2, 1, 1)
    assert await _taken(queue) == [0, 1, 0, 1]


async def test_a_slot_is_never_overbooked(queue: Queue) -> None:
    """Sixty people want the same two cakes at the same moment; and nobody loses a place by trying."""
    people = [person(number) for number in range(1, 61)]
    done = await queue.submit(_asking(queue, CAKES, channel=Channel.SIGNUP), people)
    results = await asyncio.gather(*(_answer(queue, done, n, 1) for n in range(1, 61)), return_exceptions=True)
    refused = [each for each in results if isinstance(each, FailedPrecondition)]
    assert len([each for each in results if isinstance(each, Form)]) == 2
    assert {each.reason for each in refused} == {"SLOT_FULL"}
    assert (len(refused), refused[0].violations[0].pointer) == (58, "/chosen/0")
    assert await _taken(queue) == [2, 0]
    assert len(await queue.rows("SELECT 1 FROM responses")) == 2
    form = await _answering(queue).show(SERVICE, Who(entry_id=done.snapshot.entries[0].entry_id, number=60))
    assert (form.asked.survey.left(1, 1), form.asked.survey.left(1, 2)) == (0, 50)


async def test_places_change_hands_at_the_same_time(queue: Queue) -> None:
    """Everybody swaps between two slots of two items, in opposite directions: no deadlock, no lost place."""
    people = [person(number) for number in range(1, 5)]
    done = await queue.submit(_asking(queue, SEATS, SEATS, channel=Channel.SIGNUP), people)

    async def swap(number: int) -> int:
        changed = 0
        for turn in range(10):
            chosen = (1, 2) if (turn + number) % 2 else (2, 1)
            (result,) = await asyncio.gather(_answer(queue, done, number, *chosen), return_exceptions=True)
            changed += isinstance(result, Form)
            assert isinstance(result, Form) or (isinstance(result, FailedPrecondition) and result.reason == "SLOT_FULL")
        return changed

    changed = await asyncio.gather(*(swap(number) for number in range(1, 5)))
    assert sum(changed) > 0
    rows = await queue.rows("SELECT chosen FROM responses")
    expected = [sum(row[0][q] == option for row in rows) for q in (0, 1) for option in (1, 2)]
    assert await _taken(queue) == expected


async def test_one_recipient_answering_twice_at_once_counts_once(queue: Queue) -> None:
    done = await queue.submit(_asking(queue, CAKES, channel=Channel.SIGNUP), [person(1)])
    await asyncio.gather(*(_answer(queue, done, 1, 1 + turn % 2) for turn in range(10)))
    assert sum(await _taken(queue)) == 1


async def test_a_changed_answer_frees_the_place_before(queue: Queue) -> None:
    done = await queue.submit(_asking(queue, CAKES, channel=Channel.SIGNUP), [person(n) for n in (1, 2, 3)])
    await _answer(queue, done, 1, 1)
    await _answer(queue, done, 2, 1)
    with pytest.raises(FailedPrecondition):
        await _answer(queue, done, 3, 1)
    await _answer(queue, done, 1, 0)
    await _answer(queue, done, 3, 1)
    assert await _taken(queue) == [2, 0]


async def test_when_it_is_closed_the_answer_stays_to_be_seen(queue: Queue, vendors: VendorSimulator) -> None:
    await queue.submit(_asking(queue), [person(1)])
    link, answering = (await _links(queue, vendors))["parent1@example.org"], _answering(queue)
    await answering.answer(SERVICE, Who(link=link), [1])
    queue.clock.ahead = timedelta(days=2, seconds=1)
    with pytest.raises(FailedPrecondition) as caught:
        await answering.answer(SERVICE, Who(link=link), [2])
    assert caught.value.reason == "SURVEY_CLOSED"
    form = await answering.show(SERVICE, Who(link=link))
    assert (form.is_closed, list(form.chosen)) == (True, [1])
    queue.clock.ahead = timedelta(days=33)
    with pytest.raises(NotFound):
        await answering.show(SERVICE, Who(link=link))


async def test_nothing_is_sent_after_it_closed(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(_asking(queue), [person(1)])
    before = vendors.counts()["total"]
    queue.clock.ahead = timedelta(days=2, seconds=1)
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == before
    assert done.snapshot.entries[0].expires_at == done.snapshot.survey.closes_at  # type: ignore[union-attr]
    with pytest.raises(InvalidArgument):
        await queue.submit(
            _asking(queue, closes_in=timedelta(minutes=5), send_at=queue.clock() + timedelta(minutes=9)), [person(1)]
        )


async def test_a_cancelled_message_is_no_longer_available(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(_asking(queue), [person(1)])
    link = (await _links(queue, vendors))["parent1@example.org"]
    await control.cancel(queue.engine, queue.clock, SERVICE, done.snapshot.message.message_id)
    with pytest.raises(FailedPrecondition) as caught:
        await _answering(queue).show(SERVICE, Who(link=link))
    assert caught.value.reason == "SURVEY_GONE"


def _verdict(message_id: str, decision: Any) -> bytes:
    return types.Verdict(message_id=message_id, decision=decision).SerializeToString()


@pytest.mark.accepts(163)
async def test_what_a_student_asks_is_screened_and_may_be_pulled_back(queue: Queue, vendors: VendorSimulator) -> None:
    asking = _asking(queue, Question("Who is the worst?", [Option("Sam"), Option("Kim")]), sender=PUPIL)
    done = await queue.submit(asking, [person(1, role=2)], screened=True)
    message_id, answering = done.snapshot.message.message_id, _answering(queue)
    (asked,) = await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested)
    whole = asked.texts[-1]
    assert all(words in whole for words in ("Picture day is on Friday.", "Who is the worst?", "Sam", "Kim"))
    with pytest.raises(FailedPrecondition):
        await answering.show(SERVICE, Who(entry_id=done.snapshot.entries[0].entry_id, number=1))
    async with transaction(queue.engine) as connection:
        clean = _verdict(message_id, types.Verdict.DECISION_CLEAN)
        await apply_verdict(connection, message_id, clean, queue.clock(), holds=False)
    link = (await _links(queue, vendors))["parent1@example.org"]
    await answering.answer(SERVICE, Who(link=link), [1])
    assert (await answering.show(_parent("parent-1"), Who(message_id=message_id))).number == 1
    async with transaction(queue.engine) as connection:
        hold = _verdict(message_id, types.Verdict.DECISION_HOLD)
        await apply_verdict_again(connection, Judged("0" * 32, message_id, hold, holds=True), queue.clock())
    with pytest.raises(FailedPrecondition) as caught:
        await answering.answer(SERVICE, Who(link=link), [2])
    assert caught.value.reason == "SURVEY_GONE"


async def test_responses_are_told_packed_and_once(queue: Queue) -> None:
    done = await queue.submit(_asking(queue), [person(n) for n in (1, 2, 3)])
    answering = _answering(queue)
    assert await answering.tell_responses() == 0
    for number, chosen in ((1, 1), (2, 2), (1, 2)):
        await _answer(queue, done, number, chosen)
    counts = await asyncio.gather(*(answering.tell_responses() for _ in range(4)))
    assert sum(counts) == 2
    told = [each for event in await queue.event(events_out.RESPONSE_RECORDED, events.ResponseRecorded)
            for each in event.responses]  # fmt: skip
    found = sorted((each.number, each.version, each.name, each.school_id, list(each.chosen)) for each in told)
    assert found == [(1, 2, "Parent 1", "school-2", [2]), (2, 1, "Parent 2", "school-1", [2])]


async def test_what_is_sent_again_asks_the_same(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(_asking(queue), [person(1), person(2, email="", has_account=False)])
    entry_id = done.snapshot.entries[0].entry_id
    first = (await _links(queue, vendors))["parent1@example.org"]
    bounce = Receipt("ses", "", f"{entry_id}.1.1", "Bounce", "Transient/MailboxFull", queue.clock())
    await record_receipts(queue.engine, queue.clock, [bounce])
    wanted = Resend("again", b"hash", entry_id, [State.ERROR], None)
    await resend(queue.engine, queue.clock, SERVICE, wanted, told())
    vendors.reset()
    assert await _links(queue, vendors) == {"parent1@example.org": first}


@pytest.mark.accepts(303)
@pytest.mark.parametrize(("days", "sent"), [(1, 1), (3, 0)])
async def test_what_is_released_late_asks_only_until_it_closes(
    queue: Queue, vendors: VendorSimulator, days: int, sent: int
) -> None:
    done = await queue.submit(_asking(queue, sender=PUPIL), [person(1, role=2)], screened=True)
    message_id, answering = done.snapshot.message.message_id, _answering(queue)
    async with transaction(queue.engine) as connection:
        hold = _verdict(message_id, types.Verdict.DECISION_HOLD)
        await apply_verdict(connection, message_id, hold, queue.clock(), holds=True)
    queue.clock.ahead = timedelta(days=days)
    async with transaction(queue.engine) as connection:
        assert await releasing.release(connection, message_id, KNOWN, queue.clock())
    await queue.drain(queue.dispatcher())
    assert len(vendors.arrivals(channel="email")) == sent
    form = await answering.show(_parent("parent-1"), Who(message_id=message_id))
    assert form.is_closed == (not sent)


async def test_a_past_poll_is_imported_with_its_questions_and_is_closed(queue: Queue) -> None:
    sent_at = queue.clock() - timedelta(days=30)
    survey = Survey(Channel.POLL, [EVENINGS], sent_at + timedelta(days=2))
    past = draft(channels=[("poll", "")], survey=survey)
    outcome = PastOutcome("poll", State.SENT, "", None, "parent1@example.org")
    importing = Importing(queue.engine, queue.clock, "test", {})
    await importing.add(PastMessage(past, sent_at, [(person(1), [outcome])], None, False))
    assert (await importing.finish()).imported == 1
    (told,) = await queue.event(events_out.SUBMITTED, events.MessageSubmitted)
    entry = told.message.entries[0]
    assert [each.text for each in entry.survey.questions] == ["Which evening suits you?"]
    form = await _answering(queue).show(_parent("parent-1"), Who(message_id=told.message.message_id))
    assert (form.is_closed, list(form.chosen)) == (True, [0])


@pytest.mark.accepts(305)
async def test_who_got_an_account_since_answers_in_the_inbox_what_was_sent_again(queue: Queue) -> None:
    someone = person(1, email="", has_account=False)
    done = await queue.submit(_asking(queue, EVENINGS), [person(2), someone])
    wanted = Resend("again", b"h", done.snapshot.entries[0].entry_id, [State.ERROR], None)
    await resend(queue.engine, queue.clock, SERVICE, wanted, told(someone._replace(has_account=True)))
    inbox = Who(message_id=done.snapshot.message.message_id)
    form = await _answering(queue).answer(_parent(someone.person_id), inbox, [2])
    assert (form.number, list(form.chosen)) == (2, [2])
