"""Each message of a series has its own times: when what it asks closes, and after which it is of no use."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from protos.queue.v1 import queue_pb2
from protos.types.v1 import surveys_pb2 as surveys
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
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
