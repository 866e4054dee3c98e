"""Replicas as real processes: they share one durable, and one that is killed loses nothing and doubles nothing."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from deploy.local.ports import free_port
from protos.events.v1 import moderation_pb2 as events
from protos.events.v1 import queue_pb2 as requests
from services.kit.bus import Bus, stream_name
from services.kit.ids import new_id
from tests.integration.moderation.replicas import Replicas
from tests.support.eventually import eventually
from tests.support.forked import start
from tests.support.postgres import Database, Databases
from tests.support.tokens import Tokens
from tests.support.vendors import MODAPI_KEY, VendorSimulator

MESSAGES = 500
SUBJECT = "queue.screening.requested.v1"


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.copy("moderation")


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
    replicas: Replicas, bus: Bus, database: Database
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

    async def all_is_told() -> None:
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
        assert len(await _read(bus, "dead.moderation-screening")) == 1

    await eventually(all_is_told)
    told = await _read(bus, "moderation.verdict.reached.v1")
    assert sorted(events.VerdictReached.FromString(each.data or b"").verdict.message_id for each in told) == sorted(
        wanted
    )
    (dead,) = await _read(bus, "dead.moderation-screening")
    assert (dead.headers or {})["Lantern-Event-Id"] == poison


async def test_a_replica_has_texts_judged_by_what_lends_and_goes_on_when_that_is_killed(
    replicas: Replicas, bus: Bus, database: Database, nats_url: str, tmp_path: Path
) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    alone = {"PATH": os.environ["PATH"], "NATS_URL": nats_url, "METRICS_LISTEN": metrics}
    lending = start("moderation", "lend", alone, tmp_path / "lending.log")

    def page(path: str) -> str:
        try:
            with urlopen(f"http://{metrics}/{path}") as answer:
                return str(answer.read(), "utf-8")
        except OSError as problem:
            raise AssertionError("not ready") from problem

    async def has_lent() -> None:
        assert re.search(r"^lantern_moderation_lent_total.* [1-9]", await asyncio.to_thread(page, "metrics"), re.M)

    await eventually(lambda: asyncio.to_thread(page, "readyz"), 60)
    await replicas.start()
    now = Timestamp()
    now.GetCurrentTime()
    asked = [
        requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=[f"Go {number}"], requested_at=now)
        for number in range(MESSAGES)
    ]
    try:
        await asyncio.gather(*(bus.publish(SUBJECT, each.SerializeToString(), each.event_id) for each in asked))
        await eventually(has_lent, 60)
    finally:
        lending.kill()

    async def all_are_judged() -> None:
        with psycopg.connect(database.url) as connection:
            found = [str(row[0]) for row in connection.execute("SELECT message_id FROM verdicts")]
        assert sorted(found) == sorted(each.message_id for each in asked)

    await eventually(all_are_judged, 120)


@pytest.mark.accepts(163, 175)
async def test_a_replica_asks_the_vendor_about_many_at_once(
    replicas: Replicas, bus: Bus, database: Database, vendors: VendorSimulator
) -> None:
    vendors.modes(moderation={"mode": "ok", "delay_seconds": 0.2})
    await replicas.start(PROVIDER="moderationapi", MODAPI_SECRET_KEY=MODAPI_KEY, MODAPI_BASE_URL=f"{vendors.url}/v1")
    now = Timestamp()
    now.GetCurrentTime()
    texts = ["See you at four.", "I will kill you", "You are an idiot", "The bus is late"] * 8
    asked = [
        requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=["Hello", text], requested_at=now)
        for text in texts
    ]
    await asyncio.gather(*(bus.publish(SUBJECT, each.SerializeToString(), each.event_id) for each in asked))

    async def all_are_judged() -> None:
        with psycopg.connect(database.url) as connection:
            found = connection.execute("SELECT message_id, provider, decision FROM verdicts").fetchall()
        assert len(found) == len(asked)
        assert {row[1] for row in found} == {"moderationapi"}
        held = {str(row[0]) for row in found if row[2] == "hold"}
        assert {each.message_id for each in asked if "kill" in each.texts[1]} <= held

    await eventually(all_are_judged, 60)
    state = vendors.get("/control/state")
    assert state["moderated"] == 3 * len(asked), "subject, body, and both as one"
    assert 2 < state["most_moderated_at_once"] <= 16


async def test_a_replica_that_is_told_to_stop_finishes_what_it_has_begun(
    replicas: Replicas, bus: Bus, database: Database, vendors: VendorSimulator
) -> None:
    vendors.modes(moderation={"mode": "ok", "delay_seconds": 3})
    vendor = {"PROVIDER": "moderationapi", "MODAPI_SECRET_KEY": MODAPI_KEY, "MODAPI_BASE_URL": f"{vendors.url}/v1"}
    leaving = await replicas.start(**vendor, MODAPI_TIMEOUT_SECONDS="20")
    now = Timestamp()
    now.GetCurrentTime()
    asked = requests.ScreeningRequested(
        event_id=new_id(), message_id=new_id(), texts=["Hello", "The bus is late."], requested_at=now
    )
    await bus.publish(SUBJECT, asked.SerializeToString(), asked.event_id)

    async def the_vendor_is_asked() -> None:
        assert vendors.get("/control/state")["most_moderated_at_once"]

    await eventually(the_vendor_is_asked, 30)
    leaving.terminate()
    assert await asyncio.to_thread(leaving.wait, 30) == 0
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT provider FROM verdicts").fetchall() == [("moderationapi",)]
    state = await bus.jetstream.consumer_info(stream_name("queue"), "moderation-screening")
    assert state.num_ack_pending == 0, "the other replicas have nothing to wait for"


async def _read(bus: Bus, subject: str) -> list[RawStreamMsg]:
    """Return everything that its stream holds of a subject."""
    stream, last = stream_name(subject.split(".", 1)[0]), 0
    found: list[RawStreamMsg] = []
    while True:
        try:
            message = await bus.jetstream.get_msg(stream, last + 1, subject, next=True)
        except NotFoundError:
            return found
        found.append(message)
        last = message.seq or 0
