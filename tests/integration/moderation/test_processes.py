"""Replicas as real processes: they share one durable, and one that is killed loses nothing and doubles nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NoMessages

from deploy.local.ports import free_port
from protos.events.v1 import moderation_pb2 as events
from protos.events.v1 import queue_pb2 as requests
from services.kit.bus import Bus
from services.kit.ids import new_id
from tests.support.eventually import eventually
from tests.support.forked import Forked, start
from tests.support.postgres import Database, Databases
from tests.support.tokens import Tokens

MESSAGES = 500
SUBJECT = "queue.screening.requested.v1"


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.copy("moderation")


class Replicas:
    """Starts replicas, which know of each other through the database and NATS alone."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self._running: list[Forked] = []

    async def start(self) -> Forked:
        """Start one and wait until it serves."""
        address = f"127.0.0.1:{free_port()}"
        replica = self._spawn(address)
        async with aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            async def serves() -> None:
                try:
                    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
                except aio.AioRpcError as problem:
                    raise AssertionError(problem.details()) from problem
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

            await eventually(serves, 60)
        return replica

    def _spawn(self, address: str) -> Forked:
        log = self._folder / f"replica-{len(self._running)}.log"
        replica = start("moderation", "serve", {**self._environment, "LISTEN": address}, log)
        self._running.append(replica)
        return replica

    def end(self) -> None:
        """Stop what still runs."""
        for each in self._running:
            each.terminate()
        for each in self._running:
            assert each.wait(timeout=30) in {0, -signal.SIGKILL}


@pytest.fixture
def replicas(database: Database, nats_url: str, tokens: Tokens, tmp_path: Path) -> Iterator[Replicas]:
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "DATABASE_URL": database.url,
        "NATS_URL": nats_url,
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "SERVICE_TOKEN": tokens.service("directory.read", name="moderation"),
    }
    made = Replicas(environment, tmp_path)
    yield made
    made.end()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    made = Bus(nats_url, name="test", replicas=1)
    await made.open("queue")
    yield made
    await made.close()


@pytest.mark.accepts(172, 239)
async def test_a_replica_that_is_killed_loses_nothing_and_doubles_nothing_and_poison_is_parked(
    replicas: Replicas, bus: Bus, database: Database, nats_url: str
) -> None:
    doomed, other = await replicas.start(), await replicas.start()
    poison = new_id()
    await bus.publish(SUBJECT, b"\xff\xff\xff", poison)
    now = Timestamp()
    now.GetCurrentTime()
    asked = [
        requests.ScreeningRequested(
            event_id=new_id(), message_id=new_id(), texts=["Hello", f"See you at {number}."], requested_at=now
        )
        for number in range(MESSAGES)
    ]
    await asyncio.gather(*(bus.publish(SUBJECT, each.SerializeToString(), each.event_id) for each in asked))
    wanted = {each.message_id for each in asked}

    def judged() -> list[str]:
        with psycopg.connect(database.url) as connection:
            return [str(row[0]) for row in connection.execute("SELECT message_id FROM verdicts")]

    async def some_are_judged() -> None:
        assert len(judged()) >= 10

    await eventually(some_are_judged, 60)
    assert len(judged()) < MESSAGES, "it was killed too late to prove anything"
    doomed.kill()

    async def all_are_judged() -> None:
        assert set(judged()) == wanted

    # What the dead one held comes back when its acknowledgement is overdue: ten seconds.
    await eventually(all_are_judged, 240)
    assert len(judged()) == MESSAGES
    assert other.poll() is None
    told = await _read(nats_url, "moderation.verdict.reached.v1", MESSAGES)
    assert sorted(events.VerdictReached.FromString(each.data).verdict.message_id for each in told) == sorted(wanted)
    (dead,) = await _read(nats_url, "dead.moderation-screening", 1)
    assert (dead.headers or {})["Lantern-Event-Id"] == poison


async def _read(nats_url: str, subject: str, count: int) -> list[Msg]:
    """Return everything of a subject once there are `count` messages, and whatever comes in the second after."""
    client = await nats.connect(nats_url)
    try:
        reading = await client.jetstream().pull_subscribe(subject, stream=subject.split(".", maxsplit=1)[0].upper())
        found: list[Msg] = []
        while True:
            try:
                found += await reading.fetch(200, timeout=10 if len(found) < count else 1)
            except NoMessages:
                return found
    finally:
        await client.close()
