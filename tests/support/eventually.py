"""Waiting on conditions: an assertion is tried again until it holds or its time is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_SHORTEST_PAUSE, _LONGEST_PAUSE, _SHARE = 0.02, 0.5, 1 / 20
"""Seconds; and how much longer than needed one may wait. What takes a minute is not to be slowed by 3,000 questions."""


async def eventually(check: Callable[[], Awaitable[T]], seconds: float = 10.0) -> T:
    """Await `check` until it raises no AssertionError; return its result. The last one rises when time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_pause(deadline - seconds))


def eventually_sync(check: Callable[[], T], seconds: float = 10.0) -> T:
    """Do the same for tests that run no event loop."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_pause(deadline - seconds))


def _pause(since: float) -> float:
    return min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, _SHARE * (time.monotonic() - since)))
