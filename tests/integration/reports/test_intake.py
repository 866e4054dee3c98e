"""The queue's events in every order and number (statements 62, 239, 249)."""

import asyncio
import random
from datetime import UTC, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from protos.reports.v1 import reports_pb2 as pb
from protos.reports.v1 import reports_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.bus import Bus
from services.kit.consumer import Consumer
from services.kit.db import transaction
from services.reports.events import QUEUE, QueueEvents
from tests.integration.reports.conftest import (
    NOON,
    NORTH,
    SOUTH,
    Reports,
    counts,
    delivered,
    entry,
    message,
    person,
    progressed,
    released,
    submitted,
    threat,
    withheld,
)
from tests.support.eventually import eventually

OFFICER = person("Otto", "communication_reports", "view_all_users", "threat_alerts")


async def state(reports: Reports) -> list[tuple[Any, ...]]:
    """Everything of the read model that a viewer sees."""
    rows = (await reports.history(OFFICER)).rows
    return [(row.entry_id, row.counts.SerializeToString(), row.is_withheld, row.version) for row in rows]


@pytest.mark.accepts(239)
@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_repetition_ends_the_same(reports: Reports, seed: int) -> None:
    chance = random.Random(seed)
    plain, held, danger = message(), message(is_held=True), threat()
    danger.is_held = True
    told = [
        submitted(plain),
        progressed(plain, 2, counts(NORTH, pending=1, sent=2)),
        progressed(plain, 3, counts(NORTH, sent=2, error=1)),
        submitted(held),
        released(held),
        submitted(danger),
        withheld(danger),
    ]
    told = told + chance.sample(told, 4)
    chance.shuffle(told)
    for each in told:
        await reports.hear(each)
    found = {row.message_id: row for row in (await reports.history(OFFICER)).rows}
    assert set(found) == {plain.message_id, held.message_id, danger.message_id}
    assert (found[plain.message_id].counts.error, found[plain.message_id].version) == (1, 3)
    assert [each for each, row in found.items() if row.is_withheld] == [danger.message_id]
    before = await state(reports)
    await reports.hear(*told)
    assert await state(reports) == before


@pytest.mark.accepts(249)
async def test_a_message_that_waits_is_shown_to_nobody(reports: Reports) -> None:
    held = message(is_held=True)
    await reports.hear(submitted(held))
    assert not (await reports.history(OFFICER)).rows
    assert not (await reports.threats(OFFICER)).rows
    await reports.hear(released(held))
    assert len((await reports.history(OFFICER)).rows) == 1


async def test_alerts_to_staff_are_no_rows_and_imported_threats_are(reports: Reports) -> None:
    danger = threat()
    await reports.hear(submitted(message(kind=types.MESSAGE_KIND_ALERT)), withheld(danger, is_imported=True))
    assert [row.message_id for row in (await reports.history(OFFICER)).rows] == [danger.message_id]
    threats = await reports.threats(OFFICER)
    assert ([row.is_imported for row in threats.rows], threats.open) == ([True], 0)


async def test_a_resend_adds_its_entry_and_school(reports: Reports) -> None:
    sent = message()
    await reports.hear(submitted(sent))
    sent.entries.append(entry(types.CHANNEL_SMS, [counts(SOUTH, sent=1)]))
    await reports.hear(submitted(sent))
    south = person("Sara", "communication_reports", "view_all_users", schools=[SOUTH])
    assert len((await reports.history(OFFICER)).rows) == 2
    assert {row.counts.total for row in (await reports.history(south)).rows} == {0, 1}


@pytest.mark.accepts(305)
async def test_what_is_sent_again_is_found_on_the_day_when_that_was(reports: Reports) -> None:
    sent = message()
    await reports.hear(submitted(sent))
    again = entry(types.CHANNEL_SMS, [counts(NORTH, pending=1)])
    again.sent_at.FromDatetime(NOON + timedelta(days=21))
    sent.entries.append(again)
    await reports.hear(submitted(sent))
    (row,) = (await reports.history(OFFICER, start_date="2026-12-01")).rows
    assert (row.entry_id, row.sent_at) == (again.entry_id, again.sent_at)
    assert [each.entry_id for each in (await reports.history(OFFICER)).rows] == [
        again.entry_id,
        sent.entries[0].entry_id,
    ]


