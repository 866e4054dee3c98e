"""A batch is judged at once, each conversation in its order; what waits is one replica's while it is at work on it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from services.kit.clock import utc_now
from services.kit.db import transaction
from services.kit.errors import Unavailable
from services.kit.ids import new_id
from services.moderation import actions, leasing, store
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Judgement
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.providers.base import Provider, Text
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from services.moderation.tables import verdicts, waiting
from tests.support.eventually import eventually
from tests.support.vendors import VendorSimulator


def asked(text: str, conversation: str = "") -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(
        event_id=new_id(), message_id=new_id(), texts=["Hello", text], conversation_key=conversation, language="en"
    )
    request.requested_at.FromDatetime(datetime.now(UTC))
    return request


class Slow:
    """A provider whose answers the test gives; it knows in which order it was asked."""

    name = "slow"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answered = asyncio.Event()

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        self.asked.append(texts[-1].text)
        await self.answered.wait()
        if texts[-1].text == "broken":
            raise Unavailable("TEST", "The test says so.")
        return [Judgement(dict.fromkeys(Category, 0.01), self.name, "slow-1") for _ in texts]


@pytest.fixture
def replica(moderation_engine: AsyncEngine, embedded: Embedded) -> Callable[[Provider], Screening]:
    def start(provider: Provider) -> Screening:
        conversations = Conversations(moderation_engine, utc_now, timedelta(minutes=30))
        policies, judge = Policies(moderation_engine, utc_now), Judge(provider, embedded)
        return Screening(moderation_engine, judge, policies, conversations, utc_now, timedelta(seconds=60))

    return start


async def count(engine: AsyncEngine, table: sa.Table) -> int:
    async with transaction(engine) as connection:
        return int((await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


async def test_the_vendor_is_asked_about_a_batch_at_once_but_not_about_more_than_it_bears(
    moderation_engine: AsyncEngine,
    replica: Callable[[Provider], Screening],
    vendors: VendorSimulator,
    vendor: ModerationApi,
) -> None:
    vendors.modes(moderation={"mode": "ok", "delay_seconds": 0.25})
    await replica(vendor).screen([asked(f"See you at {number}.") for number in range(16)])
    state = vendors.get("/control/state")
    assert state["moderated"] == 48
    # Our own model reads each message before: on a busy machine the first answers come while it reads the last ones.
    assert 8 <= state["most_moderated_at_once"] <= 16
    assert await count(moderation_engine, verdicts) == 16


@pytest.mark.accepts(167)
async def test_what_waits_for_its_place_is_not_asked_of_a_vendor_that_was_found_to_hang(
    moderation_engine: AsyncEngine,
    replica: Callable[[Provider], Screening],
    vendors: VendorSimulator,
    hasty_vendor: ModerationApi,
) -> None:
    vendors.modes(moderation={"mode": "hang"})
    worker = replica(hasty_vendor)
    batches = [[asked(f"See you at {number}.") for number in range(16)] for _ in range(2)]
    await asyncio.gather(*(worker.screen(each) for each in batches))
    assert await count(moderation_engine, waiting) == 32
    assert vendors.get("/control/state")["asked_to_moderate"] <= 60, "of 96 texts"


async def test_one_conversation_is_judged_in_its_order_and_others_beside_it(
    moderation_engine: AsyncEngine, replica: Callable[[Provider], Screening]
) -> None:
    slow = Slow()
    first, second, other = asked("first", "them"), asked("second", "them"), asked("other", "us")
    screening = asyncio.create_task(replica(slow).screen([first, second, other, first]))

    async def both_are_asked() -> None:
        assert sorted(slow.asked) == ["first", "other"]

    await eventually(both_are_asked)
    slow.answered.set()
    await screening
    assert slow.asked.index("second") > 1
    assert await count(moderation_engine, verdicts) == 3


async def test_what_was_judged_beside_one_that_fails_is_stored(
    moderation_engine: AsyncEngine, replica: Callable[[Provider], Screening]
) -> None:
    slow = Slow()
    slow.answered.set()
    with pytest.raises(Unavailable):
        await replica(slow).screen([asked("broken"), asked("fine")])
    assert await count(moderation_engine, verdicts) == 1


async def test_what_a_replica_is_slow_to_judge_is_not_judged_by_another(
    moderation_engine: AsyncEngine, replica: Callable[[Provider], Screening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "LEASE", timedelta(seconds=0.3))
    monkeypatch.setattr(leasing, "LEASE", timedelta(seconds=0.3))
    slow, other = Slow(), replica(Slow())
    worker = replica(slow)
    await worker._wait(asked("it waits"))
    async with transaction(moderation_engine) as connection:
        await connection.execute(sa.update(waiting).values(next_try_at=utc_now()))
    working = asyncio.create_task(worker.screen_waiting())

    async def is_extended() -> None:
        async with transaction(moderation_engine) as connection:
            due = (await connection.execute(sa.select(waiting.c.next_try_at))).scalar_one()
        assert due > first_due + timedelta(seconds=1)

    async def is_asked() -> None:
        assert slow.asked

    await eventually(is_asked)
    first_due = utc_now()
    await eventually(is_extended)
    assert await other.screen_waiting() == 0
    slow.answered.set()
    assert await working == 1
    assert await count(moderation_engine, verdicts) == 1


async def test_what_was_put_off_meanwhile_is_not_kept_longer_and_a_fault_does_not_end_the_keeping(
    moderation_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "LEASE", timedelta(seconds=0.3))
    kept, put_off = new_id(), new_id()
    until = utc_now() + timedelta(seconds=30)
    soon = until - timedelta(seconds=28)
    async with transaction(moderation_engine) as connection:
        for each, due in ((kept, until), (put_off, soon)):
            await store.wait(connection, store.Waiting(each, b"", until), due)
    extend, extended = store.extend_leases, 0

    async def failing_at_first(*call: Any) -> None:
        nonlocal extended
        extended += 1
        if extended == 1:
            raise ValueError
        await extend(*call)

    monkeypatch.setattr(store, "extend_leases", failing_at_first)

    async def is_tried_often() -> None:
        assert extended > 3

    async with leasing.extended(moderation_engine, utc_now, {kept, put_off}, until):
        await eventually(is_tried_often)
    async with transaction(moderation_engine) as connection:
        rows = await connection.execute(sa.select(waiting.c.screening_id, waiting.c.next_try_at))
        due_at = {row[0]: row[1] for row in rows}
    assert due_at[kept] < until - timedelta(seconds=20)
    assert due_at[put_off] == soon
