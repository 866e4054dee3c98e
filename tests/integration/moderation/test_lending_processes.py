"""`python -m services.moderation` with nothing but an address of NATS: as it is started, told to stop and killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import sqlalchemy as sa
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.nats import Account, Nats
from deploy.local.ports import free_port
from protos.events.v1 import queue_pb2 as requests
from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation import loans
from services.moderation.actions import Screening
from services.moderation.borrowing import Borrowing
from services.moderation.conversing import Conversations
from services.moderation.domain import Category
from services.moderation.judging import Judge
from services.moderation.model.scoring import load_model
from services.moderation.policies import Policies
from services.moderation.providers.base import Text
from services.moderation.providers.embedded import Embedded
from services.moderation.tables import verdicts
from tests.support.eventually import eventually

MODEL = load_model().version
SUBJECT = loans.subject_of(MODEL)
SAID = "You are an idiot."
ASKED = loans.request_of([Text(SAID, "en", "", "", "")])
COMMAND = (sys.executable, "-m", "services.moderation")
LEAST = {"publish": {"deny": [">"]}, "subscribe": {"allow": ["scores.v1.>"]}, "allow_responses": True}
"""What docs/scaling.md says that a user needs who lends."""


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    """A server with a user for the services and one who may lend and nothing else."""
    server = Nats(tmp_path / "nats", free_port(), tmp_path / "nats.log")
    server.configure({"lantern": Account("lantern", "secret")}, is_durable=False)
    path = tmp_path / "nats" / "server.conf"
    settings = json.loads(path.read_text())
    users = {"lender": LEAST, "stranger": {"subscribe": {"deny": [">"]}}}
    more = [{"user": each, "password": "secret", "permissions": may} for each, may in users.items()]
    settings["accounts"]["lantern"]["users"] += more
    path.write_text(json.dumps(settings))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def bus(nats: Nats) -> AsyncIterator[Bus]:
    made = Bus(f"nats://lantern:secret@127.0.0.1:{nats.port}", name="replica")
    await made.open("moderation")
    yield made
    await made.close()


@dataclass
class Lending:
    """A process that was given an address of NATS."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def events(self) -> dict[str, dict[str, object]]:
        """Return the lines of its log by their events."""
        lines = [json.loads(each) for each in self.log.read_text().splitlines()]
        return {each["event"]: each for each in lines}


@pytest.fixture
def start(nats: Nats, tmp_path: Path) -> Iterator[Callable[..., Lending]]:
    started: list[Lending] = []

    def begin(user: str = "lender", **settings: str) -> Lending:
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {"NATS_URL": f"nats://{user}:secret@127.0.0.1:{nats.port}", **settings}
        path = tmp_path / f"{len(started)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(COMMAND, env=environment, stdout=log, stderr=subprocess.STDOUT)
        started.append(Lending(process, path))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()


async def reply(client: Client) -> bytes:
    """Return what is answered about one text. AssertionError while nobody lends."""
    try:
        return (await client.request(SUBJECT, ASKED, timeout=30)).data
    except NoRespondersError as problem:
        raise AssertionError("nobody lends") from problem


async def test_an_address_of_nats_is_all_that_it_takes(start: Callable[..., Lending], bus: Bus) -> None:
    lending = start()
    (judged,) = loans.judgements_of(await eventually(lambda: reply(bus.client), 60), 1, MODEL)
    own = load_model().score(SAID, "en")
    assert {name.value: score for name, score in judged.scores.items()} == pytest.approx(own.as_dict(), abs=1e-4)
    assert judged.explanations[Category.INSULT].words == own.explanation["insult"].words
    said = lending.events()
    assert said["lending_model"]["process"] == "lend"
    assert "nats_error" not in said
    # What has come when it is told to stop is answered: the question is at the server before the signal is sent.
    answer = asyncio.create_task(bus.client.request(SUBJECT, ASKED, timeout=30))
    await asyncio.sleep(0)
    for _ in range(2):  # the client's ping may overtake what it writes
        await bus.client.flush()
    lending.process.send_signal(signal.SIGTERM)
    assert loans.judgements_of((await answer).data, 1, MODEL) == [judged]
    assert await asyncio.to_thread(lending.process.wait, 30) == 0
    with pytest.raises(NoRespondersError):
        await bus.client.request(SUBJECT, ASKED, timeout=30)
    streams = await bus.jetstream.streams_info()
    assert [(each.config.name, each.state.messages) for each in streams] == [("MODERATION", 0)], "nothing is stored"


async def failing(metrics: str) -> list[str]:
    """Return what /readyz names. AssertionError while it does not listen."""
    try:
        with await asyncio.to_thread(urlopen, f"http://{metrics}/readyz") as answer:
            return list(json.load(answer)["failing"])
    except HTTPError as answer:
        return list(json.load(answer)["failing"])
    except OSError as problem:
        raise AssertionError("it does not listen") from problem


async def until_failing(metrics: str, *names: str) -> None:
    async def fail() -> None:
        assert await failing(metrics) == list(names)

    await eventually(fail, 60)


async def test_it_waits_for_nats_and_is_ready_once_it_is_asked(start: Callable[..., Lending], nats: Nats) -> None:
    nats.stop()
    metrics = f"127.0.0.1:{free_port()}"
    lending = start(METRICS_LISTEN=metrics)
    await until_failing(metrics, "nats")
    nats.start()
    await until_failing(metrics)
    lending.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(lending.process.wait, 30) == 0


async def test_one_whose_user_may_not_lend_says_so_and_ends(start: Callable[..., Lending]) -> None:
    lending = start("stranger")
    assert await asyncio.to_thread(lending.process.wait, 60) == 1
    assert lending.events()["lending_not_permitted"]["nats_subject"] == SUBJECT


async def test_one_that_is_killed_while_it_judges_loses_nothing_and_doubles_nothing(
    start: Callable[..., Lending], bus: Bus, moderation_engine: AsyncEngine, moved: Callable[..., Callable[[], float]]
) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    lending = start(METRICS_LISTEN=metrics)
    await until_failing(metrics)
    late = moved("lantern.moderation.borrowed", outcome="late")
    # It stands still with the question before it, and dies so.
    lending.process.send_signal(signal.SIGSTOP)
    is_asked = asyncio.Event()

    async def hear(_: Msg) -> None:
        is_asked.set()

    hearing = await bus.client.subscribe(SUBJECT, cb=hear)
    await bus.client.flush()
    embedded = Embedded(load_model(), Borrowing(bus.client, MODEL))
    nothing, policies = Conversations(moderation_engine, utc_now, timedelta()), Policies(moderation_engine, utc_now)
    judge = Judge(embedded, embedded)
    screening = Screening(moderation_engine, judge, policies, nothing, utc_now, timedelta(seconds=60))
    wanted = [asked(number) for number in range(16)]
    judging = asyncio.create_task(screening.screen(wanted))
    await asyncio.wait_for(is_asked.wait(), 30)
    await hearing.unsubscribe()
    lending.process.kill()
    await judging
    async with transaction(moderation_engine) as connection:
        found = (await connection.execute(sa.select(verdicts.c.message_id))).scalars().all()
    assert sorted(found) == sorted(each.message_id for each in wanted)

    async def is_late() -> None:
        assert late() == 1

    await eventually(is_late)


def asked(number: int) -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=[f"Go {number}"], language="en")
    request.requested_at.FromDatetime(utc_now())
    return request
