"""A relay that is woken while it is told to stop does stop."""

import asyncio
from typing import Any

import pytest

from services.kit.bus import Bus
from services.kit.db import create_engine
from services.kit.relay import Relay


class Silent:
    """A connection on which nothing is to be seen."""

    async def execute(self, *_: Any) -> None:
        """Take a statement."""


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_is_not_lost_that_comes_as_it_is_woken(turns: int) -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", name="test")
    relay: Any = Relay(engine, Bus("nats://127.0.0.1:1", name="test"))
    waiting = asyncio.create_task(relay._stand_by(Silent()))
    await asyncio.sleep(0)
    relay._woken.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(0.5):
            await waiting
    await engine.dispose()
