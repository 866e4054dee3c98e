"""Connections of a pool: what the server has ended meanwhile is replaced; and the spans of statements."""

from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg import sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import telemetry
from services.kit.db import create_engine, transaction
from services.kit.errors import Unavailable
from tests.support.eventually import eventually
from tests.support.postgres import Database, Databases


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database of its own."""
    return databases.blank("directory")


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine as the services make it."""
    engine = create_engine(database.url, name="test pool")
    yield engine
    await engine.dispose()


async def _backends(engine: AsyncEngine) -> set[int]:
    """Return the server's processes of two connections that are open together."""
    pid = sa.text("SELECT pg_backend_pid()")
    async with transaction(engine) as one, transaction(engine) as other:
        return {(await each.execute(pid)).scalar_one() for each in (one, other)}


async def test_a_connection_that_the_server_has_ended_is_replaced(engine: AsyncEngine, database: Database) -> None:
    before = await _backends(engine)
    assert await _backends(engine) == before
    others = create_engine(database.url, name="others")
    end = sa.text("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test pool'")

    async def none_is_left() -> None:
        async with transaction(others) as connection:
            assert not (await connection.execute(end)).all()

    await eventually(none_is_left)
    after = await _backends(engine)
    assert len(after) == 2
    assert not after & before
    await others.dispose()


async def test_a_server_without_room_for_another_connection_is_busy(engine: AsyncEngine, database: Database) -> None:
    full = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(sql.Identifier(database.name))
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(full)
    with pytest.raises(Unavailable) as refused:
        async with transaction(engine):
            pass
    assert refused.value.reason == "DATABASE_BUSY"


async def test_a_statement_is_traced_without_the_words_that_it_carries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(telemetry, "traces_are_on", lambda: True)
    engine = create_engine(database.url, name="traced")
    for wrong in ("Ann", "17"):
        with suppress(DBAPIError):
            async with transaction(engine) as connection:
                await connection.execute(sa.text("SELECT CAST(:word AS integer)"), {"word": wrong})
    await engine.dispose()
    failed, done = exporter.get_finished_spans()
    assert (failed.name, failed.status.status_code.name, failed.status.description) == ("SELECT", "ERROR", "22P02")
    assert (done.name, done.status.status_code.name) == ("SELECT", "UNSET")
    assert "Ann" not in failed.to_json()
