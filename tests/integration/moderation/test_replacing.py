"""The embedded model in the vendor's place: administrators are told once, and once that it is over."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import moderation_pb2 as events
from protos.events.v1 import queue_pb2 as requests
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation import store
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.judging import REFUSALS_TO_OPEN, Judge
from services.moderation.policies import Policies
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from services.moderation.replacing import FORGOTTEN_AFTER, PROVIDER_CHANGED
from services.moderation.tables import outages, outbox
from tests.support.eventually import eventually
from tests.support.vendors import VendorSimulator

START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class World:
    """One replica whose time is moved by the test, with what it tells."""

    def __init__(self, engine: AsyncEngine, vendor: ModerationApi, embedded: Embedded) -> None:
        self._engine, self._seconds = engine, 0.0
        self._judge = Judge(vendor, embedded, 60.0, monotonic=lambda: self._seconds)
        nothing = Conversations(engine, self.clock, timedelta())
        policies = Policies(engine, self.clock)
        self.screening = Screening(engine, self._judge, policies, nothing, self.clock, timedelta(seconds=60))

    def clock(self) -> datetime:
        return START + timedelta(seconds=self._seconds)

    async def write(self, after_seconds: float) -> None:
        """A student writes so much later; then the loop looks at who judges."""
        self._seconds += after_seconds
        request = requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=["See you at four."])
        request.requested_at.FromDatetime(self.clock())
        await self.screening.screen([request])
        await self.screening.watch_provider()

    async def told(self) -> list[events.ProviderChanged]:
        async with transaction(self._engine) as connection:
            wanted = sa.select(outbox.c.payload).where(outbox.c.subject == PROVIDER_CHANGED).order_by(outbox.c.id)
            rows = (await connection.execute(wanted)).scalars()
            return [events.ProviderChanged.FromString(each) for each in rows]


@pytest.fixture
def replicas(moderation_engine: AsyncEngine, embedded: Embedded, vendor: ModerationApi) -> Callable[[], World]:
    return lambda: World(moderation_engine, vendor, embedded)


@pytest.mark.accepts(167)
@pytest.mark.parametrize(
    ("mode", "trouble"),
    [
        ("quota_exceeded", events.ProviderChanged.TROUBLE_QUOTA),
        ("key_refused", events.ProviderChanged.TROUBLE_REFUSED),
    ],
)
async def test_administrators_are_told_once_that_the_vendor_is_out_and_once_that_it_is_back(
    mode: str, trouble: int, vendors: VendorSimulator, replicas: Callable[[], World]
) -> None:
    world, other = replicas(), replicas()
    await world.write(0)
    assert await world.told() == []
    vendors.modes(moderation={"mode": mode})
    for each in (world, other, world):
        await each.write(100)
    (out,) = await world.told()
    assert (out.is_out, out.trouble) == (True, trouble)
    assert out.began_at.ToDatetime(UTC) == START + timedelta(seconds=100)
    vendors.reset()
    await world.write(100)
    await world.write(190)
    assert len(await world.told()) == 1, "it is not known yet whether it stays"
    await world.write(20)
    await world.write(1000)
    _, back = await world.told()
    assert (back.is_out, back.trouble) == (False, trouble)
    assert back.began_at == out.began_at
    assert back.ended_at.ToDatetime(UTC) == START + timedelta(seconds=200)


@pytest.mark.accepts(167)
async def test_what_waited_too_long_for_a_silent_vendor_is_told_too_and_a_refused_text_is_not(
    vendors: VendorSimulator, replicas: Callable[[], World]
) -> None:
    world = replicas()
    vendors.modes(moderation={"mode": "400"})
    await world.write(0)
    vendors.modes(moderation={"mode": "schema_drift"})
    await world.write(10)
    assert await world.told() == []
    await world.write(61)
    await world.screening.screen_waiting()
    (out,) = await world.told()
    assert out.trouble == events.ProviderChanged.TROUBLE_SILENT


@pytest.mark.accepts(167)
async def test_a_vendor_that_refuses_every_text_is_told_of(
    vendors: VendorSimulator, replicas: Callable[[], World]
) -> None:
    world = replicas()
    vendors.modes(moderation={"mode": "400"})
    for _ in range(REFUSALS_TO_OPEN - 1):
        await world.write(1)
    assert await world.told() == []
    await world.write(1)
    (out,) = await world.told()
    assert (out.is_out, out.trouble) == (True, events.ProviderChanged.TROUBLE_REFUSED)


async def test_a_vendor_that_comes_and_goes_is_told_of_every_four_hours(
    vendors: VendorSimulator, replicas: Callable[[], World]
) -> None:
    world = replicas()

    async def goes(after_seconds: float) -> None:
        vendors.modes(moderation={"mode": "key_refused"})
        await world.write(after_seconds)

    async def comes() -> None:
        vendors.reset()
        for _ in range(2):
            await world.write(301)

    for _ in range(3):
        await goes(100)
        await comes()
    assert [each.is_out for each in await world.told()] == [True, False]
    await goes(3600)
    assert len(await world.told()) == 2
    await goes(4 * 3600)
    await comes()
    _, _, out, back = await world.told()
    assert (out.is_out, back.is_out) == (True, False)
    began_at = START + timedelta(seconds=3 * (100 + 602) + 3600)
    assert [each.began_at.ToDatetime(UTC) for each in (out, back)] == [began_at] * 2


async def test_an_outage_is_forgotten_when_the_vendor_is_given_up_for_the_embedded_model(
    vendors: VendorSimulator, replicas: Callable[[], World], moderation_engine: AsyncEngine, embedded: Embedded
) -> None:
    world = replicas()
    vendors.modes(moderation={"mode": "key_refused"})
    await world.write(0)
    alone = replicas()
    alone.screening.judge = Judge(embedded, embedded)

    async def is_forgotten(after: timedelta) -> bool:
        await alone.write(after.total_seconds())
        async with transaction(moderation_engine) as connection:
            return (await connection.execute(sa.select(outages))).first() is None

    assert not await is_forgotten(FORGOTTEN_AFTER)
    assert await is_forgotten(timedelta(seconds=1))
    assert [each.is_out for each in await world.told()] == [True]


@pytest.mark.accepts(167)
async def test_a_replica_without_the_vendor_leaves_what_the_others_tell_of_it(
    vendors: VendorSimulator, replicas: Callable[[], World], embedded: Embedded
) -> None:
    world, alone = replicas(), replicas()
    alone.screening.judge = Judge(embedded, embedded)
    vendors.modes(moderation={"mode": "quota_exceeded"})
    await world.write(0)
    await alone.write(3600)
    await world.write(3600)
    vendors.reset()
    await world.write(100)
    await alone.write(3600)
    await world.write(301)
    out, back = await world.told()
    assert (out.is_out, back.is_out, back.began_at) == (True, False, out.began_at)


async def test_a_replica_says_in_its_log_that_others_judge_by_another_provider(
    vendors: VendorSimulator, replicas: Callable[[], World], embedded: Embedded, capsys: pytest.CaptureFixture[str]
) -> None:
    world, alone = replicas(), replicas()
    alone.screening.judge = Judge(embedded, embedded)

    async def warns(*each: World) -> list[bool]:
        return [await _warns(one) for one in each]

    async def _warns(one: World) -> bool:
        await one.screening.compare_replicas()
        return "provider_differs" in capsys.readouterr().out

    assert await warns(world, alone) == [False, False]
    await world.write(0)
    assert await warns(world, alone) == [False, True]
    await alone.write(0)
    assert await warns(world, alone) == [True, True]
    vendors.modes(moderation={"mode": "quota_exceeded"})
    await world.write(3601)
    assert await warns(world) == [False], "the embedded model has decided in the vendor's place"


async def test_an_outage_that_ends_at_this_moment_elsewhere_is_noted_anew(moderation_engine: AsyncEngine) -> None:
    later = START + timedelta(minutes=10)

    async def note(now: datetime) -> datetime | None:
        async with transaction(moderation_engine) as connection:
            return await store.note_outage(connection, "silent", now, now - timedelta(hours=4))

    async def waits() -> None:
        waiting = sa.text(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        async with transaction(moderation_engine) as connection:
            assert (await connection.execute(waiting)).first()

    assert await note(START) == START
    async with transaction(moderation_engine) as other:
        await other.execute(sa.select(outages).with_for_update())
        noting = asyncio.create_task(note(later))
        await eventually(waits)
        assert await store.end_outage(other, later) is not None
    assert await noting is None, "administrators were told ten minutes ago"
    async with transaction(moderation_engine) as connection:
        assert (await connection.execute(sa.select(outages.c.began_at))).scalars().all() == [later]
