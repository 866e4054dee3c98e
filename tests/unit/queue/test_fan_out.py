"""Calls at the same time: as many as there are places in the process, and urgent ones beside them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.queue.domain import Channel, Lane
from services.queue.providers.base import Answer, Handed
from services.queue.providers.fan_out import Places, fan_out
from services.queue.work import Batch, Content, Delivery, Work

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONTENT = Content("", "School is closed.", "", "en", is_emergency=False, kind=1)


def work(lane: Lane, count: int) -> Work:
    numbers = list(range(1, count + 1))
    batch = Batch(
        1, "e", "m", NOON, "s", Channel.SMS, lane, numbers, 1, NOON, "c", NOON, NOON, count, "", NOON, CONTENT, None
    )
    return Work(batch, [Delivery(number, "+12125550100", "", "") for number in numbers])


class Line:
    """A provider that answers when it is told to."""

    def __init__(self) -> None:
        self.open = self.most_open = 0
        self.answers = asyncio.Event()

    async def send(self, one: Delivery) -> Handed:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await self.answers.wait()
        self.open -= 1
        return Handed(one.number, Answer.TAKEN)


async def handed(places: Places, batch: Work, line: Line, last: int = 1_000) -> list[Handed]:
    async def may_continue(number: int) -> bool:
        return number <= last

    return [one async for some in fan_out(places, batch, batch.recipients, line.send, may_continue) for one in some]


async def turns() -> None:
    """Let everything go as far as it can."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.accepts(308)
async def test_batches_share_the_places_and_an_urgent_one_has_its_own() -> None:
    places, ordinary, urgent = Places(4), Line(), Line()
    waiting = [asyncio.create_task(handed(places, work(Lane.BULK, 6), ordinary)) for _ in "ab"]
    await turns()
    assert ordinary.open == 4
    alert = asyncio.create_task(handed(places, work(Lane.ALERT, 6), urgent))
    await turns()
    assert (ordinary.open, urgent.open) == (4, 4)
    urgent.answers.set()
    assert sorted(each.number for each in await alert) == [1, 2, 3, 4, 5, 6]
    assert ordinary.open == 4
    ordinary.answers.set()
    for each in waiting:
        assert len(await each) == 6
    assert ordinary.most_open == 4


def _kinds(answers: Sequence[Handed]) -> dict[int, Answer]:
    return {each.number: each.answer for each in answers}


async def test_what_may_not_begin_is_not_tried_and_a_bug_with_one_leaves_it_unsure() -> None:
    class Broken(Line):
        async def send(self, one: Delivery) -> Handed:
            if one.number == 2:
                raise ValueError("a bug")
            return await super().send(one)

    broken = Broken()
    broken.answers.set()
    found = _kinds(await handed(Places(2), work(Lane.NORMAL, 4), broken, last=3))
    assert found == {1: Answer.TAKEN, 2: Answer.UNSURE, 3: Answer.TAKEN, 4: Answer.NOT_TRIED}
    assert broken.open == 0


async def test_an_end_in_the_middle_gives_every_place_back() -> None:
    places, line = Places(3), Line()
    stuck = asyncio.create_task(handed(places, work(Lane.NORMAL, 9), line))
    await turns()
    assert line.open == 3
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    free = Line()
    free.answers.set()
    assert len(await asyncio.wait_for(handed(places, work(Lane.NORMAL, 9), free), 5)) == 9


class Steps(Line):
    """A provider that answers one call at a time, the oldest first, and remembers whose calls began."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.waiting: list[asyncio.Event] = []

    async def of(self, name: str, places: Places, batch: Work) -> list[Handed]:
        async def send(one: Delivery) -> Handed:
            answered = asyncio.Event()
            self.begun.append(name)
            self.waiting.append(answered)
            await answered.wait()
            return Handed(one.number, Answer.TAKEN)

        async def always(number: int) -> bool:
            return True

        return [one async for some in fan_out(places, batch, batch.recipients, send, always) for one in some]

    async def answer(self) -> None:
        self.waiting.pop(0).set()
        await turns()


@pytest.mark.accepts(308)
async def test_the_batch_that_came_first_goes_first_but_for_a_more_urgent_lane() -> None:
    places, steps = Places(2), Steps()
    batches = {"first": work(Lane.NORMAL, 5), "second": work(Lane.NORMAL, 3), "emergency": work(Lane.EMERGENCY, 3)}
    tasks = []
    for name, batch in batches.items():
        tasks.append(asyncio.create_task(steps.of(name, places, batch)))
        await turns()
    assert steps.begun == ["first", "first", "emergency", "emergency"]
    alert = asyncio.create_task(steps.of("alert", places, work(Lane.ALERT, 2)))
    await turns()
    while steps.waiting:
        await steps.answer()
    ordinary = [each for each in steps.begun if each in {"first", "second"}]
    urgent = [each for each in steps.begun if each in {"emergency", "alert"}]
    assert ordinary == ["first"] * 5 + ["second"] * 3
    assert urgent == ["emergency", "emergency", "alert", "alert", "emergency"]
    assert [len(each) for each in await asyncio.gather(*tasks, alert)] == [5, 3, 3, 2]
