"""Messages that wait too long for their verdict: somebody is told, once and again while it lasts (statement 167)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from protos.events.v1 import moderation_pb2
from protos.events.v1 import queue_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller
from services.kit.db import transaction
from services.kit.handling import Event, Poison
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions import control
from services.queue.actions.stalling import AGAIN_AFTER, ask_again, watch_screening
from services.queue.actions.submit import Submitted
from services.queue.events import on_verdict
from tests.integration.queue.conftest import PUPIL, Queue, draft, person

LIMIT = 300.0


async def waits(queue: Queue) -> Submitted:
    return await queue.submit(draft(sender=PUPIL), [person(1)], screened=True)


async def watch(queue: Queue) -> int:
    return await watch_screening(queue.engine, queue.clock, LIMIT)


async def told(queue: Queue) -> list[events.ScreeningStalled]:
    return await queue.event(events_out.SCREENING_STALLED, events.ScreeningStalled)


async def verdict(queue: Queue, sent: Submitted, decision: types.Verdict.Decision.ValueType) -> None:
    reached = moderation_pb2.VerdictReached(event_id=new_id())
    reached.verdict.message_id, reached.verdict.decision = sent.snapshot.message.message_id, decision
    await on_verdict(queue.engine, queue.clock, Event("v", reached.event_id, reached.SerializeToString(), 1))


@pytest.mark.accepts(167)
async def test_people_are_told_once_and_again_while_it_lasts(queue: Queue) -> None:
    first = await waits(queue)
    assert await watch(queue) == 1
    assert await told(queue) == []
    queue.clock.ahead = timedelta(seconds=LIMIT + 1)
    await waits(queue)
    # A verdict that nobody can read is parked, and its message goes on waiting.
    with pytest.raises(Poison):
        await verdict(queue, first, types.Verdict.DECISION_UNSPECIFIED)
    assert [await watch(queue) for _ in range(3)] == [2, 2, 2]
    (event,) = await told(queue)
    assert event.messages == 2
    assert event.oldest_at.ToDatetime(tzinfo=first.snapshot.message.created_at.tzinfo) == (
        first.snapshot.message.created_at
    )
    queue.clock.ahead += AGAIN_AFTER
    await watch(queue)
    await watch(queue)
    assert len(await told(queue)) == 2


@pytest.mark.accepts(167)
async def test_after_a_verdict_the_next_stall_is_told_anew_and_what_was_cancelled_waits_for_nothing(
    queue: Queue,
) -> None:
    first = await waits(queue)
    queue.clock.ahead = timedelta(seconds=LIMIT + 1)
    await watch(queue)
    await verdict(queue, first, types.Verdict.DECISION_CLEAN)
    assert await watch(queue) == 0
    second = await waits(queue)
    queue.clock.ahead += timedelta(seconds=LIMIT + 1)
    await watch(queue)
    assert len(await told(queue)) == 2
    operator = Caller("sis", frozenset(), None)
    await control.cancel(queue.engine, queue.clock, operator, second.snapshot.message.message_id)
    assert await watch(queue) == 0


async def asked(queue: Queue) -> list[events.ScreeningRequested]:
    return await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested)


@pytest.mark.accepts(167)
async def test_what_was_asked_is_asked_again_ever_later_until_the_verdict_comes(queue: Queue) -> None:
    sent = await waits(queue)
    (question,) = await asked(queue)
    for minutes, times in ((9, 1), (2, 2), (19, 2), (2, 3), (60 * 24, 4), (60 * 4 + 1, 5)):
        queue.clock.ahead += timedelta(minutes=minutes)
        assert [await ask_again(queue.engine, queue.clock) for _ in range(2)] == [False, False]
        assert await asked(queue) == [question] * times
    await verdict(queue, sent, types.Verdict.DECISION_CLEAN)
    queue.clock.ahead += timedelta(days=1)
    await ask_again(queue.engine, queue.clock)
    assert len(await asked(queue)) == 5


async def test_nothing_is_asked_about_what_a_process_of_the_release_before_decided(queue: Queue) -> None:
    await waits(queue)
    async with transaction(queue.engine) as connection:
        await connection.execute(
            sa.text("UPDATE messages SET screening = 'released', verdict = '', decided_at = now()")
        )
    queue.clock.ahead += timedelta(minutes=11)
    await ask_again(queue.engine, queue.clock)
    assert len(await asked(queue)) == 1
    async with transaction(queue.engine) as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM screening_questions"))).scalar_one() == 0
