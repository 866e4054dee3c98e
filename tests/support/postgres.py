"""Databases for tests: each service's migrations run once into a template; a test gets a copy and may commit to it.

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
    """Makes databases on the run's server and drops those of the test at its end."""

    server: str
    """postgresql://… of a superuser."""
    made: list[str] = field(default_factory=list)

    def copy(self, service: str) -> Database:
        """Return a fresh database with the service's tables, empty."""
        template = ensure_template(self.server, service)
        database = address_of(self.server, service, f"test_{service}_{secrets.token_hex(6)}")
        with _connected(self.server) as connection:
            names = (sql.Identifier(database.name), sql.Identifier(template), sql.Identifier(f"{service}_owner"))
            # Two workers that make databases at once have been seen to break a unique index of the catalogue.
            connection.execute("SELECT pg_advisory_lock(%s)", (_ROLE_LOCK,))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy").format(*names))
            # Rights to enter a database are not copied from its template.
            grant_rows(connection, database.name, f"{service}_owner", service)
        self.made.append(database.name)
        return database

    def blank(self, service: str) -> Database:
        """Return a database without tables, for the service's two roles."""
        database = address_of(self.server, service, f"test_{service}_{secrets.token_hex(6)}")
        with _connected(self.server) as connection:
            ensure_owned(connection, self.server, service, database.name)
        self.made.append(database.name)
        return database

    def drop(self) -> None:
        """Drop what the test made, with the connections that it left open."""
        with _connected(self.server) as connection:
            while self.made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.made.pop())))


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
