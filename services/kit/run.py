"""Running a process: its command line, its start, and an orderly stop.

`python -m services.<name> <process>` looks the same everywhere. A process is an async function of its settings and a
Lifecycle. On SIGTERM or SIGINT it is first not ready, then ends its work and closes what it opened, last first, within
the grace period. A signal during the start cancels it.
"""

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from services.kit.config import MigrateSettings, Settings, check_config, load
from services.kit.consumer import Consumer
from services.kit.db import migrate
from services.kit.health import Health
from services.kit.logs import configure_logs, get_logger
from services.kit.observe import Observation
from services.kit.telemetry import configure_telemetry, flush_telemetry

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
            observation = Observation(self._settings.metrics_listen, health)
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


@dataclass(frozen=True)
class Process:
    """One process of a service: its name on the command line and what it runs."""

    name: str
    help: str
    settings: type[Any]
    """What it reads from the environment: a Settings class."""
    main: Callable[[Any, Lifecycle], Awaitable[None]]
    """Opens, awaits until_stopped, returns."""


@dataclass(frozen=True)
class Command:
    """Something that runs to its end without a server."""

    name: str
    help: str
    run: Callable[[], int]
    """Returns the exit code."""


def run_service(service: str, parts: Sequence[Process | Command], argv: Sequence[str] | None = None) -> int:
    """Run what the command line names and return the exit code: 0 done, 1 failed, 2 wrong arguments or environment."""
    parts = [*parts, Command("migrate", "bring the tables to this release", lambda: _migrate(service))]
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("--check-config", action="store_true", help="print every problem of the environment and exit")
    parser.add_argument(
        "process", nargs="?", choices=[each.name for each in parts], metavar="PROCESS", help=_help(parts)
    )
    arguments = parser.parse_args(argv)
    chosen = [each for each in parts if arguments.process in (None, each.name)]
    if arguments.check_config:
        return check_config(*(each.settings for each in chosen if isinstance(each, Process)))
    if arguments.process is None:
        parser.error("name the process to run")
    part = chosen[0]
    return part.run() if isinstance(part, Command) else run_process(service, part)


def run_process(service: str, process: Process) -> int:
    """Run one process until a signal; return its exit code."""
    settings = load(process.settings)
    configure_logs(service, process.name, settings.log_level)
    configure_telemetry(service, process.name, settings.otel_exporter_otlp_endpoint)
    try:
        return uvloop.run(_live(process, settings))
    finally:
        flush_telemetry()


async def _live(process: Process, settings: Settings) -> int:
    life = Lifecycle(settings)
    main = asyncio.ensure_future(process.main(settings, life))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, life, main)
    is_clean = True
    try:
        await main
    except asyncio.CancelledError:
        _log.info("process_stopped_while_starting")
    except Exception as problem:  # noqa: BLE001  the last place that can name what ended the process
        _log.critical("process_failed", exc_info=problem)
        is_clean = False
    is_clean = await life.close() and is_clean
    _log.info("process_stopped")
    return 0 if is_clean else 1


def _on_signal(life: Lifecycle, main: "asyncio.Future[None]") -> None:
    """Stop in order; while starting, by cancelling the start."""
    if life.is_waiting:
        life.stop()
    else:
        main.cancel()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _migrate(service: str) -> int:
    settings = load(MigrateSettings)
    configure_logs(service, "migrate", settings.log_level)
    migrate(service, settings.migrate_database_url.get_secret_value())
    return 0


def _help(parts: Sequence[Process | Command]) -> str:
    return "; ".join(f"{each.name}: {each.help}" for each in parts)
