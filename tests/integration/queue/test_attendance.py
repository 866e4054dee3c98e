"""Attendance: absences come in, rules tell families once, corrections in time are heard (section J)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import attendance_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.directory import importing
from services.directory.domain import Permission
from services.directory.store import settings
from services.kit.db import transaction
from services.kit.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceError,
    Unavailable,
)
from services.queue.actions.standing import Known
from services.queue.attending import MAX_PER_OWNER, MISSED, NOBODY_ABSENT
from services.queue.telling import Telling
from tests.integration.directory.roster_files import IMPORTER, roster, switch_module
from tests.integration.queue.attended import HELD, TODAY, Attended
from tests.integration.queue.scheduled import ROLES_HERE, USERS_HERE, ZONE, scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

AMY: dict[str, Any] = {"student_sourced_id": "amy"}
BEN: dict[str, Any] = {"student_sourced_id": "ben"}


@pytest.fixture
async def attended(databases: Databases, tokens: Tokens) -> AsyncIterator[Attended]:
    async with scheduled_queue(databases, tokens) as queue:
        yield Attended.of(queue)


@pytest.mark.accepts(120, 127)
async def test_at_its_time_a_rule_tells_the_guardians_of_absent_students_in_one_message(attended: Attended) -> None:
    rule = await attended.create()
    answer = await attended.record(AMY, BEN | {"code": "tdy"})
    assert (answer.recorded, answer.unchanged, answer.problem_count) == (2, 0, 0)
    await attended.tick(minutes=59)
    assert await attended.told() == []
    await attended.tick(minutes=1)
    await attended.tick(minutes=1)
    assert await attended.told() == [("Rosa Stone", "Amy Stone"), ("Rosa Stone", "Ben Stone")]
    (message,) = await attended.queue.messages()
    assert (message.kind, message.source, message.from_title) == (
        types.MESSAGE_KIND_ATTENDANCE,
        "school",
        "Lincoln High",
    )
    assert message.body == "{student} was absent from Lincoln High on 30 Oct 2026 ({code})."
    assert message.sender_id == attended.queue.ids["pri"]
    (run,) = await attended.runs(rule)
    assert (run.date, run.students, run.message_id, run.reason) == (TODAY, 2, str(message.message_id), "")
    rows = await attended.queue.rows("SELECT payload FROM outbox WHERE subject = 'queue.message.submitted.v1'")
    (told,) = [events.MessageSubmitted.FromString(bytes(row[0])).message for row in rows]
    assert told.kind == types.MESSAGE_KIND_ATTENDANCE
    assert [each.name for each in told.regarding] == ["Amy Stone", "Ben Stone"]


@pytest.mark.accepts(44, 127)
async def test_a_rule_of_the_district_speaks_in_its_name(attended: Attended) -> None:
    await attended.create("off", source=types.SOURCE_DISTRICT, from_title="Lincoln County")
    await attended.record(AMY)
    await attended.tick(hours=1)
    (message,) = await attended.queue.messages()
    assert (message.source, message.from_title) == ("district", "Lincoln County")


async def test_a_message_about_one_student_names_them(attended: Attended) -> None:
    await attended.create()
    await attended.record(AMY, AMY | {"period": "2", "code": "TDY"})
    await attended.tick(hours=1)
    (message,) = await attended.queue.messages()
    assert (message.subject, message.body) == (
        "Amy Stone was absent", "Amy Stone was absent from Lincoln High on 30 Oct 2026 (UNX, TDY).",
    )  # fmt: skip


async def test_an_absence_withdrawn_or_excused_before_the_time_is_not_told(attended: Attended) -> None:
    rule = await attended.create()
    await attended.record(AMY, BEN)
    answer = await attended.record(AMY | {"is_withdrawn": True}, BEN | {"code": "EXC"})
    assert (answer.recorded, answer.told) == (2, 0)
    await attended.tick(hours=1)
    assert await attended.queue.messages() == []
    assert [each.reason for each in await attended.runs(rule)] == [NOBODY_ABSENT]
    assert await attended.queue.attention() == []


async def test_the_same_rows_again_change_nothing_and_older_ones_do_not_win(attended: Attended) -> None:
    await attended.create()
    before, after = ({"seconds": int(attended.queue.clock.now.timestamp()) - each} for each in (60, 30))
    await attended.record(AMY | {"stated_at": before})
    assert (await attended.record(AMY | {"stated_at": before})).unchanged == 1
    assert (await attended.record(AMY | {"stated_at": after, "is_withdrawn": True})).recorded == 1
    assert (await attended.record(AMY | {"stated_at": before})).unchanged == 1
    await attended.tick(hours=1)
    assert await attended.queue.messages() == []


async def test_of_several_rows_of_a_piece_the_newest_counts_and_of_equals_the_last(attended: Attended) -> None:
    await attended.create()
    earlier = {"seconds": int(attended.queue.clock.now.timestamp()) - 60}
    answer = await attended.record(
        AMY, AMY | {"is_withdrawn": True}, BEN | {"is_withdrawn": True}, BEN | {"stated_at": earlier}
    )
    assert (answer.recorded, answer.unchanged) == (2, 2)
    await attended.tick(hours=1)
    assert await attended.queue.messages() == []


async def test_a_withdrawal_at_the_moment_of_telling_is_heard_or_answered_as_too_late(attended: Attended) -> None:
    await attended.create()
    await attended.record(AMY, BEN)
    attended.queue.clock.now = attended.queue.clock.now.replace(hour=17)
    _, answer = await asyncio.gather(attended.telling.step(), attended.record(AMY | {"is_withdrawn": True}))
    await attended.tick()
    told = [student for _, student in await attended.told()]
    # Either the withdrawal came first and is heard, or it is answered as too late.
    assert told in (["Amy Stone", "Ben Stone"], ["Ben Stone"])
    assert (answer.recorded, answer.told == 1) == (1, "Amy Stone" in told)


async def test_broken_rows_are_named_by_index_while_good_ones_go(attended: Attended) -> None:
    await attended.create()
    answer = await attended.record(
        {"student_sourced_id": "nobody"}, AMY, BEN | {"date": "yesterday"}, {"student_sourced_id": "tea"}
    )
    assert answer.recorded == 1
    assert [(each.index, each.field) for each in answer.problems] == [
        (0, "/student_sourced_id"), (2, "/date"), (3, "/student_sourced_id"),
    ]  # fmt: skip
    await attended.tick(hours=1)
    assert await attended.told() == [("Rosa Stone", "Amy Stone")]


async def test_what_comes_late_is_said_to_be_late_and_is_not_told(attended: Attended) -> None:
    await attended.create()
    await attended.record(AMY)
    await attended.tick(hours=2)
    late = await attended.record(BEN, BEN | {"period": "1", "code": "EXC"})
    assert (late.recorded, late.late) == (2, 1)
    corrected = await attended.record(AMY | {"is_withdrawn": True})
    assert (corrected.told, corrected.late) == (1, 0)
    await attended.tick(hours=1)
    assert await attended.told() == [("Rosa Stone", "Amy Stone")]


@pytest.mark.accepts(72, 74, 129)
async def test_once_per_family_siblings_become_one_delivery(attended: Attended) -> None:
    await attended.create(once_per_family=True)
    await attended.record(AMY, BEN)
    await attended.tick(hours=1)
    states = await attended.queue.rows("SELECT state FROM outcomes")
    assert [row[0] for row in states] == ["duplicate"]
    assert len(await attended.told()) == 2


async def test_each_day_is_told_once_whatever_the_number_of_periods_and_of_ticks(attended: Attended) -> None:
    rule = await attended.create()
    await attended.record(*(AMY | {"period": str(number)} for number in range(7)))
    await attended.record(AMY | {"date": "2026-10-31"})
    await attended.tick(hours=1)
    await attended.tick(hours=24)
    assert await attended.told() == [("Rosa Stone", "Amy Stone")] * 2
    assert [each.date for each in await attended.runs(rule)] == ["2026-10-31", TODAY]


@pytest.mark.accepts(55)
async def test_two_ticks_at_once_make_one_message(attended: Attended) -> None:
    await attended.create()
    await attended.record(AMY, BEN)
    attended.queue.clock.now = attended.queue.clock.now.replace(hour=17)
    others = [Telling(attended.queue.engine, attended.queue.clock, attended.queue.directory, ZONE) for _ in range(3)]
    await asyncio.gather(*(each.step() for each in others))
    assert len(await attended.queue.messages()) == 1
    assert len(await attended.queue.rows("SELECT 1 FROM attendance_runs")) == 1


async def test_a_day_on_which_nothing_ran_is_noted_as_missed(attended: Attended) -> None:
    rule = await attended.create()
    await attended.record(AMY)
    await attended.tick(hours=12, minutes=1)
    assert await attended.queue.messages() == []
    assert [(each.date, each.reason, each.students) for each in await attended.runs(rule)] == [(TODAY, MISSED, 1)]


async def test_a_rule_that_is_off_tells_nothing_and_on_again_from_its_next_time(attended: Attended) -> None:
    rule = await attended.create()
    await attended.record(AMY, AMY | {"date": "2026-10-31"})
    wanted = pb.SwitchAttendanceRuleRequest(rule_id=rule.rule_id)
    off = (await attended.call("pri", "SwitchAttendanceRule", wanted)).rule
    assert (off.is_on, off.version) == (False, 2)
    await attended.tick(hours=2)
    wanted.is_on = True
    await attended.call("pri", "SwitchAttendanceRule", wanted)
    await attended.tick()
    assert await attended.queue.messages() == []
    await attended.tick(hours=23)
    assert len(await attended.queue.messages()) == 1
    answer = await attended.call("pri", "GetAttendanceRule", pb.GetAttendanceRuleRequest(rule_id=rule.rule_id))
    assert [(each.what, each.changed_by) for each in answer.changes] == [
        ("switched on", "pri"), ("switched off", "pri"), ("created", "pri"),
    ]  # fmt: skip


async def test_a_rule_changed_while_it_is_told_is_told_as_it_is_now(
    attended: Attended, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await attended.create()
    await attended.record(AMY)
    edit = pb.UpdateAttendanceRuleRequest(rule_id=rule.rule_id, version=1, content=attended.content(subject="News"))
    directory = attended.afresh()
    known = directory.known

    async def edited_first(person_id: str) -> Known:
        if edit.version == 1:
            edit.version = (await attended.call("pri", "UpdateAttendanceRule", edit)).rule.version
        return await known(person_id)

    monkeypatch.setattr(directory, "known", edited_first)
    await attended.tick(hours=1)
    await directory.close()
    (message,) = await attended.queue.messages()
    assert message.subject == "News"


@pytest.mark.accepts(226)
async def test_an_excluded_school_has_no_attendance_messages(attended: Attended) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        await attended.create("off", school_ids=[attended.queue.ids["s2"]])
    assert caught.value.reason == "SCHOOL_EXCLUDED"
    rule = await attended.create("off", school_ids=[])
    await attended.record(AMY, {"student_sourced_id": "zoe"})
    await attended.tick(hours=1)
    assert await attended.told() == [("Rosa Stone", "Amy Stone")]
    titles = {attended.queue.ids["s1"]: "", attended.queue.ids["s2"]: "Ridge High is excluded from communication"}
    assert {each.school_id: each.reason.partition(":")[0] for each in await attended.runs(rule)} == titles


@pytest.mark.accepts(13)
async def test_with_the_call_out_system_off_the_e_mail_still_goes(attended: Attended) -> None:
    texts = {types.CHANNEL_SMS: "{student}: {code}", types.CHANNEL_EMAIL: "{student} was absent."}
    await attended.create(texts=texts)
    with pytest.raises(FailedPrecondition):
        await _switched_off(attended, texts)
    await attended.record(AMY)
    directory = attended.afresh()
    await attended.tick(hours=1)
    await directory.close()
    assert [row[0] for row in await attended.queue.rows("SELECT channel FROM entries")] == ["email"]


async def _switched_off(attended: Attended, texts: dict[Any, str]) -> None:
    await switch_module(attended.queue.directory_engine, "call_out", is_on=False)
    attended.queue.directory._modules._known = None
    await attended.create(texts=texts, key="while it is off")


async def test_a_rule_whose_owner_left_tells_nobody_and_says_why(attended: Attended) -> None:
    rule = await attended.create()
    await attended.record(AMY)
    files = roster(users=USERS_HERE.replace("pri,true", "pri,false"), roles=ROLES_HERE)
    await importing.import_roster(attended.queue.directory_engine, files, ZONE, IMPORTER)
    directory = attended.afresh()
    await attended.tick(hours=1)
    await directory.close()
    assert [each.reason for each in await attended.runs(rule)] == ["Its sender has no active account any more."]
    assert [each.owner_id for each in await attended.queue.attention()] == [attended.queue.ids["pri"]]


async def test_directory_away_puts_a_run_off_and_it_is_made_later(
    attended: Attended, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await attended.create()
    await attended.record(AMY)
    directory = attended.afresh()
    with monkeypatch.context() as away:
        away.setattr(directory, "known", _unavailable)
        await attended.tick(hours=1)
    assert await attended.runs(rule) == []
    await attended.tick(seconds=1)
    assert await attended.queue.messages() == []
    await attended.tick(seconds=5)
    assert len(await attended.queue.messages()) == 1
    await directory.close()


async def _unavailable(_: str) -> Known:
    raise Unavailable("UNAVAILABLE", "Directory does not answer.")


@pytest.mark.accepts(124)
async def test_admins_see_the_rules_of_their_schools_and_teachers_their_own(attended: Attended) -> None:
    rule = await attended.create()
    for name, expected in (("pri", 1), ("off", 1), ("tea", 0), ("cou", 0)):
        answer = await attended.call(name, "ListAttendanceRules", pb.ListAttendanceRulesRequest())
        assert answer.page.total_rows == len(answer.rules) == expected, name
    for name in ("tea", "cou"):
        with pytest.raises(NotFound):
            await attended.call(name, "SwitchAttendanceRule", pb.SwitchAttendanceRuleRequest(rule_id=rule.rule_id))
    wide = await attended.create("off", school_ids=[], key="wide")
    listed = (await attended.call("pri", "ListAttendanceRules", pb.ListAttendanceRulesRequest())).rules
    assert {each.rule_id: each.may_edit for each in listed} == {rule.rule_id: True, wide.rule_id: False}
    with pytest.raises(PermissionDenied):
        await attended.call("pri", "SwitchAttendanceRule", pb.SwitchAttendanceRuleRequest(rule_id=wide.rule_id))


@pytest.mark.accepts(124)
async def test_a_teacher_who_may_tells_the_families_of_their_own_school(attended: Attended) -> None:
    async with transaction(attended.queue.directory_engine) as connection:
        teacher = next(each for each in await settings.all_profiles(connection) if each["role"] == "teacher")
        permissions = [*teacher["permissions"], Permission.MANAGE_ATTENDANCE]
        await settings.set_permissions(connection, teacher["profile_id"], permissions)
    with pytest.raises(PermissionDenied) as caught:
        await attended.create("tea", school_ids=[attended.queue.ids["s2"]])
    assert caught.value.reason == "SCHOOL_NOT_YOURS"
    rule = await attended.create("tea", school_ids=[], key="own")
    assert list(rule.content.school_ids) == [attended.queue.ids["s1"]]
    await attended.record(AMY, {"student_sourced_id": "zoe"})
    await attended.tick(hours=1)
    (message,) = await attended.queue.messages()
    assert (message.sender_id, await attended.told()) == (attended.queue.ids["tea"], [("Rosa Stone", "Amy Stone")])
    assert (await attended.call("tea", "ListAttendanceRules", pb.ListAttendanceRulesRequest())).page.total_rows == 1


@pytest.mark.parametrize(
    ("who", "fields", "error", "reason"),
    [
        ("pri", {"name": ""}, InvalidArgument, "ATTENDANCE_RULE_INVALID"),
        ("pri", {"school_ids": ["0190aaaa-0000-7000-8000-000000000001"]}, InvalidArgument, "SCHOOL_UNKNOWN"),
        ("pri", {"school_ids": ["lincoln"]}, InvalidArgument, "ID_MALFORMED"),
        ("tea", {}, PermissionDenied, "ATTENDANCE_NOT_ALLOWED"),
        ("pri", {"source": types.SOURCE_DISTRICT}, PermissionDenied, "DISTRICT_NOT_ALLOWED"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused(
    attended: Attended, who: str, fields: dict[str, Any], error: type[ServiceError], reason: str
) -> None:
    with pytest.raises(error) as caught:
        await attended.create(who, **fields)
    assert caught.value.reason == reason
    assert await attended.queue.rows("SELECT 1 FROM attendance_rules") == []


async def test_a_rule_is_kept_once_for_one_key_and_edits_name_the_version_that_they_saw(attended: Attended) -> None:
    rule = await attended.create(key="once")
    assert (await attended.create(key="once")).rule_id == rule.rule_id
    with pytest.raises(AlreadyExists):
        await attended.create(key="once", name="Another")
    edit = pb.UpdateAttendanceRuleRequest(rule_id=rule.rule_id, version=1, content=attended.content(name="Tardy"))
    edited = (await attended.call("pri", "UpdateAttendanceRule", edit)).rule
    assert (edited.content.name, edited.version, edited.changed_by, edited.owner_id) == (
        "Tardy", 2, "pri", attended.queue.ids["pri"],
    )  # fmt: skip
    with pytest.raises(Aborted):
        await attended.call("pri", "UpdateAttendanceRule", edit)


async def test_nobody_keeps_more_than_a_hundred_rules(attended: Attended) -> None:
    await attended.create()
    copied = (
        "INSERT INTO attendance_rules SELECT gen_random_uuid(), version, is_on, owner_id, owner_name, name,"
        " school_ids, codes, content, send_time, begins_at, created_at, changed_at, changed_by, changed_by_name"
        " FROM attendance_rules, generate_series(2, :most) RETURNING 1"
    )
    await attended.queue.rows(copied, most=MAX_PER_OWNER)
    with pytest.raises(ResourceExhausted):
        await attended.create(key="one more")


@pytest.mark.accepts(4)
async def test_people_record_no_absences_and_without_the_permission_read_no_rules(attended: Attended) -> None:
    piece = pb.RecordAbsencesRequest(absences=[pb.Absence(**AMY)])
    with pytest.raises(PermissionDenied):
        await attended.call("off", "RecordAbsences", iter([piece]))
    for method, request in (
        ("ListAttendanceRules", pb.ListAttendanceRulesRequest()),
        ("CreateAttendanceRule", pb.CreateAttendanceRuleRequest(idempotency_key="k", content=attended.content())),
    ):
        with pytest.raises(PermissionDenied):
            await attended.call("pri", method, request, HELD - {"manage_attendance"})


async def test_a_stream_of_too_large_pieces_is_refused(attended: Attended) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await attended.record(*[AMY] * 501)
    assert caught.value.reason == "ABSENCES_TOO_MANY"
