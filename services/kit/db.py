"""The database: one async engine a process, transactions with time-outs, errors that callers know."""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, LiteralString
from weakref import WeakKeyDictionary

import psycopg
import sqlalchemy as sa
from psycopg.rows import TupleRow
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.kit.addresses import driver_url
from services.kit.errors import Aborted, DeadlineExceeded, ServiceError, Unavailable
from services.kit.lists import Lists
from services.kit.telemetry import trace_sql

ADDED_EVENTS = "added_events"
"""Key in a connection's info: the transaction has put events into the outbox."""
_CHECK_SECONDS = 2.0
_CONNECT_SECONDS = 5
# What a transaction may meet through no fault of its own, by SQLSTATE: another try may succeed.
_CONFLICTS = {"40001", "40P01", "55P03"}
_CANCELLED = "57014"
# A connection that is refused has a text alone: libpq keeps the SQLSTATE, 53300, to itself.
_FULL = ("too many clients", "too many connections", "remaining connection slots")
_READ_ONLY = "25006"
TAKES_CHANGES: LiteralString = (
    "DO $$ BEGIN IF current_setting('transaction_read_only')::bool THEN RAISE read_only_sql_transaction; END IF; END $$"
)
"""Fails as any change does where the server takes none: as a standby, or because its disk is full."""
_wakers: WeakKeyDictionary[Engine, list[Callable[[], None]]] = WeakKeyDictionary()


def create_engine(
    url: str,
    *,
    name: str,
    pool_size: int = 10,
    statement_timeout_seconds: float = 5.0,
    lock_timeout_seconds: float = 4.0,
) -> AsyncEngine:
    """Return an engine; `name` shows in pg_stat_activity. Nothing is connected yet."""
    options = (
        f"-c statement_timeout={int(statement_timeout_seconds * 1000)}"
        f" -c lock_timeout={int(lock_timeout_seconds * 1000)}"
        " -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
    )
    engine = create_async_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # What was used last is used first: its session has statements prepared and the tables' descriptions at hand.
        pool_use_lifo=True,
        # Parameters are people's words and numbers: they have no place in an error's text.
        hide_parameters=True,
        connect_args={
            "application_name": name,
            "options": options,
            "connect_timeout": _CONNECT_SECONDS,
            "client_encoding": "utf8",
        },
    )
    sa.event.listen(engine.sync_engine, "connect", _adapt)
    sa.event.listen(engine.sync_engine, "checkout", _check_alive)
    sa.event.listen(engine.sync_engine, "handle_error", leave_read_only)
    trace_sql(engine.sync_engine)
    return engine


async def connect(engine: AsyncEngine, name: str) -> psycopg.AsyncConnection[TupleRow]:
    """Return a connection to the engine's database beside its pool, on which each statement is a transaction.

    `name` shows in pg_stat_activity. Raises psycopg's errors.
    """
    given = engine.dialect.create_connect_args(engine.url)[1]
    # The context adapts values as SQLAlchemy wants them.
    own = {"autocommit": True, "application_name": name, "connect_timeout": _CONNECT_SECONDS, "context": None}
    return await psycopg.AsyncConnection.connect(**{**given, **own})


def _adapt(connection: Any, _: object) -> None:
    connection.driver_connection.adapters.register_dumper(list, Lists)


def _check_alive(connection: Any, _: object, __: object) -> None:
    """Replace the connections of a pool when a server ended this one: then there is something to read, its good-bye.

    SQLAlchemy's pre-ping asks the server each time, which costs every transaction a round trip.
    """
    driver = connection.driver_connection
    waiting = select.poll()
    if not driver.closed:
        waiting.register(driver.pgconn.socket, select.POLLIN)
    if driver.closed or waiting.poll(0):
        raise sa.exc.InvalidatePoolError


def leave_read_only(context: ExceptionContext) -> None:
    """Let go of every connection of a pool to a server that takes no changes: its address may lead to another by now.

    A listener of the engine's event `handle_error`.
    """
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Run the body in one transaction: commit at its end, roll back when it raises.

    Raises Unavailable when the database does not answer or takes no changes, Aborted when another transaction was in
    the way (retry), and DeadlineExceeded when a statement took too long. Constraint violations rise as SQLAlchemy's
    IntegrityError.
    """
    try:
        async with engine.begin() as connection:
            connection.info.pop(ADDED_EVENTS, None)
            yield connection
            added = connection.info.pop(ADDED_EVENTS, False)
    except (DBAPIError, PoolTimeout) as problem:
        raise translate(problem) from problem
    if added:
        for wake in _wakers.get(engine.sync_engine, ()):
            wake()


def on_events_committed(engine: AsyncEngine, wake: Callable[[], None]) -> None:
    """Call `wake` after each transaction of this engine that has put events into the outbox."""
    _wakers.setdefault(engine.sync_engine, []).append(wake)


def translate(problem: DBAPIError | PoolTimeout) -> ServiceError | DBAPIError:
    """Return what a lost, busy or slow database is to a caller; what is none of these as it came."""
    if isinstance(problem, PoolTimeout):
        return Unavailable("DATABASE_BUSY", "Every database connection is in use.", retry_after_seconds=1)
    state = getattr(problem.orig, "sqlstate", None)
    if state in _CONFLICTS:
        return Aborted("TRANSACTION_CONFLICT", "Another change was in the way; try again.")
    if state == _CANCELLED:
        return DeadlineExceeded("STATEMENT_TIMEOUT", "The database took too long.")
    if state == _READ_ONLY:
        return Unavailable("DATABASE_UNAVAILABLE", "The database takes no changes for now.", retry_after_seconds=1)
    if state is None and any(each in str(problem.orig) for each in _FULL):
        return Unavailable("DATABASE_BUSY", "The database takes no further connection.", retry_after_seconds=1)
    # Class 08 is a broken connection, 57P a server that stops or starts, 53 one without resources.
    is_lost = isinstance(problem, sa.exc.OperationalError) and (
        state is None or state[:3] == "57P" or state[:2] in {"08", "53"}
    )
    if is_lost or problem.connection_invalidated:
        return Unavailable("DATABASE_UNAVAILABLE", "The database does not answer.", retry_after_seconds=1)
    return problem


async def check_database(engine: AsyncEngine) -> None:
    """Raise unless the database answers within two seconds and takes changes; feed it to Health."""
    # With a commit: after a rollback psycopg prepares every statement anew.
    async with asyncio.timeout(_CHECK_SECONDS), transaction(engine) as connection:
        await connection.execute(sa.text(TAKES_CHANGES))
