"""Students' messages go before what other systems ask."""

import asyncio

import pytest

from services.kit.errors import ResourceExhausted
from services.moderation.judging import Precedence


async def test_another_system_waits_for_students_and_is_told_to_come_back() -> None:
    precedence = Precedence()
    await precedence.turn(0.01)
    with precedence.of_students():
        with precedence.of_students():
            pass
        with pytest.raises(ResourceExhausted) as refusal:
            await precedence.turn(0.01)
        assert refusal.value.retry_after_seconds == 1
        waiting = asyncio.create_task(precedence.turn(5))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
