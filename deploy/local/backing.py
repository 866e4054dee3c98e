"""PostgreSQL and NATS under the launcher: started, provisioned, migrated."""

import signal

import psycopg
import sqlalchemy as sa
from alembic.util import CommandError

from deploy.local.children import unprivileged
from deploy.local.environment import NATS_USER, Environment
from deploy.local.nats import Account, Nats, listens
from deploy.local.places import Places
from deploy.local.postgres import DURABLE, Binaries, Postgres, grant_rows, provision
from deploy.local.processes import DATABASES
from deploy.local.supervisor import Child
from services.kit.migrate import migrate

_WAVE = -1


class MigrationFailed(Exception):
    """A service's tables could not be brought to this release; the text says why."""


def postgres_child(places: Places, environment: Environment) -> tuple[Postgres, Child]:
    """Return the database server, as something to look after."""
    user = unprivileged()
    home = places.postgres_home(user)
    binaries = Binaries.find(user, home.parent)
    log = places.logs / "postgres.log"
    port = environment.ports.port("postgres")
    server = Postgres(binaries, home, port, environment.keys.password("postgres"), DURABLE, log)
    child = Child("postgres", "postgres", server.launch, server.answers, log, _WAVE, signal.SIGINT)
    return server, child


def nats_child(places: Places, environment: Environment) -> Child:
    """Return the NATS server, as something to look after."""
    log = places.logs / "nats.log"
    server = Nats(places.local / "nats", environment.ports.port("nats"), log)
    monitor = f"127.0.0.1:{environment.ports.port('nats monitor')}"
    server.configure({"lantern": Account(NATS_USER, environment.keys.password("nats"))}, monitor)
    return Child("nats", "nats", server.launch, lambda: listens(server.port), log, _WAVE)


def prepare_databases(server: Postgres, environment: Environment) -> None:
    """Make each service's roles, database and tables. MigrationFailed names the service whose tables cannot be made."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name in DATABASES:
            passwords = (environment.keys.password(f"{name}_owner"), environment.keys.password(name))
            provision(connection, name, passwords)
    for name in DATABASES:
        inside = sa.make_url(server.url).set(database=name).render_as_string(hide_password=False)
        with psycopg.connect(inside, autocommit=True) as connection:
            grant_rows(connection, name, f"{name}_owner", name)
        try:
            migrate(name, environment.database_url(name, as_owner=True))
        except (sa.exc.SQLAlchemyError, CommandError) as problem:
            raise MigrationFailed(f"The migrations of {name} failed: {problem}") from problem
