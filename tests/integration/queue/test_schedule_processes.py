"""`tick` as a real process, killed between an occurrence and its commit: every occurrence is one message."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.integration.queue.attended import Attended
from tests.integration.queue.scheduled import ZONE, Scheduled, scheduled_queue
from tests.support.eventually import eventually
from tests.support.forked import Forked, start
from tests.support.postgres import Databases
from tests.support.tokens import Tokens
from tests.support.vendors import ENVIRONMENT, VendorSimulator, vendor_process, vendors

__all__ = ["vendor_process", "vendors"]


_RUNS = "SELECT 1 FROM attendance_runs WHERE message_id IS NOT NULL"


@pytest.fixture
async def scheduled(databases: Databases, tokens: Tokens) -> AsyncIterator[Scheduled]:
    async with scheduled_queue(databases, tokens) as made:
        made.clock.now = datetime.now(UTC)
        yield made


class Ticks:
    """Starts `tick` processes, and ends them."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self.running: list[Forked] = []

    def start(self, **settings: str) -> Forked:
        """Start one more."""
        log = self._folder / f"tick-{len(self.running)}.log"
        started = start("queue", "tick", {**self._environment, **settings}, log)
        self.running.append(started)
        return started


@pytest.fixture
def ticks(
    scheduled: Scheduled, nats_url: str, tokens: Tokens, vendors: VendorSimulator, tmp_path: Path
) -> Iterator[Ticks]:
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        **ENVIRONMENT,
        "DATABASE_URL": scheduled.database.url,
        "NATS_URL": nats_url,
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "SERVICE_TOKEN": tokens.service("directory.read", name="queue"),
        "DIRECTORY_ADDRESS": scheduled.directory_address,
        "TWILIO_BASE_URL": vendors.url,
        "AWS_ENDPOINT_URL": vendors.url,
    }
    made = Ticks(environment, tmp_path)
    yield made
    for each in made.running:
        if each.poll() is None:
            each.send_signal(signal.SIGTERM)
    for each in made.running:
        # One that is told to stop before it listens for that dies of it.
        assert each.wait(timeout=20) in {0, -signal.SIGKILL, -signal.SIGTERM}


@pytest.mark.accepts(55)
@pytest.mark.parametrize("stop_at", ["after_occurrence", "before_occurrence_commit", "after_occurrence_commit"])
async def test_a_tick_killed_at_any_point_makes_one_message(scheduled: Scheduled, ticks: Ticks, stop_at: str) -> None:
    due_at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    local = due_at.astimezone(ZoneInfo(ZONE))
    start = (local - timedelta(days=3)).date().isoformat()
    made = await scheduled.create(timing={"start_date": start, "send_time": f"{local:%H:%M}"})
    # The schedule was made a day ago, and nothing ran since.
    await scheduled.rows("UPDATE schedules SET next_at = :due_at RETURNING 1", due_at=due_at)
    doomed = ticks.start(STOP_AT=stop_at)
    assert await asyncio.to_thread(doomed.wait, 60) == -signal.SIGKILL
    survived = 1 if stop_at == "after_occurrence_commit" else 0
    assert (
        len(await scheduled.messages()) == len(await scheduled.rows("SELECT 1 FROM schedule_occurrences")) == survived
    )
    for _ in range(2):
        ticks.start()

    async def is_sent() -> None:
        answer = await scheduled.get("tea", made.schedule_id)
        assert [each.message_id != "" for each in answer.occurrences] == [True]
        assert answer.schedule.version == 2

    await eventually(is_sent, 60)
    assert len(await scheduled.messages()) == 1
    assert len(await scheduled.rows("SELECT 1 FROM entries")) == 1


@pytest.mark.parametrize("stop_at", ["after_run", "before_run_commit", "after_run_commit"])
async def test_a_tick_killed_at_any_point_tells_of_absences_once(
    scheduled: Scheduled, ticks: Ticks, stop_at: str
) -> None:
    attended = Attended.of(scheduled)
    # Midnight has passed for certain, so that the whole day is ahead of the rule's time.
    rule = await attended.create(send_time="00:00")
    local = datetime.now(UTC).astimezone(ZoneInfo(ZONE))
    await attended.record(*({"student_sourced_id": each, "date": local.date().isoformat()} for each in ("amy", "ben")))
    await scheduled.rows("UPDATE attendance_rules SET begins_at = now() - interval '30 hours' RETURNING 1")
    doomed = ticks.start(STOP_AT=stop_at)
    assert await asyncio.to_thread(doomed.wait, 60) == -signal.SIGKILL
    survived = 1 if stop_at == "after_run_commit" else 0
    assert len(await scheduled.messages()) == len(await scheduled.rows(_RUNS)) == survived
    for _ in range(2):
        ticks.start()

    async def is_told() -> None:
        runs = [each for each in await attended.runs(rule) if each.date == local.date().isoformat()]
        assert [each.message_id != "" for each in runs] == [True]

    await eventually(is_told, 60)
    assert len(await scheduled.messages()) == len(await scheduled.rows(_RUNS)) == 1
    assert len(await scheduled.rows("SELECT 1 FROM attendance_notices")) == 2
