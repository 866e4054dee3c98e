"""Running a process: its command line, its start, and an orderly stop.

`python -m services.<name> <process>` looks the same everywhere. A process is an async function of its settings and a
Lifecycle. On SIGTERM or SIGINT it is first not ready, then ends its work and closes what it opened, last first, within
the grace period. A signal during the start cancels it.
"""

import argparse
import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from services.kit.certificates import watch_certificates
from services.kit.config import MigrateSettings, ServiceSettings, Settings, check_config, load
from services.kit.lifecycle import GRACE_SECONDS, Lifecycle
from services.kit.logs import configure_logs, get_logger
from services.kit.own_token import watch_token
from services.kit.telemetry import configure_telemetry, flush_telemetry

__all__ = ["GRACE_SECONDS", "Command", "Lifecycle", "Process", "run_process", "run_service"]

_log = get_logger(__name__)
_GARBAGE_THRESHOLD = 100_000


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
    settings: type[Any] | None = None
    """What it reads from the environment: a Settings class; None: nothing."""


def run_service(
    service: str, parts: Sequence[Process | Command], argv: Sequence[str] | None = None, unnamed: str = ""
) -> int:
    """Run what the command line names and return the exit code: 0 done, 1 failed, 2 wrong arguments or environment.

    `unnamed` is the process that runs when it names none; a service that has only one needs not say it.
    """
    own = parts
    migrating = Command("migrate", "bring the tables to this release", lambda: _migrate(service), MigrateSettings)
    parts = [*own, migrating]
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("--check-config", action="store_true", help="print every problem of the environment and exit")
    parser.add_argument(
        "process", nargs="?", choices=[each.name for each in parts], metavar="PROCESS", help=_help(parts)
    )
    arguments = parser.parse_args(argv)
    # Who names nothing means what serves: commands have environments of their own.
    serving = [each for each in own if isinstance(each, Process) and unnamed in ("", each.name)]
    chosen = [each for each in parts if each.name == arguments.process] if arguments.process else serving or own
    if arguments.check_config:
        return check_config(*(each.settings for each in chosen if each.settings))
    if arguments.process is None and len(serving) != 1:
        # A service that has one process runs it.
        parser.error("name the process to run")
    part = chosen[0]
    return part.run() if isinstance(part, Command) else run_process(service, part)


def run_process(service: str, process: Process) -> int:
    """Run one process until a signal; return its exit code."""
    settings = load(process.settings)
    # What is loaded by now stays: the collector need not look at it again. Rows come by the thousand and hold no
    # cycles: looking at each 700 of them, as Python does by itself, takes a third of a submission's time.
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    configure_logs(service, process.name, settings.log_level)
    configure_telemetry(service, process.name, settings.otel_exporter_otlp_endpoint)
    if isinstance(settings, ServiceSettings):
        watch_token(settings.service_token.get_secret_value())
        watch_certificates(settings.tls_certificate, settings.tls_authority)
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


def _migrate(service: str) -> int:
    from services.kit.migrate import migrate  # noqa: PLC0415  a quarter of a second that only this process needs

    settings = load(MigrateSettings)
    configure_logs(service, "migrate", settings.log_level)
    migrate(service, settings.migrate_database_url.get_secret_value())
    return 0


def _help(parts: Sequence[Process | Command]) -> str:
    return "; ".join(f"{each.name}: {each.help}" for each in parts)
