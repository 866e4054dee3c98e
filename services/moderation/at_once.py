"""Waiting for several things that are done at once."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """Return what all of them return; when some fail, raise the first error once the others have ended."""
    done = await asyncio.gather(*works, return_exceptions=True)
    found = []
    for each in done:
        if isinstance(each, BaseException):
            raise each
        found.append(each)
    return found
