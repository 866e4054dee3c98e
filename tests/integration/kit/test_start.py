"""Processes whose database and NATS are away at their start: they wait, say so once, and are ready when both answer."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import free_port
from tests.support.eventually import eventually_sync
from tests.support.forwarding import Forwarding
from tests.support.postgres import Databases
from tests.support.tokens import Tokens
from tests.support.vendors import ENVIRONMENT, PLATFORM_APPLICATION

PROCESSES = (
    ("directory", "serve"),
    ("queue", "serve"),
    ("queue", "dispatch"),
    ("queue", "tick"),
    ("moderation", "serve"),
    ("reports", "serve"),
    ("notify", "serve"),
)


@dataclass
class Away:
    """The ways to PostgreSQL and NATS, closed until a test opens them."""

    postgres: Forwarding
    nats: Forwarding
    nats_url: str
    databases: Databases

    def database_url(self, service: str) -> str:
        """Return the address of a migrated database behind the closed way."""
        url = urlsplit(self.databases.copy(service).url)
        netloc = url.netloc.replace(f"{url.hostname}:{url.port}", f"127.0.0.1:{self.postgres.port}")
        return url._replace(netloc=netloc).geturl()


@pytest.fixture
def away(databases: Databases, nats_url: str) -> Iterator[Away]:
    postgres, nats = urlsplit(databases.server), urlsplit(nats_url)
    ways = [Forwarding(str(each.hostname), int(each.port or 0)) for each in (postgres, nats)]
    closed = nats._replace(netloc=nats.netloc.replace(f":{nats.port}", f":{ways[1].port}")).geturl()
    yield Away(ways[0], ways[1], closed, databases)
    for each in ways:
        each.close()


@dataclass
class Started:
    """One process of a service."""

    name: str
    log: Path
    metrics: int
    listen: int
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self, module: str, process: str, environment: dict[str, str]) -> "Started":
        """Start it; what it says goes to its log."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, process], env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def failing(self) -> dict[str, str]:
        """Return what /readyz names as failing. AssertionError while nothing listens."""
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log.read_text()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            failing: dict[str, str] = json.loads(answer.read())["failing"]
        except OSError as problem:
            raise AssertionError(f"{self.name} does not listen") from problem
        finally:
            connection.close()
        assert (answer.status == 200) == (not failing)
        return failing

    def events(self) -> Counter[tuple[str, str]]:
        """Return how often each event was logged, with what it names."""
        lines = [json.loads(each) for each in self.log.read_text().splitlines() if each.startswith("{")]
        names = ("part", "durable", "reason", "problem", "channel")
        return Counter((each["event"], " ".join(str(each.get(name, "")) for name in names)) for each in lines)


@pytest.fixture
def started(tokens: Tokens, tmp_path: Path, away: Away) -> Iterator[list[Started]]:
    """Every process of every service, started while nothing answers."""
    base = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        **ENVIRONMENT,
        "NATS_URL": away.nats_url,
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "SERVICE_TOKEN": "none",
        "SNS_PLATFORM_APPLICATION_ARN": PLATFORM_APPLICATION,
        "DIRECTORY_ADDRESS": "127.0.0.1:1",
        "QUEUE_ADDRESS": "127.0.0.1:1",
    }
    databases = {service: away.database_url(service) for service in {service for service, _ in PROCESSES}}
    running = []
    for service, process in PROCESSES:
        one = Started(f"{service}.{process}", tmp_path / f"{service}-{process}", free_port(), free_port())
        places = {"LISTEN": f"127.0.0.1:{one.listen}", "METRICS_LISTEN": f"127.0.0.1:{one.metrics}"}
        environment = {**base, **places, "DATABASE_URL": databases[service]}
        running.append(one.start(f"services.{service}", process, environment))
    yield running
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def _status(port: int) -> int:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    return int(answer.status)


@pytest.mark.accepts(237, 240)
def test_every_process_waits_for_its_database_and_nats(started: list[Started], away: Away) -> None:
    def all_fail(*names: str) -> None:
        for each in started:
            assert set(each.failing()) == set(names), each.name

    eventually_sync(lambda: all_fail("database", "nats"), 60)
    for each in started:
        if each.name.endswith(".serve"):
            assert _status(each.listen) == health_pb2.HealthCheckResponse.NOT_SERVING
    away.postgres.open()
    eventually_sync(lambda: all_fail("nats"), 20)
    leaving = started.pop(0)
    leaving.process.send_signal(signal.SIGTERM)
    assert leaving.process.wait(10) == 0, "SIGTERM while it waits ends it in order"
    away.nats.open()
    eventually_sync(all_fail, 20)
    for each in started:
        if each.name.endswith(".serve"):
            assert _status(each.listen) == health_pb2.HealthCheckResponse.SERVING
        each.process.send_signal(signal.SIGTERM)
    for each in started:
        assert each.process.wait(20) == 0, each.log.read_text()
        repeated = {what: times for what, times in each.events().items() if times > _most(what)}
        assert repeated == {}, f"{each.name} says the same more than once"


def _most(what: tuple[str, str]) -> int:
    """Return how often a line may come: readiness changes with each of the two that answers, all else once."""
    return 3 if what[0] == "readiness_changed" else 1
