"""Databases for tests: each service's migrations run once into a template; a test is lent one and may commit to it.

Tests connect as the service does: with the role that reads and writes rows and changes no table.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import sqlalchemy as sa
from psycopg import sql

from deploy.local.postgres import ensure_database, ensure_role, grant_rows
from services.kit.migrate import migrate

_PASSWORD = "test-only"
_TEMPLATE_LOCK = 7_013_402_120
_ROLE_LOCK = 7_013_402_121


@dataclass(frozen=True)
class Database:
    """A test's own database of one service."""

    name: str
    url: str
    """As the service connects."""
    owner_url: str
    """As `migrate` connects."""


@dataclass
class Databases:
    """Lends databases on the run's server to a test, and takes them back at its end."""

    server: str
    """postgresql://… of a superuser."""
    lent: list[tuple[str, Database]] = field(default_factory=list)
    blanks: list[Database] = field(default_factory=list)

    def copy(self, service: str) -> Database:
        """Return a database with the service's tables as its migrations left them, spare or new."""
        spare = _SPARE.get((self.server, service))
        database = _emptied(self.server, spare.pop()) if spare else _created(self.server, service)
        self.lent.append((service, database))
        return database

    def blank(self, service: str) -> Database:
        """Return a database without tables, for the service's two roles."""
        database = address_of(self.server, service, f"test_{service}_{secrets.token_hex(6)}")
        with _connected(self.server) as connection:
            ensure_owned(connection, self.server, service, database.name)
        self.blanks.append(database)
        return database

    def give_back(self) -> None:
        """Keep what the test had for the next one, for emptying tables costs a thirtieth of making a database."""
        while self.lent:
            service, database = self.lent.pop()
            _SPARE.setdefault((self.server, service), []).append(database)
        _drop(self.server, self.blanks)


_SPARE: dict[tuple[str, str], list[Database]] = {}
"""What tests of this process have given back, by server and service; dirty as they left it."""


@contextmanager
def lending(server: str) -> Iterator[Databases]:
    """Lend databases of the server, and take them back at the end."""
    databases = Databases(server)
    try:
        yield databases
    finally:
        databases.give_back()


def drop_spare() -> None:
    """Drop what is kept for further tests, with the connections that are open."""
    for (server, _), databases in _SPARE.items():
        _drop(server, databases)


def _drop(server: str, databases: list[Database]) -> None:
    with _connected(server) as connection:
        while databases:
            name = sql.Identifier(databases.pop().name)
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _created(server: str, service: str) -> Database:
    template = ensure_template(server, service)
    database = address_of(server, service, f"test_{service}_{secrets.token_hex(6)}")
    with _connected(server) as connection:
        names = (sql.Identifier(database.name), sql.Identifier(template), sql.Identifier(f"{service}_owner"))
        # Two workers that make databases at once have been seen to break a unique index of the catalogue.
        connection.execute("SELECT pg_advisory_lock(%s)", (_ROLE_LOCK,))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY wal_log").format(*names))
        # Rights to enter a database are not copied from its template.
        grant_rows(connection, database.name, f"{service}_owner", service)
    with _connected(_inside(server, database)) as connection:
        connection.execute(_KEEP_SEEDS)
    return database


def _emptied(server: str, database: Database) -> Database:
    """Bring the rows back to those of the template, once nobody else is connected."""
    with _connected(_inside(server, database)) as connection:
        connection.execute(_CUT_OFF)
        connection.execute(_EMPTY)
    return database


def _inside(server: str, database: Database) -> str:
    return sa.make_url(server).set(database=database.name).render_as_string(hide_password=False)


_CUT_OFF = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_KEEP_SEEDS = """
CREATE SCHEMA seeds;
DO $$
DECLARE t record; filled boolean;
BEGIN
    FOR t IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', t.relname) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE seeds.%I AS TABLE public.%I', t.relname, t.relname);
        END IF;
    END LOOP;
END $$
"""
"""Put the rows that migrations write aside."""
_EMPTY = """
DO $$
DECLARE t record; written text;
BEGIN
    -- Neither triggers nor keys between tables stand in the way of rows that stood there before.
    SET LOCAL session_replication_role = replica;
    -- To truncate a table costs a dozen files; most tests write to few.
    SELECT string_agg(format('public.%I', relname), ', ') INTO written
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0;
    EXECUTE 'TRUNCATE ' || written || ' CASCADE';
    PERFORM setval(format('public.%I', sequencename), start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
    FOR t IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'seeds'::regnamespace LOOP
        EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE TABLE seeds.%I', t.relname, t.relname);
    END LOOP;
END $$
"""


def address_of(server: str, service: str, name: str) -> Database:
    """Return the addresses of a database for the service's two roles."""
    base = sa.make_url(server)

    def address(role: str) -> str:
        return base.set(username=role, password=_PASSWORD, database=name).render_as_string(hide_password=False)

    return Database(name, address(service), address(f"{service}_owner"))


def ensure_owned(connection: psycopg.Connection[tuple[object, ...]], server: str, service: str, name: str) -> None:
    """Make the service's roles, if absent, and a database for them."""
    owner = f"{service}_owner"
    # Two workers may make the same roles: one after the other.
    connection.execute("SELECT pg_advisory_lock(%s)", (_ROLE_LOCK,))
    ensure_role(connection, owner, _PASSWORD)
    ensure_role(connection, service, _PASSWORD)
    connection.execute("SELECT pg_advisory_unlock(%s)", (_ROLE_LOCK,))
    ensure_database(connection, name, owner)
    with _connected(sa.make_url(server).set(database=name).render_as_string(hide_password=False)) as inside:
        grant_rows(inside, name, owner, service)


def ensure_template(server: str, service: str) -> str:
    """Migrate the service's template database if this run has not yet; return its name. Safe among workers."""
    name = f"template_{service}"
    with _connected(server) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_TEMPLATE_LOCK,))
        done = connection.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if done and done[0]:
            return name
        if done:
            # A worker was killed half-way.
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        ensure_owned(connection, server, service, name)
        migrate(service, address_of(server, service, name).owner_url)
        connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))
    return name


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
