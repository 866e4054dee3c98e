"""Each message of a series has its own times: when what it asks closes, and after which it is of no use."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from protos.directory.v1 import directory_pb2
from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import queue_pb2
from protos.queue.v1 import schedules_pb2 as pb
from protos.types.v1 import surveys_pb2 as surveys
from protos.types.v1 import types_pb2 as types
from services.kit.errors import FailedPrecondition, InvalidArgument
from services.queue.scheduling import MISSED, RETIMED
from tests.integration.queue.scheduled import Scheduled, scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

EIGHT = datetime(2026, 10, 31, 12, tzinfo=UTC)


@pytest.fixture
async def scheduled(databases: Databases, tokens: Tokens) -> AsyncIterator[Scheduled]:
    async with scheduled_queue(databases, tokens) as made:
        yield made


def _poll(closes_at: datetime) -> queue_pb2.ChannelContent:
    survey = surveys.Survey(
        questions=[
            surveys.Question(text="Which day?", options=[surveys.Option(text="One"), surveys.Option(text="Two")])
        ]
    )
    survey.closes_at.FromDatetime(closes_at)
    return queue_pb2.ChannelContent(channel=types.CHANNEL_POLL, survey=survey)


@pytest.mark.accepts(54, 55, 138)
async def test_each_poll_of_a_series_closes_as_long_after_it_on_the_wall(scheduled: Scheduled) -> None:
    """From 31 October at eight in the morning to six in the evening; the clocks change in the night after it."""
    request = scheduled.request()
    del request.header.channels[:]
    request.header.channels.append(_poll(EIGHT + timedelta(hours=10)))
    await scheduled.call("tea", "CreateSchedule", request)
    scheduled.clock.now = EIGHT
    await scheduled.tick()
    await scheduled.tick(hours=25)
    rows = await scheduled.rows("SELECT closes_at FROM surveys ORDER BY created_at")
    assert [row[0] for row in rows] == [EIGHT + timedelta(hours=10), EIGHT + timedelta(hours=35)]


async def test_a_poll_that_would_be_closed_when_it_is_sent_is_refused(scheduled: Scheduled) -> None:
    request = scheduled.request()
    del request.header.channels[:]
    request.header.channels.append(_poll(EIGHT))
    with pytest.raises(InvalidArgument) as refused:
        await scheduled.call("tea", "CreateSchedule", request)
    assert refused.value.reason == "SURVEY_CLOSING_INVALID"


async def test_a_series_goes_on_after_a_poll_that_an_outage_outlasted(scheduled: Scheduled) -> None:
    request = scheduled.request()
    del request.header.channels[:]
    request.header.channels.append(_poll(EIGHT + timedelta(minutes=30)))
    made = (await scheduled.call("tea", "CreateSchedule", request)).schedule
    scheduled.clock.now = EIGHT + timedelta(minutes=35)
    await scheduled.tick()
    answer = await scheduled.get("tea", made.schedule_id)
    assert [each.reason for each in answer.occurrences] == ["What it asks was closed before it could be sent."]
    assert answer.schedule.state == pb.SCHEDULE_STATE_ACTIVE
    (told,) = await scheduled.attention()
    assert (told.kind, told.owner_id, told.subject_id) == (
        events.ATTENTION_KIND_SCHEDULE_NOT_SENT,
        scheduled.ids["tea"],
        made.schedule_id,
    )
    assert told.reason == "October 31, 08:00: What it asks was closed before it could be sent."
    await scheduled.tick(hours=24, minutes=25)
    assert len(await scheduled.messages()) == 1


async def test_the_last_poll_that_an_outage_outlasted_is_told_of_and_may_be_sent_yet(scheduled: Scheduled) -> None:
    request = scheduled.request(timing={"rule": ""})
    del request.header.channels[:]
    request.header.channels.append(_poll(EIGHT + timedelta(minutes=15)))
    made = (await scheduled.call("tea", "CreateSchedule", request)).schedule
    scheduled.clock.now = EIGHT + timedelta(minutes=20)
    await scheduled.tick()
    found = (await scheduled.get("tea", made.schedule_id)).schedule
    assert found.state == pb.SCHEDULE_STATE_PAUSED
    reason = "What it asks was closed before it could be sent."
    assert [(each.reason, each.subject_id) for each in await scheduled.attention()] == [(reason, made.schedule_id)]
    edit = _edit(found)
    edit.timing.send_time = "09:00"
    edit.header.channels[0].survey.closes_at.FromDatetime(EIGHT + timedelta(hours=2))
    await scheduled.call("tea", "UpdateSchedule", edit)
    await scheduled.call("tea", "ResumeSchedule", pb.ResumeScheduleRequest(schedule_id=made.schedule_id))
    await scheduled.tick(hours=1)
    assert [each.subject for each in await scheduled.messages()] == ["Snack"]


async def test_what_a_series_leaves_out_is_told_of_once_unless_a_later_one_stands_for_it(scheduled: Scheduled) -> None:
    made = await scheduled.create()
    scheduled.clock.now = EIGHT + timedelta(hours=25, minutes=50)
    await scheduled.tick()
    assert (len(await scheduled.messages()), await scheduled.attention()) == (1, [])
    scheduled.clock.now = EIGHT + timedelta(hours=75)
    await scheduled.tick()
    (told,) = await scheduled.attention()
    assert (told.kind, told.subject_id) == (events.ATTENTION_KIND_SCHEDULE_NOT_SENT, made.schedule_id)
    assert told.reason == f"November 3, 08:00: {MISSED}"


@pytest.mark.accepts(54)
@pytest.mark.parametrize(
    ("grades", "late", "reason"),
    [([], timedelta(hours=2), MISSED), (["02"], timedelta(), "Nobody is in its audience now.")],
)
async def test_a_single_message_that_is_not_sent_is_told_of_and_may_be_sent_yet(
    scheduled: Scheduled, grades: list[str], late: timedelta, reason: str
) -> None:
    audience = directory_pb2.Audience(roles=[types.ROLE_PARENT], school_ids=[scheduled.ids["s1"]], grades=grades)
    made = await scheduled.create(timing={"rule": ""}, audience=audience)
    scheduled.clock.now = EIGHT + late
    await scheduled.tick()
    found = (await scheduled.get("tea", made.schedule_id)).schedule
    assert (found.state, found.pause_reason) == (pb.SCHEDULE_STATE_PAUSED, reason)
    (told,) = await scheduled.attention()
    assert (told.reason, told.owner_id, told.subject_id) == (reason, scheduled.ids["tea"], made.schedule_id)
    listed = await scheduled.call("tea", "ListSchedules", pb.ListSchedulesRequest())
    assert [each.schedule_id for each in listed.schedules] == [made.schedule_id]
    with pytest.raises(FailedPrecondition):
        await scheduled.call("tea", "ResumeSchedule", pb.ResumeScheduleRequest(schedule_id=made.schedule_id))
    edit = _edit(found)
    edit.timing.send_time = "11:00"
    edit.audience.grades[:] = []
    await scheduled.call("tea", "UpdateSchedule", edit)
    await scheduled.call("tea", "ResumeSchedule", pb.ResumeScheduleRequest(schedule_id=made.schedule_id))
    scheduled.clock.now = EIGHT + timedelta(hours=3)
    await scheduled.tick()
    assert len(await scheduled.messages()) == 1


@pytest.mark.accepts(60, 64)
async def test_each_message_of_a_series_is_of_use_for_as_long_on_the_wall(scheduled: Scheduled) -> None:
    """From 31 October at eight in the morning to six in the evening; the clocks change in the night after it."""
    request = scheduled.request()
    request.header.expires_at.FromDatetime(EIGHT + timedelta(hours=10))
    await scheduled.call("tea", "CreateSchedule", request)
    scheduled.clock.now = EIGHT
    await scheduled.tick()
    await scheduled.tick(hours=25)
    rows = await scheduled.rows(
        "SELECT DISTINCT m.expires_at, e.expires_at FROM messages m JOIN entries e USING (message_id) ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [(EIGHT + timedelta(hours=each),) * 2 for each in (10, 35)]


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=30, minutes=1)])
async def test_a_series_of_no_use_when_it_is_first_sent_is_refused(scheduled: Scheduled, after: timedelta) -> None:
    request = scheduled.request()
    request.header.expires_at.FromDatetime(EIGHT + after)
    with pytest.raises(InvalidArgument) as refused:
        await scheduled.call("tea", "CreateSchedule", request)
    assert [each.pointer for each in refused.value.violations] == ["/expires_at"]


@pytest.mark.accepts(54, 60, 64)
async def test_the_times_of_a_series_that_has_begun_are_those_of_its_next_message(scheduled: Scheduled) -> None:
    """Its first date is past when it is made; what an editor reads is what they may keep, and it stays as long."""
    request = scheduled.request(timing={"start_date": "2026-10-01"})
    until, closes_at = EIGHT + timedelta(hours=10), EIGHT + timedelta(hours=12)
    request.header.expires_at.FromDatetime(until)
    del request.header.channels[:]
    request.header.channels.append(_poll(closes_at))
    made = (await scheduled.call("tea", "CreateSchedule", request)).schedule
    assert _times(made) == (until, closes_at)
    scheduled.clock.now = EIGHT
    await scheduled.tick()
    found = (await scheduled.get("tea", made.schedule_id)).schedule
    winter = timedelta(hours=25)
    assert _times(found) == (until + winter, closes_at + winter)
    edit = pb.UpdateScheduleRequest(header=found.header, audience=found.audience, timing=found.timing)
    edit.schedule_id, edit.version = found.schedule_id, found.version
    kept = (await scheduled.call("tea", "UpdateSchedule", edit)).schedule
    assert _times(kept) == _times(found)
    await scheduled.tick(hours=25)
    rows = await scheduled.rows(
        "SELECT m.expires_at, s.closes_at FROM messages m JOIN surveys s USING (message_id) ORDER BY m.created_at"
    )
    assert [tuple(row) for row in rows] == [(until, closes_at), (until + winter, closes_at + winter)]
    edit.version, edit.header.expires_at.seconds = kept.version, found.header.expires_at.seconds
    with pytest.raises(InvalidArgument):
        await scheduled.call("tea", "UpdateSchedule", edit)


def _times(schedule: pb.Schedule) -> tuple[datetime, datetime]:
    survey = schedule.header.channels[0].survey
    return schedule.header.expires_at.ToDatetime(UTC), survey.closes_at.ToDatetime(UTC)


async def test_a_series_that_was_kept_answers_again_after_its_first_message_went_out(scheduled: Scheduled) -> None:
    request = scheduled.request()
    request.header.expires_at.FromDatetime(EIGHT + timedelta(hours=10))
    kept = await scheduled.call("tea", "CreateSchedule", request)
    scheduled.clock.now = EIGHT
    await scheduled.tick()
    again = await scheduled.call("tea", "CreateSchedule", request)
    assert (again.is_repeat, again.schedule.schedule_id) == (True, kept.schedule.schedule_id)


def _edit(kept: pb.Schedule) -> pb.UpdateScheduleRequest:
    """Return a request for other words and nothing else."""
    edit = pb.UpdateScheduleRequest(schedule_id=kept.schedule_id, version=kept.version, header=kept.header)
    edit.audience.CopyFrom(kept.audience)
    edit.timing.CopyFrom(kept.timing)
    edit.header.subject = "Snack"
    return edit


@pytest.mark.accepts(55, 142)
@pytest.mark.parametrize("rule", ["FREQ=DAILY", ""])
async def test_what_is_due_while_its_words_are_changed_goes_out_in_the_new_ones(
    scheduled: Scheduled, rule: str
) -> None:
    kept = await scheduled.create(timing={"rule": rule})
    scheduled.clock.now = EIGHT + timedelta(seconds=30)
    await scheduled.call("tea", "UpdateSchedule", _edit(kept))
    await scheduled.tick()
    assert [each.subject for each in await scheduled.messages()] == ["Snack"]
    (sent,) = (await scheduled.get("tea", kept.schedule_id)).occurrences
    assert (sent.occurs_at.ToDatetime(UTC), bool(sent.message_id), sent.reason) == (EIGHT, True, "")


@pytest.mark.accepts(55, 142)
async def test_what_is_due_while_its_times_are_changed_is_noted_as_not_sent(scheduled: Scheduled) -> None:
    kept = await scheduled.create()
    scheduled.clock.now = EIGHT + timedelta(days=1, hours=1, seconds=30)
    edit = _edit(kept)
    edit.timing.send_time = "09:30"
    await scheduled.call("tea", "UpdateSchedule", edit)
    await scheduled.tick(minutes=90)
    assert [each.subject for each in await scheduled.messages()] == ["Snack"]
    found = (await scheduled.get("tea", kept.schedule_id)).occurrences
    assert [(each.occurs_at.ToDatetime(UTC), each.reason) for each in found] == [
        (EIGHT + timedelta(days=1, hours=2, minutes=30), ""),
        (EIGHT + timedelta(days=1, hours=1), RETIMED),
        (EIGHT, RETIMED),
    ]


@pytest.mark.accepts(138)
@pytest.mark.parametrize("rule", ["FREQ=DAILY", ""])
@pytest.mark.parametrize("hours", [-1, 1])
async def test_new_rules_of_the_zone_send_nothing_twice(scheduled: Scheduled, rule: str, hours: int) -> None:
    """As after an update of tzdata: what is next was computed by rules under which eight was another moment."""
    await scheduled.create(timing={"rule": rule})
    stale = timedelta(hours=hours)
    await scheduled.rows("UPDATE schedules SET next_at = next_at + :stale RETURNING 1", stale=stale)
    scheduled.clock.now = EIGHT + stale
    assert await scheduled.tick() == 1
    if hours < 0:
        assert (await scheduled.messages(), await scheduled.rows("SELECT 1 FROM schedule_occurrences")) == ([], [])
        scheduled.clock.now = EIGHT
        assert await scheduled.tick() == 1
    assert (len(await scheduled.messages()), await scheduled.attention()) == (1, [])
    (row,) = await scheduled.rows("SELECT next_at FROM schedules")
    # Daylight saving ends in the night after it.
    assert row.next_at == (EIGHT + timedelta(hours=25) if rule else None)