@pytest.mark.accepts(305)
async def test_resends_that_are_told_in_another_order_keep_their_days(reports: Reports) -> None:
    sent = message()
    first, second = (entry(types.CHANNEL_SMS, [counts(NORTH, pending=1)]) for _ in range(2))
    told = []
    for days, again in ((21, first), (22, second)):
        sent.entries.append(again)
        sent.entries[-1].sent_at.FromDatetime(NOON + timedelta(days=days))
        told.append(submitted(sent))
        sent.entries[-1].ClearField("sent_at")
    await reports.hear(*reversed(told))
    await reports.hear(submitted(sent))
    found = {row.entry_id: row.sent_at.ToDatetime(tzinfo=UTC) for row in (await reports.history(OFFICER)).rows}
    assert [found[each.entry_id] - NOON for each in (first, second)] == [timedelta(days=21), timedelta(days=22)]


@pytest.mark.accepts(62)
async def test_counts_that_do_not_add_up_are_refused_by_the_table(reports: Reports) -> None:
    async with reports.engine.connect() as connection:
        await connection.execute(sa.text("INSERT INTO progress VALUES (gen_random_uuid(), 1)"))
        with pytest.raises(sa.exc.IntegrityError, match="counts_add_up"):
            await connection.execute(
                sa.text("INSERT INTO entry_counts SELECT entry_id, 's', 5, 0, 0, 4, 0, 0, 0, 0, 0, 0 FROM progress")
            )


@pytest.mark.accepts(69, 238)
async def test_moving_counts_reach_whoever_watches_through_nats(reports: Reports, nats_url: str) -> None:
    bus = Bus(nats_url, name="test")
    await bus.open("directory")
    consumer = Consumer(bus, QUEUE, QueueEvents(reports.engine).handle)
    running = asyncio.create_task(consumer.run())
    await reports.listener.is_listening.wait()
    sent, other = message(), message(school=SOUTH)

    async def publish(*told: tuple[str, Any]) -> None:
        for each in told:
            await bus.publish(each[0], each[1].SerializeToString(), each[1].event_id)

    async def both_are_listed() -> None:
        assert len((await reports.history(OFFICER)).rows) == 2

    try:
        await publish(submitted(sent), submitted(other))
        await eventually(both_are_listed)
        watcher = person("Sara", "communication_reports", "view_all_users", schools=[NORTH])
        stub: Any = reports_pb2_grpc.ReportsServiceStub(reports.channel)
        ids = [each.entries[0].entry_id for each in (sent, other)]
        call = stub.WatchEntries(pb.WatchEntriesRequest(entry_ids=ids), metadata=reports.metadata(watcher), timeout=20)
        first = await call.read()
        assert [(row.entry_id, row.counts.pending) for row in first.rows] == [(ids[0], 3)]
        await publish(progressed(other, 2, counts(SOUTH, sent=3)), progressed(sent, 2, counts(NORTH, sent=3)))
        moved = await call.read()
        while not moved.rows:
            moved = await call.read()
        assert [(row.entry_id, row.counts.sent) for row in moved.rows] == [(ids[0], 3)]
        call.cancel()
    finally:
        await consumer.stop()
        await running
        await bus.close()


async def test_an_event_that_failed_halfway_leaves_nothing(reports: Reports) -> None:
    good, broken = submitted(message()), submitted(message(sender_role=99))
    with pytest.raises(ValueError, match="99"):
        await QueueEvents(reports.engine).handle([delivered(good), delivered(broken)])
    async with transaction(reports.engine) as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM consumed_events"))).scalar() == 0
    await reports.hear(good)
    assert len((await reports.history(OFFICER)).rows) == 1
