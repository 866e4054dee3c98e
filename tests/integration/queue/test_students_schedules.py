"""What students schedule is screened when it is sent, as it stands then."""

from collections.abc import AsyncIterator

import pytest

from protos.directory.v1 import directory_pb2
from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import queue_pb2
from protos.queue.v1 import schedules_pb2 as pb
from tests.integration.queue.scheduled import Scheduled, scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

ONCE = {"rule": "", "start_date": "2026-10-31"}


@pytest.fixture
async def scheduled(databases: Databases, tokens: Tokens) -> AsyncIterator[Scheduled]:
    async with scheduled_queue(databases, tokens) as made:
        yield made


@pytest.mark.accepts(162)
async def test_what_a_student_scheduled_is_screened_when_it_is_sent(scheduled: Scheduled) -> None:
    audience = directory_pb2.Audience(person_ids=[scheduled.ids["tea"]])
    await scheduled.create("amy", audience=audience, timing=ONCE)
    assert await scheduled.rows("SELECT 1 FROM outbox WHERE subject = 'queue.screening.requested.v1'") == []
    await scheduled.tick(hours=21)
    (message,) = await scheduled.messages()
    assert message.screening == "waiting"
    assert len(await scheduled.rows("SELECT 1 FROM outbox WHERE subject = 'queue.screening.requested.v1'")) == 1


@pytest.mark.accepts(162)
async def test_what_a_student_edited_is_screened_as_it_is_sent(scheduled: Scheduled) -> None:
    audience = directory_pb2.Audience(person_ids=[scheduled.ids["tea"]])
    made = await scheduled.create("amy", audience=audience, timing=ONCE)
    header = queue_pb2.MessageHeader()
    header.CopyFrom(made.header)
    header.body = "What I say instead."
    edited = pb.UpdateScheduleRequest(
        schedule_id=made.schedule_id, version=made.version, header=header, audience=audience, timing=made.timing
    )
    await scheduled.call("amy", "UpdateSchedule", edited)
    await scheduled.tick(hours=21)
    (message,) = await scheduled.messages()
    assert message.screening == "waiting"
    asked = await scheduled.rows("SELECT payload FROM outbox WHERE subject = 'queue.screening.requested.v1'")
    assert [list(events.ScreeningRequested.FromString(bytes(row[0])).texts)[-1] for row in asked] == [header.body]
