"""Events on a real PostgreSQL and NATS: told once, in order, through restarts and loss of either."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.nats import Account, Nats
from deploy.local.ports import free_port
from protos.events.v1 import directory_pb2
from services.kit.bus import Bus, BusError
from services.kit.consumer import Consumer, Event, Poison, Subscribing
from services.kit.db import create_engine, transaction
from services.kit.errors import Aborted, Unavailable
from services.kit.outbox import add_event, add_events, consumed_events_table, first_time, outbox_table
from services.kit.relay import Relay
from tests.support.eventually import eventually
from tests.support.postgres import Databases

SUBJECT = "directory.school.changed.v1"


def school(name: str) -> directory_pb2.SchoolChanged:
    event = directory_pb2.SchoolChanged()
    event.school.title = name
    return event


class Taken:
    """A handler that remembers what it got, and fails as it is told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.attempts: list[int] = []
        self.problems: dict[str, Exception] = {}
        self.sizes: list[int] = []

    async def handle(self, events: Sequence[Event]) -> None:
        names = [directory_pb2.SchoolChanged.FromString(each.payload).school.title for each in events]
        self.sizes.append(len(events))
        self.attempts += [each.attempt for each in events]
        for name in names:
            if name in self.problems:
                raise self.problems[name]
        self.names += names


