"""Students' messages go before what other systems ask."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.kit.errors import ResourceExhausted
from services.moderation.precedence import OTHERS_AT_ONCE, Precedence


async def begin(precedence: Precedence, seconds: float) -> None:
    async with precedence.of_others(seconds):
        pass


async def test_another_system_waits_for_students_and_is_told_to_come_back() -> None:
    precedence = Precedence()
    await begin(precedence, 0.01)
    with precedence.of_students():
        with precedence.of_students():
            pass
        with pytest.raises(ResourceExhausted) as refusal:
            await begin(precedence, 0.01)
        assert (refusal.value.reason, refusal.value.retry_after_seconds) == ("SCREENING_BUSY", 1)
        waiting = asyncio.create_task(begin(precedence, 5))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_few_others_are_at_work_at_once_and_whoever_gives_up_leaves_its_place() -> None:
    precedence = Precedence()
    with precedence.of_students():
        for _ in range(OTHERS_AT_ONCE):
            with pytest.raises(ResourceExhausted):
                await begin(precedence, 0)
    async with AsyncExitStack() as others:
        for _ in range(OTHERS_AT_ONCE):
            await others.enter_async_context(precedence.of_others(0.01))
        with pytest.raises(ResourceExhausted):
            await begin(precedence, 0.01)
    await begin(precedence, 0.01)


async def test_a_student_who_writes_as_another_ends_still_goes_first() -> None:
    precedence = Precedence()
    with precedence.of_students():
        waiting = asyncio.create_task(begin(precedence, 5))
        await asyncio.sleep(0)
    with precedence.of_students():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
