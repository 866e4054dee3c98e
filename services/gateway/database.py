"""The gateway's database from threads: an engine and transactions, with the errors that the services use."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.kit.db import driver_url
from services.kit.errors import Unavailable
from services.kit.telemetry import trace_sql

_OPTIONS = "-c statement_timeout=5000 -c lock_timeout=4000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"


def create_engine(url: str, *, pool_size: int = 16) -> sa.Engine:
    """Return an engine for threads; make it after fork. Nothing is connected yet."""
    engine = sa.create_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"application_name": "gateway", "options": _OPTIONS, "connect_timeout": 5},
    )
    trace_sql(engine)
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run the body in one transaction. Unavailable when the database does not answer."""
    try:
        with engine.begin() as connection:
            yield connection
    except PoolTimeout as problem:
        raise Unavailable("DATABASE_BUSY", "Every connection is in use.", retry_after_seconds=1) from problem
    except DBAPIError as problem:
        if isinstance(problem, OperationalError) or problem.connection_invalidated:
            text = "The database does not answer."
            raise Unavailable("DATABASE_UNAVAILABLE", text, retry_after_seconds=1) from problem
        raise


def check_database(engine: sa.Engine) -> None:
    """Raise Unavailable unless the database answers."""
    with transaction(engine) as connection:
        connection.execute(sa.text("SELECT 1"))
