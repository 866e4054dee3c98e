"""Processes of services for tests, forked from one that has imported the libraries: a start takes a tenth of the time.

What runs is the service's own `python -m services.<name> <process>`, in a process of its own that can be killed. The
tests of the whole system start it as operators do.
"""

import os
import runpy
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_SERVICES = ("moderation", "directory", "queue", "reports")
_SERVER = get_context("forkserver")
_SERVER.set_forkserver_preload([f"services.{each}.__main__" for each in _SERVICES])


@dataclass(frozen=True)
class Forked:
    """A running process."""

    process: ForkServerProcess

    def poll(self) -> int | None:
        """Return the exit code, the negative number of the signal that ended it, or None while it runs."""
        return self.process.exitcode

    def wait(self, timeout: float) -> int:
        """Return as poll does after the end. TimeoutError after so many seconds."""
        self.process.join(timeout)
        code = self.process.exitcode
        if code is None:
            raise TimeoutError(f"{self.process.name} still runs after {timeout} s")
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.process.pid and self.poll() is None:
            os.kill(self.process.pid, number)

    def terminate(self) -> None:
        """Tell it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def start(service: str, process: str, environment: Mapping[str, str], log: Path | None = None) -> Forked:
    """Start `python -m services.<service> <process>` with this environment; what it says goes to the log, if any."""
    arguments = (service, process, dict(environment), log)
    forked = _SERVER.Process(target=_run, args=arguments, name=f"{service} {process}", daemon=True)
    forked.start()
    return Forked(forked)


def _run(service: str, process: str, environment: dict[str, str], log: Path | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if log:
        with log.open("ab") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
    sys.argv = [f"services.{service}", process]
    # It was imported under its own name; to run it is to import it once more under Python's.
    sys.modules.pop(f"services.{service}.__main__", None)
    runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)
