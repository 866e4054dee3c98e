"""The gateway's database from threads: an engine and transactions, with the errors that the services use."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.kit.addresses import driver_url
from services.kit.db import TAKES_CHANGES, leave_read_only, translate
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
    sa.event.listen(engine, "handle_error", leave_read_only)
    trace_sql(engine)
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Run the body in one transaction; what goes wrong is as in `kit.db.transaction`."""
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, PoolTimeout) as problem:
        raise translate(problem) from problem


def check_database(engine: sa.Engine) -> None:
    """Raise Unavailable unless the database answers and takes changes."""
    with transaction(engine) as connection:
        connection.execute(sa.text(TAKES_CHANGES))
