"""A database that takes no changes for a while, as after a failover: everything waits for it, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway import database as gateway
from services.kit.bus import DEAD_LETTERS, Bus
from services.kit.consumer import Consumer, Event, Subscribing
from services.kit.db import check_database, create_engine, transaction
from services.kit.errors import Unavailable
from services.kit.outbox import consumed_events_table, first_time
from tests.support.eventually import eventually
from tests.support.postgres import Database, Databases

Switch = Callable[[str], None]
_WRITE = sa.text("INSERT INTO consumed_events (durable, event_id) VALUES ('test', gen_random_uuid())")
_EVENT = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
async def database(databases: Databases) -> Database:
    """A database with the table of consumed events."""
    database = databases.blank("directory")
    metadata = sa.MetaData()
    consumed_events_table(metadata)
    owner = create_engine(database.owner_url, name="owner")
    async with owner.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await owner.dispose()
    return database


@pytest.fixture
def read_only(database: Database) -> Switch:
    """Switches every session that begins from here on: `on` or `off`."""

    def switch(word: str) -> None:
        change = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(change.format(sql.Identifier(database.name), sql.SQL(word)))

    return switch


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine as the services make it."""
    engine = create_engine(database.url, name="test")
    yield engine
    await engine.dispose()


async def _backend(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        return int((await connection.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one())


async def test_a_change_waits_for_another_server_and_no_connection_to_this_one_is_kept(
    engine: AsyncEngine, read_only: Switch
) -> None:
    read_only("on")
    before = await _backend(engine)
    with pytest.raises(Unavailable, match="takes no changes") as refused:
        async with transaction(engine) as connection:
            await connection.execute(_WRITE)
    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    # What led to this server may lead to another by now.
    read_only("off")
    assert await _backend(engine) != before
    async with transaction(engine) as connection:
        await connection.execute(_WRITE)


async def test_a_process_is_not_ready_while_its_database_takes_no_changes(
    engine: AsyncEngine, read_only: Switch
) -> None:
    await check_database(engine)
    read_only("on")
    await engine.dispose()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await check_database(engine)
    # The connection that said so is not kept.
    read_only("off")
    await check_database(engine)


def test_nor_is_the_gateway(database: Database, read_only: Switch) -> None:
    read_only("on")
    engine = gateway.create_engine(database.url)
    with pytest.raises(Unavailable):
        gateway.check_database(engine)
    with pytest.raises(Unavailable), gateway.transaction(engine) as connection:
        connection.execute(_WRITE)
    read_only("off")
    gateway.check_database(engine)
    with gateway.transaction(engine) as connection:
        connection.execute(_WRITE)
    engine.dispose()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """A bus with a stream of dead letters."""
    bus = Bus(nats_url, name="test")
    await bus.open(DEAD_LETTERS)
    yield bus
    await bus.close()


async def test_an_event_waits_for_its_effect_and_is_not_buried(
    engine: AsyncEngine, read_only: Switch, bus: Bus
) -> None:
    attempts, effects = [], []

    async def handle(events: Sequence[Event]) -> None:
        attempts.append(events[0].attempt)
        async with transaction(engine) as connection:
            await first_time(connection, "test", events[0].event_id)
        effects.append(events[0].event_id)

    read_only("on")
    consumer = Consumer(bus, Subscribing("directory", "reports-test", ("directory.>",), max_attempts=1), handle)
    running = asyncio.create_task(consumer.run())
    await bus.ensure_stream("directory")
    await bus.publish("directory.school.changed.v1", b"", _EVENT)

    async def is_tried_again() -> None:
        assert len(attempts) > 1

    async def has_its_effect() -> None:
        assert effects == [_EVENT]

    try:
        await eventually(is_tried_again)
        read_only("off")
        await eventually(has_its_effect)
        assert (await bus.jetstream.stream_info("DEAD")).state.messages == 0
    finally:
        await consumer.stop()
        await running
