"""Which families a message has reached by any way (statement 308)."""

from typing import Any

import pytest

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer
from services.kit.errors import NotFound
from services.queue.actions import reading
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.domain import Channel, State
from services.queue.listing_words import unreached
from services.queue.reach_words import unreached_family
from services.queue.records import Receipt
from services.queue.store.deliveries import Seen
from services.queue.store.reach import Listing, Reach
from tests.integration.queue.conftest import Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.integration.queue.test_listing import TITLES, rule

SERVICE = Caller("test", frozenset())


async def _reach(queue: Queue, message_id: str, caller: Caller = SERVICE) -> tuple[Reach, list[dict[str, Any]]]:
    return (await reading.reach_of(queue.engine, caller, message_id, Listing(), lambda total: (20, 0)))[:2]


@pytest.mark.accepts(223, 308)
async def test_a_family_is_reached_by_any_way_and_through_a_brothers_duplicate(queue: Queue) -> None:
    shared = {"mobile": "+12125550101", "email": "mum@example.org"}
    people = [
        person(1, **shared),
        person(2, mobile="12", email="", regarding_student_id="student-1", regarding_student_name="Child 1"),
        person(3, **shared),
        person(4, mobile="12", email=""),
        person(5, mobile="+12125550105", email=""),
    ]
    message = draft(channels=[("sms", "School is closed."), ("email", "")], once_per_family=True)
    done = await queue.submit(message, people)
    message_id, text = done.snapshot.message.message_id, done.snapshot.entries[0].entry_id
    found, families = await _reach(queue, message_id)
    assert found == Reach(families=4, reached=0, waiting=3)
    assert [(each["name"], each["is_waiting"]) for each in families] == [
        ("Child 4", False), ("Child 1", True), ("Child 3", True), ("Child 5", True)
    ]  # fmt: skip
    await queue.drain(queue.dispatcher())
    ids = dict(await queue.rows("SELECT number, provider_message_id FROM outcomes WHERE entry_id = :id", id=text))
    now = queue.clock()
    await queue.record(
        [
            Receipt("twilio", ids[1], f"{text}.1.1", "delivered", "", now),
            Receipt("twilio", ids[5], f"{text}.5.1", "undelivered", "30003", now),
        ]
    )
    found, families = await _reach(queue, message_id)
    assert (found.families, found.reached, found.waiting) == (4, 2, 0)
    assert [each["name"] for each in families] == ["Child 4", "Child 5"]
    asked = pb.GetReachRequest(
        rules=[rule("school", "equals", "ridge high"), rule("waiting", "equals", "no")], school_titles=TITLES
    )
    sorted_by = pb.GetReachRequest(sort=types.Sort(column="student_id", descending=True))
    for request, names in ((asked, ["Child 4"]), (sorted_by, ["Child 5", "Child 4"])):
        answer = await reading.reach_of(queue.engine, SERVICE, message_id, unreached(request), lambda total: (total, 0))
        assert ([each["name"] for each in answer[1]], answer[2]) == (names, len(names))
    tries = unreached_family(families[1]).tries
    # The e-mail went to the portal inbox alone, which tells a family nothing in an emergency.
    assert [(each.name, each.destination) for each in tries] == [("Parent 5", ""), ("Parent 5", "+12125550105")]
    assert tries[1].error == "The phone could not be reached: it is off or out of range."


@pytest.mark.accepts(223, 308)
async def test_a_duplicate_counts_by_what_was_really_sent_to_the_same_contact(queue: Queue) -> None:
    phones = ["+12125550100,+12125550101", "+12125550100,+12125550102"]
    people = [person(number, phones=each) for number, each in enumerate(phones, 1)]
    done = await queue.submit(draft(channels=[("tts", "School is closed.")], once_per_family=True), people)
    message_id, entry_id = done.snapshot.message.message_id, done.snapshot.entries[0].entry_id
    assert (await _reach(queue, message_id))[0] == Reach(families=2, reached=0, waiting=2)
    await queue.drain(queue.dispatcher())
    ((called,),) = await queue.rows("SELECT provider_message_id FROM outcomes WHERE number = 1")
    await queue.record([Receipt("twilio_voice", called, f"{entry_id}.1.1", "completed", "", queue.clock())])
    assert (await _reach(queue, message_id))[0] == Reach(families=2, reached=2, waiting=0)


@pytest.mark.accepts(223, 305, 308)
async def test_a_duplicate_counts_by_what_is_sent_again_to_the_same_contact(queue: Queue) -> None:
    people = [person(number, mobile="+12125550100") for number in (1, 2)]
    done = await queue.submit(draft(channels=[("sms", "School is closed.")], once_per_family=True), people)
    message_id, entry_id = done.snapshot.message.message_id, done.snapshot.entries[0].entry_id
    assert await queue.expire(entry_id) == 1
    assert (await _reach(queue, message_id))[0] == Reach(families=2, reached=0, waiting=0)
    again = Resend("again", b"", entry_id, [State.EXPIRED], Channel.SMS)
    assert (await resend(queue.engine, queue.clock, SERVICE, again, told()))[1] == 1
    assert (await _reach(queue, message_id))[0] == Reach(families=2, reached=0, waiting=2)


async def test_a_district_that_waits_can_be_looked_at(queue: Queue) -> None:
    # Compared one with the other, these would take longer than a statement may.
    done = await queue.submit(draft(), [person(number) for number in range(1, 20_001)])
    assert (await _reach(queue, done.snapshot.message.message_id))[0] == Reach(20_000, 0, 20_000)
    entry_id, first = done.snapshot.entries[0].entry_id, reading.Paging("last_update", True, lambda total: (20, 0))
    rows, total = await reading.deliveries_of(queue.engine, SERVICE, entry_id, Seen(None), first)
    assert (len(rows), total) == (20, 20_000)


@pytest.mark.accepts(7)
async def test_reach_counts_the_schools_that_the_viewer_sees(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(number) for number in range(1, 5)])
    message_id = done.snapshot.message.message_id

    def principal(school_id: str) -> Caller:
        return Caller(
            "p", frozenset(), Viewer("p", "Pia", "admin", frozenset(), frozenset({school_id}), all_users=True)
        )

    assert (await _reach(queue, message_id, principal("school-2")))[0].families == 2
    with pytest.raises(NotFound):
        await _reach(queue, message_id, principal("school-9"))
