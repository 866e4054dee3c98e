"""A step that is repeated: when it pauses, and that what is away is waited for."""

import asyncio

import pytest

from services.kit.errors import Unavailable
from services.kit.outage import Outage, repeat


async def test_a_step_pauses_when_it_found_nothing_and_outlives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    outages = []

    async def wait(self: Outage, reason: str) -> None:
        outages.append(reason)

    monkeypatch.setattr(Outage, "wait", wait)
    answers = iter([True, Unavailable("DATABASE_UNAVAILABLE", "It is away."), True, False, None])
    pauses = []

    async def step() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await repeat("a step", 7.0, step, pause)
    assert (outages, pauses, list(answers)) == (["DATABASE_UNAVAILABLE"], [7.0, 7.0], [])
