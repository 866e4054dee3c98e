"""Schedules: kept, seen, sent once, and sent with the rights and the audience of the moment."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from protos.directory.v1 import directory_pb2
from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import schedules_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.directory.school_fields import exclude
from services.directory.store import settings
from services.kit.clock import utc_now
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
)
from services.kit.ids import new_id
from services.queue.clients import Directory
from services.queue.occurring import Occurring
from services.queue.scheduling import FAILED, MAX_PER_SENDER, MISSED
from services.queue.store import recordings
from tests.integration.directory.roster_files import OPERATOR, switch_module
from tests.integration.queue.scheduled import NOON, Scheduled, scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

EIGHT = datetime(2026, 10, 31, 12, tzinfo=UTC)
ONCE = {"rule": "", "start_date": "2026-10-31"}


@pytest.fixture
async def scheduled(databases: Databases, tokens: Tokens) -> AsyncIterator[Scheduled]:
    async with scheduled_queue(databases, tokens) as made:
        yield made


def at(message: Any) -> datetime:
    found: datetime = message.ToDatetime(UTC)
    return found


@pytest.mark.accepts(54, 55, 138)
async def test_each_occurrence_is_one_message_at_its_time_on_the_wall(scheduled: Scheduled) -> None:
    made = await scheduled.create()
    assert (made.state, at(made.next_at)) == (pb.SCHEDULE_STATE_ACTIVE, EIGHT)
    assert await scheduled.tick() == 0
    assert await scheduled.messages() == []
    assert await scheduled.tick(hours=20) == 1
    assert await scheduled.tick() == 0
    # Daylight saving ends in the night: the next eight o'clock is 25 hours later.
    assert await scheduled.tick(hours=24) == 0
    assert await scheduled.tick(hours=1) == 1
    first, second = await scheduled.messages()
    assert (first.subject, first.created_at, second.created_at) == ("Lunch", EIGHT, EIGHT + timedelta(hours=25))
    people = await scheduled.rows("SELECT name, regarding_student_name FROM recipients ORDER BY created_at, number")
    assert [tuple(each) for each in people[:2]] == [("Rosa Stone", "Amy Stone"), ("Rosa Stone", "Ben Stone")]
    answer = await scheduled.get("tea", made.schedule_id)
    assert [each.message_id for each in answer.occurrences] == [str(second.message_id), str(first.message_id)]
    assert at(answer.schedule.next_at) == at(answer.upcoming[0]) == EIGHT + timedelta(hours=49)


@pytest.mark.accepts(139)
async def test_a_single_sending_finishes(scheduled: Scheduled) -> None:
    made = await scheduled.create(timing=ONCE)
    await scheduled.tick(hours=21)
    found = (await scheduled.get("tea", made.schedule_id)).schedule
    assert (found.state, found.HasField("next_at")) == (pb.SCHEDULE_STATE_FINISHED, False)
    assert len(await scheduled.messages()) == 1
    listed = await scheduled.call("tea", "ListSchedules", pb.ListSchedulesRequest())
    assert (listed.page.total_rows, list(listed.schedules)) == (0, [])
    with pytest.raises(FailedPrecondition):
        await scheduled.call("tea", "PauseSchedule", pb.PauseScheduleRequest(schedule_id=made.schedule_id))


async def test_after_an_outage_the_latest_is_sent_if_it_is_fresh(scheduled: Scheduled) -> None:
    made = await scheduled.create(timing={"end_date": "2026-11-03"})
    scheduled.clock.now = EIGHT + timedelta(hours=49, minutes=50)
    assert await scheduled.tick() == 1
    answer = await scheduled.get("tea", made.schedule_id)
    assert [(each.message_id != "", each.reason) for each in answer.occurrences] == [
        (True, ""),
        (False, MISSED),
        (False, MISSED),
    ]
    scheduled.clock.now = EIGHT + timedelta(hours=73 + 2)
    assert await scheduled.tick() == 1
    answer = await scheduled.get("tea", made.schedule_id)
    assert (len(answer.occurrences), answer.occurrences[0].reason) == (4, MISSED)
    # Nothing follows: it pauses, so that it stays on its list, and its sender is told.
    assert (answer.schedule.state, answer.schedule.pause_reason) == (pb.SCHEDULE_STATE_PAUSED, MISSED)
    assert len(await scheduled.messages()) == 1


async def test_two_ticks_and_a_repeated_request_change_nothing(scheduled: Scheduled) -> None:
    request = scheduled.request(key="once")
    first = await scheduled.call("tea", "CreateSchedule", request)
    again = await scheduled.call("tea", "CreateSchedule", request)
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert first.schedule.schedule_id == again.schedule.schedule_id
    with pytest.raises(AlreadyExists):
        await scheduled.call("tea", "CreateSchedule", scheduled.request(key="once", header={"body": "Else."}))
    scheduled.clock.now = EIGHT
    twin = Occurring(scheduled.engine, scheduled.clock, scheduled.occurring.directory)
    results = await asyncio.gather(*(each.step() for each in [twin, scheduled.occurring] * 3), return_exceptions=True)
    # Who comes second finds the schedule held or moved on, and tries again later.
    assert all(isinstance(each, int | Aborted) for each in results)
    await scheduled.tick()
    assert len(await scheduled.messages()) == 1
    assert len(await scheduled.rows("SELECT 1 FROM schedule_occurrences")) == 1


@pytest.mark.accepts(233)
async def test_a_school_excluded_today_gets_nothing_tomorrow(scheduled: Scheduled) -> None:
    audience = directory_pb2.Audience(roles=[types.ROLE_PARENT])
    made = await scheduled.create("off", audience=audience, header={"source": types.SOURCE_DISTRICT})
    await exclude(scheduled.directory_engine, utc_now, OPERATOR, scheduled.ids["s2"], False)
    await scheduled.tick(hours=20)
    await exclude(scheduled.directory_engine, utc_now, OPERATOR, scheduled.ids["s2"], True)
    await scheduled.tick(hours=25)
    found = await scheduled.rows("SELECT DISTINCT created_at, school_id FROM recipients ORDER BY 1, 2")
    days: dict[datetime, set[str]] = {}
    for when, school_id in found:
        days.setdefault(when, set()).add(school_id)
    assert list(days.values()) == [{scheduled.ids["s1"], scheduled.ids["s2"]}, {scheduled.ids["s1"]}]
    assert (await scheduled.get("off", made.schedule_id)).schedule.state == pb.SCHEDULE_STATE_ACTIVE


async def _retire(scheduled: Scheduled) -> None:
    async with transaction(scheduled.directory_engine) as connection:
        await connection.execute(sa.text("UPDATE people SET is_active = false WHERE sourced_id = 'tea'"))


async def _take_right(scheduled: Scheduled) -> None:
    async with transaction(scheduled.directory_engine) as connection:
        teacher = next(each for each in await settings.all_profiles(connection) if each["role"] == "teacher")
        await settings.set_permissions(connection, teacher["profile_id"], [])


async def _switch_off(scheduled: Scheduled) -> None:
    await switch_module(scheduled.directory_engine, "call_out", is_on=False)


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (_retire, "Its sender has no active account any more."),
        (_take_right, "Your profile does not allow sending messages."),
        (_switch_off, "The Call Out System is off: texts and calls cannot be sent."),
    ],
)
async def test_a_schedule_whose_sender_may_no_longer_send_pauses_and_says_why(
    scheduled: Scheduled, lose: Any, reason: str
) -> None:
    made = await scheduled.create(channels=[types.CHANNEL_SMS])
    await lose(scheduled)
    # What directory said lately may be some seconds old.
    fresh = Directory(scheduled.directory_address, scheduled.tokens.service("directory.read"))
    scheduled.occurring = Occurring(scheduled.engine, scheduled.clock, fresh)
    assert await scheduled.tick(hours=20) == 1
    await fresh.close()
    answer = await scheduled.get("tea", made.schedule_id)
    assert (answer.schedule.state, answer.schedule.pause_reason) == (pb.SCHEDULE_STATE_PAUSED, reason)
    assert [each.reason for each in answer.occurrences] == [reason]
    assert await scheduled.messages() == []
    assert [(each.reason, each.subject_id) for each in await scheduled.attention()] == [(reason, made.schedule_id)]


async def test_a_schedule_goes_out_as_it_is_written_while_translation_is_off(scheduled: Scheduled) -> None:
    await switch_module(scheduled.directory_engine, "translation", is_on=True)
    made = await scheduled.create(header={"is_translated": True})
    for is_on, hours in ((False, 20), (True, 25)):
        await switch_module(scheduled.directory_engine, "translation", is_on=is_on)
        fresh = Directory(scheduled.directory_address, scheduled.tokens.service("directory.read"))
        scheduled.occurring = Occurring(scheduled.engine, scheduled.clock, fresh)
        await scheduled.tick(hours=hours)
        await fresh.close()
    assert [each.is_translated for each in await scheduled.messages()] == [False, True]
    found = (await scheduled.get("tea", made.schedule_id)).schedule
    assert (found.state, found.header.is_translated) == (pb.SCHEDULE_STATE_ACTIVE, True)


async def test_an_audience_of_nobody_is_noted_and_the_series_goes_on(scheduled: Scheduled) -> None:
    audience = directory_pb2.Audience(roles=[types.ROLE_PARENT], school_ids=[scheduled.ids["s1"]], grades=["02"])
    made = await scheduled.create(audience=audience)
    await scheduled.tick(hours=20)
    answer = await scheduled.get("tea", made.schedule_id)
    assert [each.reason for each in answer.occurrences] == ["Nobody is in its audience now."]
    assert answer.schedule.state == pb.SCHEDULE_STATE_ACTIVE


@pytest.mark.accepts(142)
async def test_it_is_edited_paused_resumed_and_cancelled_with_its_events(scheduled: Scheduled) -> None:
    made = await scheduled.create()
    plain = scheduled.request(timing={"send_time": "09:30"}, header={"subject": "Snack"})
    request = pb.UpdateScheduleRequest(
        schedule_id=made.schedule_id, version=1, header=plain.header, audience=plain.audience, timing=plain.timing
    )
    edited = (await scheduled.call("tea", "UpdateSchedule", request)).schedule
    assert (edited.version, edited.header.subject, at(edited.next_at)) == (2, "Snack", EIGHT + timedelta(minutes=90))
    with pytest.raises(Aborted):
        await scheduled.call("tea", "UpdateSchedule", request)
    named = {"schedule_id": made.schedule_id}
    paused = (await scheduled.call("tea", "PauseSchedule", pb.PauseScheduleRequest(**named))).schedule
    assert (paused.state, paused.HasField("next_at")) == (pb.SCHEDULE_STATE_PAUSED, False)
    assert await scheduled.tick(hours=48) == 0
    resumed = (await scheduled.call("tea", "ResumeSchedule", pb.ResumeScheduleRequest(**named))).schedule
    assert at(resumed.next_at) > scheduled.clock.now
    await scheduled.call("tea", "CancelSchedule", pb.CancelScheduleRequest(**named))
    cancelled = (await scheduled.call("tea", "CancelSchedule", pb.CancelScheduleRequest(**named))).schedule
    assert cancelled.state == pb.SCHEDULE_STATE_CANCELLED
    assert await scheduled.tick(hours=48) == 0
    rows = await scheduled.rows("SELECT payload FROM outbox WHERE subject = 'queue.schedule.changed.v1' ORDER BY id")
    told = [events.ScheduleChanged.FromString(bytes(row[0])) for row in rows]
    assert [(each.version, each.state) for each in told] == [
        (1, "active"),
        (2, "active"),
        (3, "paused"),
        (4, "active"),
        (5, "cancelled"),
    ]
    assert (told[1].send_time, told[1].rule, told[1].sender_name) == ("09:30", "FREQ=DAILY", "Tom Reed")


@pytest.mark.accepts(135, 140)
async def test_a_viewer_sees_their_own_and_with_the_right_those_of_their_schools(scheduled: Scheduled) -> None:
    made = await scheduled.create()
    for name, all_users, expected in (
        ("tea", False, 1),
        ("pri", True, 1),
        ("pri", False, 0),
        ("cou", True, 0),
        ("off", True, 1),
        ("mum", True, 0),
    ):
        answer = await scheduled.call(name, "ListSchedules", pb.ListSchedulesRequest(), all_users=all_users)
        assert answer.page.total_rows == len(answer.schedules) == expected, name
    named = {"schedule_id": made.schedule_id}
    with pytest.raises(NotFound):
        await scheduled.call("cou", "CancelSchedule", pb.CancelScheduleRequest(**named), all_users=True)
    watching = frozenset({"communication_reports"})
    with pytest.raises(PermissionDenied):
        await scheduled.call(
            "pri", "PauseSchedule", pb.PauseScheduleRequest(**named), all_users=True, permissions=watching
        )
    plain = scheduled.request()
    theirs = pb.UpdateScheduleRequest(
        **named, version=1, header=plain.header, audience=plain.audience, timing=plain.timing
    )
    with pytest.raises(PermissionDenied):
        await scheduled.call("pri", "UpdateSchedule", theirs, all_users=True)
    await scheduled.call("pri", "CancelSchedule", pb.CancelScheduleRequest(**named), all_users=True)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"timing": {"start_date": "2026-10-29", "rule": ""}}, InvalidArgument),
        ({"timing": {"end_date": "2026-10-01"}}, InvalidArgument),
        ({"timing": {"rule": "FREQ=MINUTELY"}}, InvalidArgument),
        ({"audience": directory_pb2.Audience()}, InvalidArgument),
        ({"header": {"subject": "x" * 201}}, InvalidArgument),
        ({"header": {"is_emergency": True}}, PermissionDenied),
        ({"key": ""}, InvalidArgument),
        ({"header": {"kind": types.MESSAGE_KIND_ALERT}}, PermissionDenied),
    ],
)
async def test_what_is_not_in_order_is_refused_and_changes_nothing(
    scheduled: Scheduled, fields: dict[str, Any], error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        await scheduled.create(**fields)
    assert await scheduled.rows("SELECT 1 FROM schedules") == []
    assert await scheduled.rows("SELECT 1 FROM outbox") == []


@pytest.mark.accepts(306)
async def test_a_scheduled_answer_is_one_when_it_is_kept(scheduled: Scheduled) -> None:
    to_tom, to_ida = (directory_pb2.Audience(person_ids=[scheduled.ids[name]]) for name in ("tea", "pri"))
    await scheduled.create("pri", audience=to_tom, timing=ONCE)
    await scheduled.tick(hours=20)
    (written,) = await scheduled.messages()
    later, answered = {"start_date": "2026-11-02", "rule": ""}, {"in_reply_to": str(written.message_id)}
    for header, audience, reason in (
        ({"in_reply_to": new_id()}, to_ida, "ANSWERED_UNKNOWN"),
        (answered, directory_pb2.Audience(roles=[types.ROLE_PARENT]), "ANSWER_TO_OTHERS"),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await scheduled.create(header=header, timing=later, audience=audience)
        assert refused.value.reason == reason
    await scheduled.create(header=answered, timing=later, audience=to_ida)
    await scheduled.tick(hours=49)
    assert [each.in_reply_to for each in await scheduled.messages()] == ["", str(written.message_id)]


async def test_one_person_keeps_so_many_and_no_more(scheduled: Scheduled) -> None:
    await scheduled.create()
    copied = (
        "INSERT INTO schedules (schedule_id, state, caller, sender_id, header, audience, start_date, send_time,"
        " time_zone, next_at, created_at, changed_at, rule) SELECT gen_random_uuid(), state, caller, sender_id, header,"
        " audience, start_date, send_time, time_zone, next_at, created_at, changed_at, rule FROM schedules,"
        " generate_series(2, :most) RETURNING 1"
    )
    await scheduled.rows(copied, most=MAX_PER_SENDER)
    with pytest.raises(ResourceExhausted):
        await scheduled.create()
    await scheduled.create("pri")


async def test_a_recording_is_kept_while_a_schedule_needs_it(scheduled: Scheduled) -> None:
    with pytest.raises(InvalidArgument, match="recording"):
        await scheduled.create(channels=[types.CHANNEL_RECORDED])
    ((recording_id,),) = await scheduled.rows(
        "INSERT INTO recordings (recording_id, owner_id, content_type, size_bytes, duration_seconds, created_at,"
        " stored_at) VALUES (gen_random_uuid(), :owner, 'audio/wav', 100, 1, :now, :now) RETURNING recording_id::text",
        owner=scheduled.ids["tea"],
        now=scheduled.clock.now,
    )
    request = scheduled.request(channels=[types.CHANNEL_RECORDED])
    request.header.channels[0].recording_id = recording_id
    made = (await scheduled.call("tea", "CreateSchedule", request)).schedule
    later = scheduled.clock.now + timedelta(days=400)

    async def old() -> list[str]:
        async with transaction(scheduled.engine) as connection:
            return await recordings.take_old(connection, later, later, later, 10)

    assert await old() == []
    await scheduled.tick(hours=20)
    assert [str(row[0]) for row in await scheduled.rows("SELECT recording_id FROM entries")] == [recording_id]
    await scheduled.call("tea", "CancelSchedule", pb.CancelScheduleRequest(schedule_id=made.schedule_id))
    assert await old() == [recording_id]


async def test_without_directory_the_schedule_waits(scheduled: Scheduled) -> None:
    made = await scheduled.create()
    nobody = Directory("127.0.0.1:1", scheduled.tokens.service("directory.read"))
    scheduled.clock.now = EIGHT
    away = Occurring(scheduled.engine, scheduled.clock, nobody)
    assert await away.step() == 1
    assert await away.step() == 0, "it is not tried again at once"
    await nobody.close()
    # While it is due the next sending that people see is the one after it.
    assert at((await scheduled.get("tea", made.schedule_id)).schedule.next_at) == EIGHT + timedelta(hours=25)
    assert await scheduled.tick(minutes=5) == 1
    assert len(await scheduled.messages()) == 1


async def test_a_schedule_that_cannot_be_sent_waits_alone_and_longer_each_time(scheduled: Scheduled) -> None:
    broken, sound = await scheduled.create(), await scheduled.create(timing={"send_time": "08:01"})
    await scheduled.rows(
        "UPDATE schedules SET audience = '\\xff' WHERE schedule_id = :id RETURNING 1", id=broken.schedule_id
    )
    scheduled.clock.now = EIGHT + timedelta(minutes=1)
    assert await scheduled.tick() == 2
    noted = "SELECT failures, failure, retry_at FROM schedules WHERE schedule_id = :id"
    (row,) = await scheduled.rows(noted, id=broken.schedule_id)
    assert tuple(row) == (1, "DecodeError", scheduled.clock.now + timedelta(seconds=1))
    (message,) = await scheduled.messages()
    (sent,) = (await scheduled.get("tea", sound.schedule_id)).occurrences
    assert sent.message_id == str(message.message_id)
    assert [await scheduled.tick(seconds=each) for each in (0.9, 0.1, 1.9, 0.1)] == [0, 1, 0, 1]
    await scheduled.tick(hours=2)
    (row,) = await scheduled.rows(noted, id=broken.schedule_id)
    assert tuple(row) == (0, "", None)
    rows = await scheduled.rows(
        "SELECT reason FROM schedule_occurrences WHERE schedule_id = :id", id=broken.schedule_id
    )
    assert [row[0] for row in rows] == [FAILED]


async def test_a_timing_is_shown_before_anything_is_kept(scheduled: Scheduled) -> None:
    timing = pb.Timing(start_date="2026-10-30", send_time="08:00", rule="FREQ=WEEKLY;BYDAY=MO,FR")
    answer = await scheduled.call("tea", "PreviewSchedule", pb.PreviewScheduleRequest(timing=timing))
    assert answer.time_zone == "America/New_York"
    assert [at(each).day for each in answer.upcoming] == [2, 6, 9, 13, 16]
    assert all(at(each) > NOON for each in answer.upcoming)
    assert await scheduled.rows("SELECT 1 FROM schedules") == []
