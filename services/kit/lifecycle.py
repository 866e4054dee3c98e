"""The life of a process: what it has opened and started, when it should end, and how that goes in order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from services.kit.config import Settings
from services.kit.consumer import Consumer
from services.kit.health import Health
from services.kit.logs import get_logger
from services.kit.observe import Observation

_log = get_logger(__name__)
GRACE_SECONDS = 8.0
"""How long a stopping process may take for the work that it has begun."""


class Lifecycle:
    """What a process has opened and started, and when it should end."""

    def __init__(self, settings: Settings) -> None:
        """Kept by run_process; tests may make one."""
        self._settings = settings
        self._stopping = asyncio.Event()
        self._closers: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed = False
        self._is_started = False
        self.health: Health | None = None

    def on_stop(self, name: str, close: Callable[[], Awaitable[object]]) -> None:
        """Await `close` while stopping; the last one registered is closed first."""
        self._closers.append((name, close))

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work beside the rest until the stop, which cancels it. Its failure ends the process, with code 1."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        self.on_stop(name, lambda: _cancelled(task))
        return task

    def consume(self, consumer: Consumer) -> None:
        """Run the consumer; while stopping it finishes the events that it has begun."""
        task = self.spawn(f"consumer {consumer.durable}", consumer.run())

        async def finish() -> None:
            await consumer.stop()
            await asyncio.gather(task, return_exceptions=True)

        self.on_stop(f"consumer {consumer.durable}", finish)

    async def observe(self, health: Health) -> None:
        """Run the checks from here on, and serve /metrics, /healthz and /readyz if an address is set."""
        self.health = health
        await health.check_once()
        self.spawn("health", health.run())
        if self._settings.metrics_listen:
            observation = Observation(self._settings.metrics_listen, lambda: health.failing)
            self.on_stop("observation", lambda: asyncio.to_thread(observation.close))

    @property
    def is_waiting(self) -> bool:
        """Whether the process runs and has not been asked to stop."""
        return self._is_started and not self._stopping.is_set()

    async def until_stopped(self) -> None:
        """Say that the process is ready, and wait for a signal or a failure."""
        self._is_started = True
        _log.info("process_ready")
        await self._stopping.wait()

    def stop(self) -> None:
        """End the process in order."""
        self._stopping.set()

    async def close(self) -> bool:
        """Close everything, last first, within the grace period; False if something failed or took too long."""
        if self.health:
            await self.health.retire()
        is_clean = not self._failed
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        for name, close in reversed(self._closers):
            try:
                async with asyncio.timeout_at(deadline):
                    await close()
            except Exception as problem:  # noqa: BLE001  one thing that does not close must not keep the others open
                _log.error("close_failed", exc_info=problem, part=name)
                is_clean = False
        return is_clean

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        if problem:
            _log.critical("task_failed", exc_info=problem, task=task.get_name())
            self._failed = True
            self.stop()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
