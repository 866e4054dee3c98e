"""Batches that are settled together: each on its own terms, whatever becomes of the others."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.queue.actions.answers import Settlement
from services.queue.actions.dispatch import Claimed, claim, send
from services.queue.actions.settle import Done, Settler
from services.queue.domain import Lane, State
from services.queue.records import Outcome
from tests.integration.queue.conftest import SENDER, Queue, draft, person

SMS = [("sms", "School is closed.")]
DRILL = {"twilio_account_sid": "", "aws_access_key_id": "", "sandbox_channels": "sms"}
FAMILIES = 1_200


async def _claimed(queue: Queue, families: int, most: int = 10) -> tuple[str, Claimed]:
    """Submit a message to two schools, and claim its batches."""
    done = await queue.submit(draft(channels=SMS), [person(n) for n in range(1, families + 1)])
    return done.snapshot.entries[0].entry_id, await claim(queue.dispatcher(**DRILL), list(Lane), most)


def _taken(claimed: Claimed) -> list[Done]:
    """What a provider says that takes everything."""
    return [
        Done(
            work.batch,
            Settlement(outcomes=[Outcome(number, State.HANDED_OFF, 1, "sandbox") for number in work.batch.numbers]),
        )
        for work in claimed.works
    ]


async def _settled(queue: Queue, every: Sequence[Done]) -> list[bool | BaseException]:
    dispatcher = queue.dispatcher(**DRILL)
    settler = Settler(queue.engine, queue.clock, dispatcher.pace)
    return await asyncio.gather(*(settler.settle(each) for each in every), return_exceptions=True)


@pytest.mark.accepts(62)
async def test_what_fails_in_several_batches_is_tried_again_in_one(queue: Queue) -> None:
    done = await queue.submit(draft(channels=SMS), [person(2 * n) for n in range(1, FAMILIES + 1)])
    dispatcher = queue.dispatcher(**DRILL, sandbox_is_busy_every=50)
    claimed = await claim(dispatcher, list(Lane), 10)
    assert [len(work.recipients) for work in claimed.works] == [1_000, 200]
    await asyncio.gather(*(send(dispatcher, work, claimed.until) for work in claimed.works))
    again = await queue.rows("SELECT numbers, attempt FROM batches")
    assert [tuple(row) for row in again] == [(list(range(1, FAMILIES + 1, 50)), 2)]
    entry_id = done.snapshot.entries[0].entry_id
    assert await queue.counts(entry_id) == {"total": FAMILIES, "pending": FAMILIES}
    states = await queue.rows("SELECT state, count(*) FROM outcomes GROUP BY 1")
    assert [tuple(row) for row in states] == [("handed_off", FAMILIES - 24)]


@pytest.mark.accepts(65)
async def test_a_lost_claim_is_not_settled_and_the_others_are(queue: Queue) -> None:
    entry_id, claimed = await _claimed(queue, 8)
    mine, lost = _taken(claimed)
    await queue.rows(
        "UPDATE batches SET claim_id = gen_random_uuid() WHERE batch_id = :batch_id RETURNING 1",
        batch_id=lost.batch.batch_id,
    )
    assert await _settled(queue, [lost, mine]) == [False, True]
    rows = await queue.rows("SELECT number FROM outcomes ORDER BY number")
    assert [row[0] for row in rows] == list(mine.batch.numbers)
    (left,) = await queue.rows("SELECT batch_id FROM batches")
    assert left[0] == lost.batch.batch_id
    assert await queue.counts(entry_id) == {"total": 8, "pending": 8}


async def test_what_cannot_be_settled_does_not_keep_the_others_from_it(queue: Queue) -> None:
    _, claimed = await _claimed(queue, 8)
    bad, good = _taken(claimed)
    twice = replace(bad.settlement, outcomes=[*bad.settlement.outcomes, bad.settlement.outcomes[0]])
    problem, is_settled = await _settled(queue, [replace(bad, settlement=twice), good])
    assert isinstance(problem, Exception)
    assert is_settled is True
    (left,) = await queue.rows("SELECT batch_id FROM batches")
    assert left[0] == bad.batch.batch_id
    assert len(await queue.rows("SELECT 1 FROM outcomes")) == len(good.batch.numbers)


@pytest.mark.accepts(308)
async def test_one_claim_takes_what_is_urgent_first_and_no_more_than_it_may(queue: Queue) -> None:
    await queue.submit(draft(channels=SMS, lane=Lane.BULK), [person(n) for n in range(1, 5)])
    await queue.submit(draft(channels=SMS, sender=SENDER, lane=Lane.ALERT), [person(2)])
    claimed = await claim(queue.dispatcher(**DRILL), list(Lane), 2)
    assert [work.batch.lane for work in claimed.works] == [Lane.ALERT, Lane.BULK]
    assert claimed.due == 2
    assert len(await queue.rows("SELECT 1 FROM batches WHERE state = 'pending'")) == 1
