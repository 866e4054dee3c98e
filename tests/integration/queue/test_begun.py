"""A dispatcher that dies in the middle of a batch leaves only those calls in question that it may have begun."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from services.kit.db import transaction
from services.queue.actions.recover import recover_one
from services.queue.domain import Channel, Lane
from services.queue.providers.base import Handed, MayContinue, Provider
from services.queue.records import Receipt
from services.queue.store import batches
from services.queue.work import Delivery, Work
from tests.integration.queue.conftest import Queue, dispatch_one, draft, every_channel, person
from tests.support.eventually import eventually
from tests.support.vendors import VendorSimulator

FAMILIES = 60
CONCURRENCY = 4
IN_QUESTION = CONCURRENCY + 3 * CONCURRENCY // 2
"""Calls under way, and the one and a half slices that the mark may be ahead of them; a slice of SES is as many."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Mortal:
    """A real adapter whose process dies once it has said so many answers; calls under way go on, as they would."""

    def __init__(self, provider: Provider, answers: int) -> None:
        self._provider, self._left = provider, answers
        self.name, self.channel, self.tells = provider.name, provider.channel, provider.tells
        self.slice_size = provider.slice_size
        self.trace, self.ask, self.close = provider.trace, provider.ask, provider.close

    async def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Hand over until death."""
        if not self._left:
            raise Killed
        async for some in self._provider.hand_over(work, recipients, may_continue):
            known = some[: self._left]
            yield known
            self._left -= len(known)
            if not self._left:
                raise Killed


async def _die_and_recover(queue: Queue, vendors: VendorSimulator, answers: int) -> tuple[set[str], dict[str, int]]:
    """Kill a dispatcher after so many answers; return whom the provider had by then and the final counts."""
    vendors.reset()
    people = [person(2 * n) for n in range(1, FAMILIES + 1)]
    entry_id = (await queue.submit(draft(), people)).snapshot.entries[0].entry_id
    doomed = queue.dispatcher(provider_concurrency=CONCURRENCY)
    mortal = Mortal(doomed.providers[Channel.EMAIL], answers)
    doomed.providers = {**doomed.providers, Channel.EMAIL: mortal}
    with pytest.raises(Killed):
        await dispatch_one(doomed, list(Lane))
    await mortal.close()
    arrived = vendors.arrivals(channel="email")
    told = [
        Receipt("ses", each["vendor_id"], each["tags"]["delivery_key"], "Send", "", queue.clock()) for each in arrived
    ]
    await queue.record(told)
    queue.clock.ahead += timedelta(seconds=61)
    heir = queue.dispatcher()
    while await recover_one(heir) or await dispatch_one(heir, list(Lane)):
        pass
    await asyncio.to_thread(vendors.wait_quiet)
    return {each["to"] for each in arrived}, await queue.counts(entry_id)


@pytest.mark.accepts(65)
@pytest.mark.parametrize("answers", [0, 1, 3, 4, 5, 17, 31, 48, 56, 59, 60])
async def test_only_calls_that_may_have_begun_are_in_question(
    queue: Queue, vendors: VendorSimulator, answers: int
) -> None:
    before, counts = await _die_and_recover(queue, vendors, answers)
    assert vendors.counts()["doubles"] == 0
    reached = {each["to"] for each in vendors.arrivals(channel="email")}
    errors = counts.get("error", 0)
    # Every family that was not reached is named in the report, and none was given up that was reached.
    assert counts["total"] == FAMILIES == len(reached) + errors
    # Answers that came before the last one was heard have made room for other calls.
    assert answers <= len(before) <= answers + 2 * CONCURRENCY
    assert errors <= IN_QUESTION
    rows = await queue.rows("SELECT DISTINCT error_code FROM outcomes WHERE state = 'error'")
    assert {row[0] for row in rows} <= {"UNKNOWN_OUTCOME"}


@pytest.mark.accepts(65)
@pytest.mark.parametrize("is_emergency", [False, True])
async def test_a_lost_claim_of_a_channel_that_is_not_set_up_any_more_is_settled(
    queue: Queue, is_emergency: bool
) -> None:
    queue.clock.stop()
    message = draft(channels=[("push", "Closed.")], is_emergency=is_emergency)
    families = [person(2 * n, devices=f"device-{n}") for n in range(1, 5)]
    entry_id = (await queue.submit(message, families)).snapshot.entries[0].entry_id
    async with transaction(queue.engine) as connection:
        assert await batches.claim(connection, every_channel(slice_size=2), queue.clock(), timedelta(seconds=60))
    await queue.record([Receipt("sns", "id-1", f"{entry_id}.1.1", "success", "", queue.clock())])
    dispatcher = queue.dispatcher(sns_platform_application_arn="", receipt_wait_seconds=90.0)
    assert Channel.PUSH not in dispatcher.providers
    for seconds in (61, 61):
        queue.clock.ahead += timedelta(seconds=seconds)
        assert await recover_one(dispatcher)
        assert not await recover_one(dispatcher)
    await queue.assert_true()
    rows = await queue.rows("SELECT number, state, error_code FROM outcomes ORDER BY number")
    unknown = [] if is_emergency else [(2, "error", "UNKNOWN_OUTCOME")]
    assert [tuple(row) for row in rows] == [(1, "sent", ""), *unknown]
    waiting = await queue.rows("SELECT unnest(numbers) FROM batches WHERE state = 'pending' ORDER BY 1")
    assert [row[0] for row in waiting] == ([2, 3, 4] if is_emergency else [3, 4])


async def test_a_lost_claim_begins_no_further_call(queue: Queue, vendors: VendorSimulator) -> None:
    people = [person(2 * n) for n in range(1, FAMILIES + 1)]
    await queue.submit(draft(), people)
    slow = queue.dispatcher(provider_concurrency=CONCURRENCY)
    vendors.modes(ses={"delay_seconds": 0.05})
    sending = asyncio.create_task(dispatch_one(slow, list(Lane)))

    async def has_begun() -> None:
        assert vendors.counts()["total"]

    await eventually(has_begun)
    await queue.rows("UPDATE batches SET claim_id = gen_random_uuid() RETURNING 1")
    assert await sending
    vendors.modes(ses={"mode": "ok"})
    assert vendors.counts()["total"] <= 4 * CONCURRENCY
    (row,) = await queue.rows("SELECT begun, cardinality(numbers) FROM batches")
    assert row[0] < row[1] == FAMILIES
