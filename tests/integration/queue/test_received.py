"""What somebody received, across messages (statement 310)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa

from protos.queue.v1 import families_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.queue.actions import reading, upkeep
from services.queue.actions.seeing import visible_schools
from services.queue.domain import Screening
from services.queue.family_rpc import read_asked
from services.queue.records import Message, Sender
from services.queue.store import messages
from tests.integration.queue.conftest import PUPIL, SENDER, Queue, draft, person
from tests.integration.queue.test_listing import rule

SERVICE = Caller("test", frozenset())
STUDENT = "student-1"


def _staff(person_id: str, role: str, schools: Sequence[str], *, all_users: bool) -> Caller:
    viewer = Viewer(person_id, "Pia", role, frozenset(), frozenset(schools), all_users=all_users)
    return Caller(person_id, frozenset(), viewer)


_STANDS = sa.text(
    "UPDATE messages SET kind = :kind, screening = :screening, verdict = '',"
    " review_released_at = CASE WHEN :is_reviewed THEN now() END WHERE message_id = :id"
)


async def _received(queue: Queue, caller: Caller = SERVICE, sort: str = "date", **asked: Any) -> list[tuple[str, str]]:
    """Return subject and recipient of each delivery."""
    request = pb.ListReceivedRequest(**{"person_ids": ["parent-1"], "student_id": STUDENT, **asked})
    paging = reading.Paging(sort, True, lambda total: (20, 0))
    rows, total = await reading.received_by(queue.engine, caller, read_asked(request, "UTC"), paging)
    assert total == len(rows)
    return [(row["subject"], row["name"]) for row in rows]


@pytest.mark.accepts(310)
async def test_a_family_is_one_list_across_messages_and_ways(queue: Queue) -> None:
    aunt = person(7, regarding_student_id=STUDENT, regarding_student_name="Child 1")
    await queue.submit(draft(subject="Trip"), [person(1), person(2), aunt])
    await queue.drain(queue.dispatcher())
    queue.clock.ahead = timedelta(minutes=1)
    about_nobody = person(1, regarding_student_id="", regarding_student_name="")
    await queue.submit(draft(subject="", channels=[("email", ""), ("sms", "Bus 4 is late.")]), [about_nobody])
    await queue.submit(draft(subject="Hello", sender=PUPIL), [person(1)], screened=True)
    found = await _received(queue)
    assert found[0][0].startswith(("Picture day is", "Bus 4"))
    assert sorted(found) == [
        ("Bus 4 is late.", "Parent 1"),
        ("Picture day is on Friday.", "Parent 1"),
        ("Trip", "Parent 1"),
        ("Trip", "Parent 7"),
    ]
    assert await _received(queue, channels=[types.CHANNEL_SMS]) == [("Bus 4 is late.", "Parent 1")]
    # More rows than the pages have of which one filter tells: theirs get filters of their own, once.
    await queue.submit(draft(subject="Fair"), [person(number) for number in range(100, 1500)])
    assert await upkeep.sum_up_received(queue.engine) > 0
    assert (await upkeep.sum_up_received(queue.engine), sorted(await _received(queue))) == (0, sorted(found))
    assert await _received(queue, person_ids=["parent-1400"], student_id="") == [("Fair", "Parent 1400")]
    assert await _received(queue, end_date="2020-01-01") == []
    assert len(await _received(queue, start_date=queue.clock().date().isoformat())) >= 2
    assert await _received(queue, rules=[rule("message", "contains", "trip"), rule("name", "contains", "7")]) == [
        ("Trip", "Parent 7")
    ]
    assert len(await _received(queue, rules=[rule("status", "equals", "pending")])) == 4
    assert await _received(queue, rules=[rule("error", "not_empty")], sort="error") == []
    assert await _received(queue, person_ids=["parent-2"], student_id="") == [("Trip", "Parent 2")]


@pytest.mark.accepts(6, 7, 310)
async def test_each_viewer_sees_what_the_recipients_pop_up_would_show(queue: Queue) -> None:
    await queue.submit(draft(subject="Trip"), [person(1)])
    await queue.submit(draft(subject="Club", sender=SENDER.__class__("teacher-2", "Tom", 2, "school-1")), [person(1)])
    everything = [("Club", "Parent 1"), ("Trip", "Parent 1")]
    teacher = _staff("teacher-1", "teacher", ["school-1"], all_users=False)
    assert await _received(queue, teacher, sort="message") == [("Trip", "Parent 1")]
    principal = _staff("p", "admin", ["school-2"], all_users=True)
    assert sorted(await _received(queue, principal)) == everything
    assert await _received(queue, _staff("p", "admin", ["school-1"], all_users=True)) == []
    assert await _received(queue, _staff("p", "admin", ["*"], all_users=False)) == []
    with pytest.raises(PermissionDenied):
        await _received(queue, _staff("x", "parent", ["school-2"], all_users=False))


@pytest.mark.accepts(6, 7, 310)
async def test_the_list_shows_of_each_message_what_its_pop_up_in_history_would_show(queue: Queue) -> None:
    standings = [("not_needed", False), *product(("released",), (True, False)), ("withheld", False), ("waiting", False)]
    for kind, (screening, is_reviewed), school in product((1, 2), standings, ("school-1", "school-2")):
        sender = Sender("teacher-1", "Tess", 2, school)
        done = await queue.submit(draft(sender=sender), [person(1), person(2, regarding_student_id=STUDENT)])
        values = {"kind": kind, "screening": screening, "is_reviewed": is_reviewed}
        async with transaction(queue.engine) as connection:
            await connection.execute(_STANDS, values | {"id": done.snapshot.message.message_id})
    ids = [row[0] for row in await queue.rows("SELECT message_id::text FROM messages")]
    async with transaction(queue.engine) as connection:
        every = [found for each in ids if (found := await messages.find(connection, each))]
    asked = read_asked(pb.ListReceivedRequest(person_ids=["parent-1"], student_id=STUDENT), "UTC")
    scopes: tuple[list[str], ...] = (["school-1"], ["school-2"], ["*"], [])
    for person_id, role, schools, all_users, holds in product(
        ("teacher-1", "p"), ("admin", "teacher"), scopes, (True, False), (True, False)
    ):
        alerts = frozenset({"threat_alerts"} if holds else ())
        viewer = Viewer(person_id, "", role, alerts, frozenset(schools), all_users=all_users)
        caller, plain = (Caller("c", frozenset(), each) for each in (viewer, replace(viewer, permissions=frozenset())))
        paging = reading.Paging("date", True, lambda total: (total, 0))
        rows, _ = await reading.received_by(queue.engine, caller, asked, paging)
        listed = sorted((str(row["message_id"]), row["school_id"]) for row in rows)
        # Who reviews threats finds those of others in Threat Messages alone, where each reading is logged.
        assert listed == sorted(_in_pop_ups(plain, every)), caller


def _in_pop_ups(caller: Caller, every: Sequence[Message]) -> Iterator[tuple[str, str]]:
    """Yield message and school of each recipient in sight; what nobody received is in Threat Messages alone."""
    for each in every:
        try:
            schools = visible_schools(caller, each)
        except NotFound:
            continue
        if each.screening not in {Screening.WAITING, Screening.WITHHELD}:
            seen = {"school-1", "school-2"} if schools is None else {"school-1", "school-2"} & set(schools)
            yield from ((each.message_id, school) for school in seen)


def test_everything_that_cannot_be_read_is_named() -> None:
    wrong = pb.ListReceivedRequest(
        person_ids=["x" * 101],
        start_date="soon",
        sort=types.Sort(column="password"),
        rules=[rule("name", "greater", "a")],
    )
    with pytest.raises(InvalidArgument) as raised:
        read_asked(wrong, "UTC")
    pointers = sorted(each.pointer for each in raised.value.violations)
    assert pointers == ["/person_ids/0", "/rules/0/operator", "/sort/column", "/start_date"]
    with pytest.raises(InvalidArgument):
        read_asked(pb.ListReceivedRequest(), "UTC")
