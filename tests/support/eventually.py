"""Waiting on conditions: an assertion is tried again until it holds or its time is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_PAUSE_SECONDS = 0.02


async def eventually(check: Callable[[], Awaitable[T]], seconds: float = 10.0) -> T:
    """Await `check` until it raises no AssertionError; return its result. The last one rises when time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


def eventually_sync(check: Callable[[], T], seconds: float = 10.0) -> T:
    """Do the same for tests that run no event loop."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)
