"""An address that names several servers, of which one is away: every kind of connection finds the one that is there."""

import asyncio
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from deploy.local.ports import free_port
from protos.events.v1 import directory_pb2
from services.gateway import database as gateway
from services.kit.bus import Bus
from services.kit.db import check_database, create_engine, transaction
from services.kit.listening import Listener
from services.kit.outbox import add_event, outbox_table
from services.kit.relay import Relay
from tests.support.eventually import eventually
from tests.support.postgres import Databases


@pytest.fixture
def away() -> str:
    """HOST:PORT where nothing answers."""
    return f"127.0.0.1:{free_port()}"


async def test_all_of_a_process_finds_the_server_that_is_there(databases: Databases, nats_url: str, away: str) -> None:
    database = databases.blank("directory")
    metadata = sa.MetaData()
    outbox_table(metadata)
    owner = create_engine(database.owner_url, name="owner")
    async with owner.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await owner.dispose()

    engine = create_engine(_beside(away, database.url), name="test")
    # In this order, too: the client picks any.
    bus = Bus(",".join((nats_url.replace(urlsplit(nats_url).netloc.rpartition("@")[2], away), nats_url)), name="test")
    listener = Listener(engine, ["test"])
    parts = [asyncio.create_task(each) for each in (bus.open("directory"), Relay(engine, bus).run(), listener.run())]
    await check_database(engine)
    async with transaction(engine) as connection:
        await add_event(connection, "directory.school.changed.v1", directory_pb2.SchoolChanged())

    async def is_told() -> None:
        async with transaction(engine) as connection:
            assert (await connection.execute(sa.text("SELECT count(*) FROM outbox"))).scalar_one() == 0

    try:
        await eventually(is_told)
        await asyncio.wait_for(listener.is_listening.wait(), 10)
    finally:
        for each in parts:
            each.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        await bus.close()
        await engine.dispose()


def test_the_gateway_does_likewise(databases: Databases, away: str) -> None:
    engine = gateway.create_engine(_beside(away, databases.blank("gateway").url))
    gateway.check_database(engine)
    engine.dispose()


def _beside(away: str, url: str) -> str:
    """Return the address with another server before its own."""
    own = urlsplit(url).netloc.rpartition("@")[2]
    return url.replace(own, f"{away},{own}")
