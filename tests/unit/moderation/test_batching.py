"""Every verdict of a batch is stored before the batch is done, whenever it is reached."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from protos.events.v1 import queue_pb2 as requests
from services.moderation import batching
from services.moderation.batching import Batch
from services.moderation.concluding import Concluded
from tests.support.eventually import eventually


def asked(name: str) -> requests.ScreeningRequested:
    return requests.ScreeningRequested(event_id=name, message_id=name)


def concluded(request: requests.ScreeningRequested) -> Concluded:
    return Concluded(request, {"holds": [], "reached_at": datetime.now(UTC)})


class Steps:
    """Judges "early" at once and "late" when the test says so; the first storing waits for the test, too."""

    def __init__(self) -> None:
        self.late_is_judged, self.storing, self.may_store = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.stored: list[str] = []
        self.batch = Batch(self._judge, self._put_off, self._store)

    async def _judge(self, request: requests.ScreeningRequested) -> Concluded:
        if request.event_id == "early":
            return concluded(request)
        await self.late_is_judged.wait()
        if request.event_id == "broken":
            raise ValueError
        return concluded(request)

    async def _put_off(self, request: requests.ScreeningRequested) -> None:
        raise AssertionError(request.event_id)

    async def _store(self, reached: Sequence[Concluded]) -> None:
        if reached:
            self.storing.set()
            await self.may_store.wait()
            self.stored += [each.request.event_id for each in reached]

    async def judge_late_ones_while_the_first_is_stored(self, names: Sequence[str]) -> None:
        running = asyncio.create_task(self.batch.run([asked(name) for name in names]))
        await self.storing.wait()
        self.late_is_judged.set()

        async def only_the_storing_is_left() -> None:
            assert asyncio.all_tasks() == {running, asyncio.current_task()}

        await eventually(only_the_storing_is_left)
        self.may_store.set()
        await running


@pytest.fixture(autouse=True)
def _stored_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_LONGEST_UNSTORED_SECONDS", 0.01)


async def test_a_verdict_is_stored_that_is_reached_while_others_are_being_stored() -> None:
    steps = Steps()
    await steps.judge_late_ones_while_the_first_is_stored(["early", "late"])
    assert steps.stored == ["early", "late"]


async def test_it_is_stored_also_when_another_fails_meanwhile() -> None:
    steps = Steps()
    with pytest.raises(ValueError):  # noqa: PT011  what the judge raises passes as it is
        await steps.judge_late_ones_while_the_first_is_stored(["early", "late", "broken"])
    assert steps.stored == ["early", "late"]
