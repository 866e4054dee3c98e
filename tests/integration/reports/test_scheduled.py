"""Scheduled Messages: the newest state of each schedule, in the viewer's scope, by the days on which it is sent."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.clock import utc_now
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.ids import new_id
from tests.integration.reports.conftest import NORTH, SOUTH, Reports, person

# About noon in the district, so that the day is the same one there and in UTC at whatever hour the tests run.
TOMORROW = (utc_now() + timedelta(days=1)).replace(hour=17, minute=0, second=0, microsecond=0)
WHY = "Your profile does not allow sending messages."


def schedule(by: Viewer, **fields: Any) -> queue.ScheduleChanged:
    """A daily schedule of somebody at the north school, without end."""
    base: dict[str, Any] = {
        "event_id": new_id(), "schedule_id": new_id(), "version": 1, "state": "active", "sender_id": by.person_id,
        "sender_name": by.name, "sender_school_id": NORTH, "school_ids": [NORTH], "subject": "Lunch",
        "channels": [types.CHANNEL_EMAIL, types.CHANNEL_SMS], "start_date": f"{TOMORROW:%Y-%m-%d}",
        "send_time": "08:05", "rule": "FREQ=DAILY", "time_zone": "America/New_York",
    }  # fmt: skip
    next_at: datetime | None = fields.pop("next_at", TOMORROW)
    event = queue.ScheduleChanged(**{**base, **fields})
    if next_at and event.state == "active":
        event.next_at.FromDatetime(next_at)
    return event


def told(*events: queue.ScheduleChanged) -> list[tuple[str, Any]]:
    return [("queue.schedule.changed.v1", each) for each in events]


async def found(reports: Reports, viewer: Viewer, **fields: Any) -> list[str]:
    answer = await reports.ask(viewer, "SearchSchedules", pb.SearchSchedulesRequest(**fields))
    assert answer.page.total_rows == len(answer.rows)
    return [each.schedule_id for each in answer.rows]


@pytest.mark.accepts(132, 136, 139, 142, 239)
async def test_the_newest_state_counts_in_whatever_order_it_comes(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    first = schedule(me, is_emergency=True, end_date="2099-01-01")
    later = schedule(me, schedule_id=first.schedule_id, version=2, send_time="09:30", is_emergency=True)
    await reports.hear(*told(later, first, later))
    answer = await reports.ask(me, "SearchSchedules", pb.SearchSchedulesRequest())
    (row,) = answer.rows
    assert (row.send_time, row.rule, row.end_date, row.is_emergency) == ("09:30", "FREQ=DAILY", "", True)
    assert list(row.channels) == [types.CHANNEL_EMAIL, types.CHANNEL_SMS]
    assert row.next_at.ToDatetime() == TOMORROW.replace(tzinfo=None)
    await reports.hear(*told(schedule(me, schedule_id=first.schedule_id, version=3, state="paused", pause_reason=WHY)))
    (row,) = (await reports.ask(me, "SearchSchedules", pb.SearchSchedulesRequest())).rows
    assert (row.is_paused, row.HasField("next_at"), row.pause_reason) == (True, False, WHY)
    await reports.hear(*told(schedule(me, schedule_id=first.schedule_id, version=4, state="cancelled")))
    assert await found(reports, me) == []


@pytest.mark.accepts(216, 220, 221, 223)
async def test_rules_compare_what_each_column_shows(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    daily = schedule(me, end_date="2099-01-01", is_emergency=True)
    once = schedule(me, rule="", send_time="14:30", channels=[types.CHANNEL_PUSH])
    weekly = schedule(me, rule="FREQ=WEEKLY;BYDAY=MO", send_time="09:00", sender_name="Ann 5%")
    await reports.hear(*told(daily, once, weekly))
    names = {daily.schedule_id: "daily", once.schedule_id: "once", weekly.schedule_id: "weekly"}

    async def find(column: str, operator: str, value: str = "", sort: str = "recursion") -> list[str]:
        number = types.ColumnRule.Operator.Value(f"OPERATOR_{operator.upper()}")
        rules = [types.ColumnRule(column=column, operator=number, value=value)] if operator != "unspecified" else []
        return [names[each] for each in await found(reports, me, rules=rules, sort=types.Sort(column=sort))]

    assert await find("", "unspecified") == ["daily", "weekly", "once"]
    assert await find("", "unspecified", sort="sent_time") == ["daily", "weekly", "once"]
    assert await find("sent_time", "equals", "2:30 pm") == ["once"]
    assert await find("recursion", "contains", "monday") == ["weekly"]
    assert await find("type", "equals", "e-mail, sms") == ["daily", "weekly"]
    assert await find("type", "contains", "push notifications") == ["once"]
    assert await find("created_by", "contains", "5%") == ["weekly"]
    assert await find("emergency", "equals", "yes") == ["daily"]
    assert await find("end_date", "empty") == ["weekly", "once"]
    assert await find("start_date", "less", "2020-01-01") == []
    with pytest.raises(InvalidArgument):
        await find("subject", "contains", "a")


@pytest.mark.accepts(135, 140)
async def test_it_shows_ones_own_and_with_the_right_those_of_ones_schools(reports: Reports) -> None:
    author = person("Ann", "communication_reports", schools=[NORTH], role="teacher")
    north, south = schedule(author), schedule(author, sender_school_id=SOUTH, school_ids=[SOUTH])
    everywhere = schedule(author, sender_school_id="", school_ids=["*"])
    named = schedule(author, school_ids=[])
    await reports.hear(*told(north, south, everywhere, named))
    every = {each.schedule_id for each in (north, south, everywhere, named)}
    assert set(await found(reports, author)) == every
    principal = person("Pri", "communication_reports", "view_all_users", schools=[NORTH])
    expected = {north.schedule_id, everywhere.schedule_id, named.schedule_id}
    assert set(await found(reports, principal, view_all_users=True)) == expected
    assert await found(reports, principal, sender_ids=[principal.person_id]) == []
    other = person("Oda", "communication_reports", schools=[NORTH], role="teacher")
    assert await found(reports, other, sender_ids=[author.person_id]) == []
    with pytest.raises(PermissionDenied):
        await found(reports, other, view_all_users=True)


@pytest.mark.accepts(133, 134, 138)
async def test_the_dates_are_those_of_the_sendings_and_each_side_stands_alone(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    day = {n: f"{TOMORROW + timedelta(days=n):%Y-%m-%d}" for n in (-3, 0, 9, 10, 11)}
    once = schedule(me, rule="", start_date=day[10], next_at=TOMORROW + timedelta(days=10))
    series, ending = schedule(me), schedule(me, end_date=day[9])
    passed = schedule(me, next_at=utc_now() - timedelta(minutes=1))
    await reports.hear(*told(once, series, ending, passed))
    assert once.schedule_id not in await found(reports, me, end_date=day[9])
    ahead = await found(reports, me, start_date=day[10])
    assert {once.schedule_id, series.schedule_id} <= set(ahead)
    assert ending.schedule_id not in ahead
    assert once.schedule_id not in await found(reports, me, start_date=day[11])
    rows = (await reports.ask(me, "SearchSchedules", pb.SearchSchedulesRequest())).rows
    assert [each.HasField("next_at") for each in rows if each.schedule_id == passed.schedule_id] == [False]
    for wrong in (
        {"start_date": "soon"},
        {"end_date": "9999-12-31"},
        {"start_date": "0001-01-01"},
        {"sort": types.Sort(column="secret")},
        {"sender_ids": ["me"]},
    ):
        with pytest.raises(InvalidArgument):
            await found(reports, me, **wrong)
