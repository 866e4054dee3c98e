"""Several attendance rules of one school: a family is told once of a student, day and code by each channel."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller
from services.queue.actions import control
from services.queue.attending import MISSED, TOLD_BY_ANOTHER
from services.queue.telling import Telling
from tests.integration.queue.attended import Attended
from tests.integration.queue.scheduled import ZONE, scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

AMY = {"student_sourced_id": "amy"}
BEN = {"student_sourced_id": "ben"}


@pytest.fixture
async def attended(databases: Databases, tokens: Tokens) -> AsyncIterator[Attended]:
    async with scheduled_queue(databases, tokens) as queue:
        yield Attended.of(queue)


async def test_a_later_rule_tells_what_no_other_told_by_one_of_its_channels(attended: Attended) -> None:
    first = await attended.create()
    again = await attended.create(send_time="15:00", codes=["UNX", "TDY", "SUS"], key="again")
    by_text = await attended.create(send_time="15:00", texts={types.CHANNEL_SMS: "{student}: {code}"}, key="by text")
    last = await attended.create(send_time="16:00", key="last")
    await attended.record(AMY, AMY | {"period": "3", "code": "SUS"})
    await attended.tick(hours=1)
    await attended.tick(minutes=1)
    await attended.record(BEN)
    assert [each.late for each in await attended.runs(first)] == [1]
    await attended.tick(hours=2)
    rows = await attended.queue.rows("SELECT rule_id::text, codes FROM attendance_notices")
    assert sorted((row[0], row[1]) for row in rows) == sorted(
        [(first.rule_id, "UNX"), (again.rule_id, "SUS"), (again.rule_id, "UNX"), *[(by_text.rule_id, "UNX")] * 2]
    )
    await attended.tick(hours=1)
    assert [each.reason for each in await attended.runs(last)] == [TOLD_BY_ANOTHER]
    assert [each.late for each in await attended.runs(first)] == [0]


async def test_what_was_stopped_is_told_by_a_later_rule(attended: Attended) -> None:
    await attended.create()
    await attended.create(send_time="15:00", key="later")
    await attended.record(AMY)
    await attended.tick(hours=1)
    (message,) = await attended.queue.messages()
    await control.cancel(
        attended.queue.engine, attended.queue.clock, Caller("sis", frozenset()), str(message.message_id)
    )
    await attended.tick(hours=2)
    assert len(await attended.queue.messages()) == 2


async def test_two_rules_of_one_time_tell_once_whichever_process_tells(attended: Attended) -> None:
    rules = [await attended.create(), await attended.create(key="its double")]
    await attended.record(AMY, BEN)
    attended.queue.clock.now = attended.queue.clock.now.replace(hour=17)
    others = [Telling(attended.queue.engine, attended.queue.clock, attended.queue.directory, ZONE) for _ in range(3)]
    await asyncio.gather(*(each.step() for each in others))
    await attended.tick()
    assert len(await attended.queue.messages()) == 1
    reasons = [each.reason for rule in rules for each in await attended.runs(rule)]
    assert sorted(reasons) == ["", TOLD_BY_ANOTHER]


async def test_each_channel_of_a_later_rule_tells_whom_it_did_not_reach(attended: Attended) -> None:
    await attended.create()
    both = {types.CHANNEL_EMAIL: "{student}: {code}", types.CHANNEL_SMS: "{student}: {code}"}
    late = await attended.create(send_time="15:00", texts=both, key="both")
    last = await attended.create(send_time="16:00", texts=both, key="last")
    await attended.record(AMY, BEN)
    await attended.tick(hours=1)
    found = "SELECT e.channel, r.regarding_student_name FROM recipients r JOIN entries e USING (entry_id)"
    (amy, ben) = sorted({row[1] for row in await attended.queue.rows(found)})
    failed = "UPDATE recipients SET problem = 'NO_EMAIL' WHERE regarding_student_name = :ben RETURNING 1"
    await attended.queue.rows(failed, ben=ben)
    await attended.tick(hours=2)
    rows = await attended.queue.rows(f"{found} JOIN attendance_runs n USING (message_id) WHERE rule_id = :id",
                                     id=late.rule_id)  # fmt: skip
    assert set(map(tuple, rows)) == {("email", ben), ("sms", amy), ("sms", ben)}
    await attended.tick(hours=1)
    assert [each.reason for each in await attended.runs(last)] == [TOLD_BY_ANOTHER]


async def test_a_later_rule_tells_of_a_brother_whose_family_the_first_did_not_reach(attended: Attended) -> None:
    texts = {types.CHANNEL_SMS: "{student}: {code}"}
    rules = [
        await attended.create(texts=texts, once_per_family=True, send_time=f"{hour}:00", key=str(hour))
        for hour in (13, 15, 16)
    ]
    await attended.record(AMY, BEN)
    await attended.tick(hours=1)
    await attended.queue.rows("UPDATE recipients SET problem = 'INVALID_NUMBER' WHERE number = 1 RETURNING 1")
    await attended.tick(hours=2)
    assert await attended.told() == [("Rosa Stone", "Amy Stone"), ("Rosa Stone", "Ben Stone")] * 2
    await attended.tick(hours=1)
    assert [[each.reason for each in await attended.runs(rule)] for rule in rules] == [[""], [""], [TOLD_BY_ANOTHER]]


async def test_what_is_stated_again_comes_no_later_than_it_did(attended: Attended) -> None:
    rule = await attended.create()
    await attended.record(AMY)
    await attended.tick(hours=12, minutes=1)
    await attended.tick(minutes=1)
    assert (await attended.record(AMY)).unchanged == 1
    assert [(each.reason, each.late) for each in await attended.runs(rule)] == [(MISSED, 0)]
    await attended.record(AMY | {"code": "TDY"})
    assert [each.late for each in await attended.runs(rule)] == [1]
