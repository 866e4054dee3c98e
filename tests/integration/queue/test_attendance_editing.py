"""Attendance rules are edited when a school of theirs is excluded, or a way of theirs switched off, meanwhile."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from protos.queue.v1 import attendance_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.directory import importing
from services.kit.errors import FailedPrecondition
from tests.integration.directory.roster_files import IMPORTER, ORGS, roster, switch_module
from tests.integration.queue.attended import Attended
from tests.integration.queue.scheduled import ROLES_HERE, USERS_HERE, ZONE, scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

BOTH = {types.CHANNEL_EMAIL: "{student} was absent.", types.CHANNEL_SMS: "{student}: {code}"}


@pytest.fixture
async def attended(databases: Databases, tokens: Tokens) -> AsyncIterator[Attended]:
    async with scheduled_queue(databases, tokens) as queue:
        yield Attended.of(queue)


async def exclude(attended: Attended, *, is_excluded: bool) -> None:
    """Say of Ridge High whether it is excluded, as the queue knows at once."""
    orgs = ORGS if is_excluded else ORGS.replace(",true\n", ",false\n")
    files = roster(users=USERS_HERE, roles=ROLES_HERE, orgs=orgs)
    await importing.import_roster(attended.queue.directory_engine, files, ZONE, IMPORTER)
    attended.queue.directory._schools._known = None


async def switch_off(attended: Attended) -> None:
    await switch_module(attended.queue.directory_engine, "call_out", is_on=False)
    attended.queue.directory._modules._known = None


async def edited(attended: Attended, rule: pb.AttendanceRule, who: str = "off", **fields: object) -> pb.AttendanceRule:
    """Give a rule this content, and return it."""
    content = attended.content(**fields)
    edit = pb.UpdateAttendanceRuleRequest(rule_id=rule.rule_id, version=rule.version, content=content)
    kept: pb.AttendanceRule = (await attended.call(who, "UpdateAttendanceRule", edit)).rule
    return kept


@pytest.mark.accepts(226, 235)
async def test_an_edited_rule_keeps_its_excluded_school_and_takes_no_other(attended: Attended) -> None:
    lincoln, ridge = attended.queue.ids["s1"], attended.queue.ids["s2"]
    await exclude(attended, is_excluded=False)
    rule = await attended.create("off", school_ids=[ridge])
    await exclude(attended, is_excluded=True)
    kept = await edited(attended, rule, school_ids=[ridge], send_time="14:00")
    assert (list(kept.content.school_ids), kept.content.send_time) == ([ridge], "14:00")
    other = await attended.create("off", key="another")
    with pytest.raises(FailedPrecondition) as caught:
        await edited(attended, other, school_ids=[lincoln, ridge])
    assert caught.value.reason == "SCHOOL_EXCLUDED"
    await attended.record({"student_sourced_id": "zoe"})
    await attended.tick(hours=3)
    assert await attended.told() == []


@pytest.mark.accepts(13)
async def test_an_edited_rule_keeps_its_text_while_texts_are_off_and_takes_no_new_one(attended: Attended) -> None:
    rule, by_mail = await attended.create("pri", texts=BOTH), await attended.create("pri", key="by mail")
    await switch_off(attended)
    kept = await edited(attended, rule, "pri", texts=BOTH, send_time="14:00")
    assert [each.channel for each in kept.content.texts] == list(BOTH)
    with pytest.raises(FailedPrecondition) as caught:
        await edited(attended, by_mail, "pri", texts=BOTH)
    assert caught.value.reason == "CALL_OUT_OFF"


async def test_a_school_that_is_added_in_the_evening_is_told_from_the_next_day_on(attended: Attended) -> None:
    lincoln, ridge = attended.queue.ids["s1"], attended.queue.ids["s2"]
    await exclude(attended, is_excluded=False)
    rule = await attended.create("off")
    zoe = {"student_sourced_id": "zoe"}
    await attended.record(zoe, zoe | {"date": "2026-10-29"}, zoe | {"date": "2026-10-31"})
    await attended.tick(hours=9)
    await edited(attended, rule, school_ids=[lincoln, ridge])
    await attended.tick(hours=1)
    assert (await attended.told(), await attended.queue.attention()) == ([], [])
    await attended.tick(hours=15)
    assert [student for _, student in await attended.told()] == ["Zoe Hill"]


async def test_a_school_is_told_late_although_another_one_was_added_meanwhile(attended: Attended) -> None:
    lincoln, ridge = attended.queue.ids["s1"], attended.queue.ids["s2"]
    await exclude(attended, is_excluded=False)
    rule = await attended.create("off")
    await attended.record({"student_sourced_id": "amy"}, {"student_sourced_id": "zoe"})
    # It was to tell at one, and nothing ran until three.
    attended.queue.clock.now += timedelta(hours=2)
    added = await edited(attended, rule, school_ids=[lincoln, ridge])
    await edited(attended, added, school_ids=[lincoln, ridge], codes=["unx"])
    attended.queue.clock.now += timedelta(hours=1)
    await attended.tick()
    assert {student for _, student in await attended.told()} == {"Amy Stone"}
