"""Migrations: every service's tables, brought to this release by the role that owns them."""

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from services.kit.addresses import driver_url
from services.kit.logs import get_logger

_log = get_logger(__name__)
_SERVICES = Path(__file__).resolve().parent.parent
_MIGRATION_LOCK = 7_013_402_118
_ASKED_EVERY_SECONDS = 0.2


def migrate(service: str, url: str, revision: str = "head") -> None:
    """Bring a service's tables to the revision, each migration in a transaction of its own, one migrator at a time.

    `url` is of the role that owns the tables; migrations are services/<service>/migrations/versions/*.py. Waits for
    another migrator; a table lock is waited for 4 s and a statement may take 10 minutes.
    """
    script = ScriptDirectory(
        str(_SERVICES / "kit"), version_locations=[str(_SERVICES / service / "migrations" / "versions")]
    )
    engine = sa.create_engine(
        driver_url(url), poolclass=sa.NullPool, connect_args={"application_name": f"{service} migrate"}
    )
    with engine.connect() as connection:
        _wait_for_others(connection, service)
        connection.execute(sa.text("SET lock_timeout = '4s'"))
        connection.execute(sa.text("SET statement_timeout = '10min'"))
        connection.commit()
        _upgrade(script, connection, revision)
    engine.dispose()


def _wait_for_others(connection: Connection, service: str) -> None:
    # Asked again and again: who waits within one statement is waited for by an index that another migrator creates
    # concurrently, and both would wait for ever.
    is_told = False
    while not connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _MIGRATION_LOCK}).scalar_one():
        connection.commit()
        if not is_told:
            _log.info("waits_for_another_migrator", migrating=service)
            is_told = True
        time.sleep(_ASKED_EVERY_SECONDS)
    connection.commit()


def _upgrade(script: ScriptDirectory, connection: Connection, revision: str) -> None:
    # Alembic's own env.py would do exactly this, once per service; the configuration object holds nothing here.
    def steps(current: Any, _context: Any) -> Any:
        return script._upgrade_revs(revision, current)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, transaction_per_migration=True)
        environment.run_migrations()