@pytest.fixture
async def engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    database = databases.blank("directory")
    metadata = sa.MetaData()
    outbox_table(metadata)
    consumed_events_table(metadata)
    owner = create_engine(database.owner_url, name="test")
    async with owner.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await owner.dispose()
    engine = create_engine(database.url, name="test", pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = Bus(nats_url, name="test")
    await bus.open("directory")
    yield bus
    await bus.close()


class Consuming:
    """Consumers and relays that run beside a test and end with it."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.consumers: list[Consumer] = []

    def start(
        self, bus: Bus, taken: Taken, *, durable: str = "reports-schools", batch: int = 1, max_attempts: int = 3
    ) -> Consumer:
        what = Subscribing("directory", durable, ("directory.>",), batch=batch, workers=1, max_attempts=max_attempts)
        consumer = Consumer(bus, what, taken.handle)
        self.consumers.append(consumer)
        self.tasks.append(asyncio.create_task(consumer.run()))
        return consumer

    def relay(self, engine: AsyncEngine, bus: Bus) -> "asyncio.Task[None]":
        task = asyncio.create_task(Relay(engine, bus).run())
        self.tasks.append(task)
        return task

    async def end(self) -> None:
        for consumer in self.consumers:
            await consumer.stop()
        for task in self.tasks[:]:
            if task.get_coro().__qualname__.startswith("Relay"):  # type: ignore[union-attr]
                task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def running() -> AsyncIterator[Consuming]:
    consuming = Consuming()
    yield consuming
    await consuming.end()


async def tell(engine: AsyncEngine, *names: str) -> None:
    async with transaction(engine) as connection:
        await add_events(connection, [(SUBJECT, school(name)) for name in names])


async def left(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(sa.text("SELECT count(*) FROM outbox"))).scalar_one())


async def test_committed_events_arrive_in_order_and_leave_the_outbox(
    engine: AsyncEngine, bus: Bus, running: Consuming
) -> None:
    taken = Taken()
    running.relay(engine, bus)
    running.start(bus, taken, batch=50)
    names = [f"school {number}" for number in range(1200)]
    await tell(engine, *names)

    async def all_there() -> None:
        assert taken.names == names
        assert await left(engine) == 0

    await eventually(all_there)
    assert max(taken.sizes) > 1


class Losing(Bus):
    """A bus on which one publication of the event of this number is lost, as by a connection that breaks."""

    lost = -1

    async def publish(
        self, subject: str, payload: bytes, event_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.lost -= 1
        if self.lost == -1:
            raise BusError("lost")
        await super().publish(subject, payload, event_id, headers)


@pytest.mark.parametrize("lost", [0, 20])
async def test_order_holds_when_one_of_many_publications_is_lost(
    engine: AsyncEngine, nats_url: str, running: Consuming, lost: int
) -> None:
    bus = Losing(nats_url, name="test")
    await bus.open("directory")
    bus.lost = lost
    taken = Taken()
    names = [f"school {number}" for number in range(100)]
    await tell(engine, *names)
    running.relay(engine, bus)
    running.start(bus, taken, batch=50)

    async def all_there() -> None:
        assert taken.names == names
        assert await left(engine) == 0

    try:
        await eventually(all_there)
    finally:
        await running.end()
        await bus.close()


async def test_a_rolled_back_change_tells_nobody(engine: AsyncEngine, bus: Bus, running: Consuming) -> None:
    taken = Taken()
    running.relay(engine, bus)
    running.start(bus, taken)
    with pytest.raises(ZeroDivisionError):
        async with transaction(engine) as connection:
            await add_event(connection, SUBJECT, school("never"))
            raise ZeroDivisionError
    await tell(engine, "told")

    async def told() -> None:
        assert taken.names == ["told"]

    await eventually(told)


async def test_an_event_arrives_within_a_fraction_of_a_second_of_its_commit(
    engine: AsyncEngine, bus: Bus, running: Consuming
) -> None:
    taken = Taken()
    running.relay(engine, bus)
    running.start(bus, taken)
    await tell(engine, "first")

    async def there(count: int) -> None:
        assert len(taken.names) == count

    await eventually(lambda: there(1))
    # The second finds relay and consumer waiting; only the slow poll would need longer than this.
    await tell(engine, "second")
    await eventually(lambda: there(2), seconds=0.5)


async def test_one_relay_leads_and_the_next_takes_over(engine: AsyncEngine, bus: Bus, running: Consuming) -> None:
    taken = Taken()
    leader = running.relay(engine, bus)
    running.start(bus, taken)
    await tell(engine, "one")

    async def names(*expected: str) -> None:
        assert taken.names == list(expected)

    await eventually(lambda: names("one"))
    running.relay(engine, bus)
    leader.cancel()
    await tell(engine, "two")
    await eventually(lambda: names("one", "two"))


async def test_the_same_event_has_its_effect_once(engine: AsyncEngine) -> None:
    event = school("x")
    async with transaction(engine) as connection:
        event_id = await add_event(connection, SUBJECT, event)
        assert event.event_id == event_id
        assert await first_time(connection, "reports-schools", event_id)
        assert not await first_time(connection, "reports-schools", event_id)
        assert await first_time(connection, "notify-schools", event_id)


async def test_transient_failures_are_tried_for_as_long_as_it_takes(
    engine: AsyncEngine, bus: Bus, running: Consuming
) -> None:
    taken = Taken()
    taken.problems["later"] = Unavailable("DATABASE_UNAVAILABLE")
    running.relay(engine, bus)
    running.start(bus, taken, max_attempts=1)
    await tell(engine, "later")

    async def tried_twice() -> None:
        assert max(taken.attempts, default=0) >= 2

    await eventually(tried_twice)
    taken.problems.clear()

    async def there() -> None:
        assert taken.names == ["later"]

    await eventually(there)


@pytest.mark.parametrize(("problem", "attempts"), [(Poison("unknown kind"), 1), (ZeroDivisionError(), 2)])
async def test_what_nobody_can_handle_becomes_a_dead_letter_and_the_rest_goes_on(
    engine: AsyncEngine, bus: Bus, running: Consuming, problem: Exception, attempts: int
) -> None:
    taken = Taken()
    taken.problems["bad"] = problem
    running.relay(engine, bus)
    running.start(bus, taken, batch=10, max_attempts=2)
    await tell(engine, "good", "bad", "better")

    async def buried() -> None:
        assert sorted(taken.names) == ["better", "good"]
        stream = await bus.jetstream.stream_info("DEAD")
        assert stream.state.messages == 1

    await bus.ensure_stream("dead")
    await eventually(buried)
    letter = await bus.jetstream.get_last_msg("DEAD", "dead.reports-schools")
    assert letter.headers is not None
    assert letter.headers["Lantern-Subject"] == SUBJECT
    assert max(taken.attempts) == attempts


async def test_replicas_share_the_work_and_give_back_what_they_have_not_begun(
    bus: Bus, engine: AsyncEngine, running: Consuming
) -> None:
    first, second = Taken(), Taken()
    running.relay(engine, bus)
    leaving = running.start(bus, first)
    running.start(bus, second)
    await tell(engine, *(str(number) for number in range(50)))

    async def some() -> None:
        assert first.names

    await eventually(some)
    await leaving.stop()
    await tell(engine, *(str(number) for number in range(50, 100)))

    async def everything() -> None:
        assert sorted(first.names + second.names, key=int) == [str(number) for number in range(100)]

    await eventually(everything)


class Machine:
    """A NATS of the test's own, to kill."""

    def __init__(self, folder: Path) -> None:
        self.nats = Nats(folder, free_port(), folder.with_suffix(".log"))
        self.nats.configure({"test": Account("test", "test-only")}, is_durable=False)
        self.url = f"nats://test:test-only@127.0.0.1:{self.nats.port}"
        self.store = folder / "store"

    def kill(self) -> None:
        assert self.nats.process
        self.nats.process.kill()
        self.nats.process.wait()


@pytest.mark.parametrize("loses_data", [False, True])
async def test_a_killed_nats_is_waited_for_even_when_it_lost_its_data(
    engine: AsyncEngine, running: Consuming, tmp_path: Path, loses_data: bool
) -> None:
    machine = Machine(tmp_path / "nats")
    machine.nats.start()
    bus = Bus(machine.url, name="test")
    await bus.open("directory")
    taken = Taken()
    running.relay(engine, bus)
    running.start(bus, taken)
    await tell(engine, "before")

    async def names(*expected: str) -> None:
        assert taken.names == list(expected)

    try:
        await eventually(lambda: names("before"))
        machine.kill()
        if loses_data:
            machine.store.rename(tmp_path / "lost")
        await tell(engine, "during")
        machine.nats.start()
        await tell(engine, "after")
        await eventually(lambda: names("before", "during", "after"), seconds=20)
    finally:
        await running.end()
        await bus.close()
        machine.nats.stop()


async def test_lost_database_connections_interrupt_the_relay_for_a_moment_only(
    engine: AsyncEngine, bus: Bus, running: Consuming, databases: Databases
) -> None:
    taken = Taken()
    running.relay(engine, bus)
    running.start(bus, taken)
    await tell(engine, "before")

    async def names(*expected: str) -> None:
        assert taken.names == list(expected)

    await eventually(lambda: names("before"))
    with psycopg.connect(databases.server, autocommit=True) as server:
        server.execute(
            # It waits until each has gone: before its good-bye arrives, a lost connection is like any other.
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (engine.url.database,),
        )
    await tell(engine, "after")
    await eventually(lambda: names("before", "after"))


async def test_lost_connections_and_conflicts_rise_as_errors_that_callers_know(engine: AsyncEngine) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        async with transaction(engine) as connection:
            await connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with transaction(engine) as holder:
        await holder.execute(sa.text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(Aborted):
            async with transaction(engine) as connection:
                await connection.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
                await connection.execute(sa.text("SELECT 1 FROM outbox"))
