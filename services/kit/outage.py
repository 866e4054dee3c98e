"""Waiting for something that is away: said once when it goes and once when it comes back, asked less and less often."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from services.kit.errors import ServiceError
from services.kit.logs import get_logger

_log = get_logger(__name__)
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0


class Outage:
    """What one loop knows of the thing that it needs."""

    def __init__(self, **fields: Any) -> None:
        """`fields` go into both lines of the log."""
        self._fields = fields
        self._reason = ""
        self._pause_seconds = 0.0

    async def wait(self, reason: str) -> None:
        """Note that it failed, and wait as long as `failed` says."""
        await asyncio.sleep(self.failed(reason))

    def failed(self, reason: str) -> float:
        """Note that it failed; return after how many seconds to try again: 0.25, then twice as many, at most 2."""
        if reason != self._reason:
            _log.warning("outage_began", reason=reason, **self._fields)
            self._reason = reason
        self._pause_seconds = min(max(_FIRST_PAUSE_SECONDS, self._pause_seconds * 2), _LONGEST_PAUSE_SECONDS)
        return self._pause_seconds

    def over(self) -> None:
        """Note that it works."""
        if self._reason:
            _log.info("outage_ended", **self._fields)
        self._reason, self._pause_seconds = "", 0.0


async def repeat(
    name: str,
    pause_seconds: float,
    step: Callable[[], Awaitable[object]],
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Run a step until cancelled: at once again while it answers that it did something, else after the pause.

    While it raises a ServiceError it is an outage's pauses that are kept, and the log has the name as its part.
    """
    outage = Outage(part=name)
    while True:
        try:
            found = await step()
        except ServiceError as problem:
            await outage.wait(problem.reason)
            continue
        outage.over()
        if not found:
            await pause(pause_seconds)
