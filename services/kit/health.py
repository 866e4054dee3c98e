"""Health: real checks of what a process depends on, run every few seconds, shown by gRPC health and by /readyz."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from services.kit.logs import get_logger

_log = get_logger(__name__)
_EVERY_SECONDS = 3.0
_UNREADY_SECONDS = 0.25
_CHECK_SECONDS = 2.5

Check = Callable[[], Awaitable[None]]
"""Returns when the dependency answers, raises when it does not."""


class Health:
    """What answers and what does not. Not ready before the first round of checks, and after `retire`."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        """Take a check for each dependency, by its name (`database`, `nats`, …)."""
        self._checks = dict(checks)
        self._failing: dict[str, str] = {"start": "not checked yet"}
        self._is_retired = False
        self._listeners: list[Callable[[bool], Awaitable[None]]] = []

    @property
    def failing(self) -> Mapping[str, str]:
        """Names of what does not answer, and the kind of problem; empty when ready."""
        return {"process": "stopping"} if self._is_retired else self._failing

    @property
    def is_ready(self) -> bool:
        """Whether every dependency answered in the last round."""
        return not self.failing

    def on_change(self, listener: Callable[[bool], Awaitable[None]]) -> None:
        """Await the listener with is_ready after each round."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check_once()
            await asyncio.sleep(_EVERY_SECONDS if self.is_ready else _UNREADY_SECONDS)

    async def check_once(self) -> None:
        """Run every check at the same time and remember what failed."""
        outcomes = await asyncio.gather(*(_outcome(check) for check in self._checks.values()))
        failing = {name: problem for name, problem in zip(self._checks, outcomes, strict=True) if problem}
        if failing != self._failing:
            log = _log.warning if failing else _log.info
            log("readiness_changed", is_ready=not failing, failing=failing)
        self._failing = failing
        await self._tell()

    async def retire(self) -> None:
        """Say from now on that the process is not ready: the first step of stopping."""
        self._is_retired = True
        await self._tell()

    async def _tell(self) -> None:
        for listener in self._listeners:
            await listener(self.is_ready)


async def _outcome(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except Exception as problem:  # noqa: BLE001  any failure of a check means the same: not ready
        return type(problem).__name__
    return ""
