"""The supervisor: starts what it is given, names what dies, starts it again, stops everything in order.

One thread looks after all children, so that the kernel's link between their life and ours holds.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.children import last_lines, signal_group

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0
_POLL_SECONDS = 0.05


@dataclass
class Child:
    """One process that should always run."""

    name: str
    """Unique among the children: the part's name, with a number where it runs several times."""
    part: str
    """Its name in run.json."""
    start: Callable[[], "subprocess.Popen[bytes]"]
    """Starts it; called again each time that it dies."""
    is_ready: Callable[[], bool]
    log: Path
    wave: int
    """Higher waves stop first."""
    stopping: signal.Signals = signal.SIGTERM
    process: "subprocess.Popen[bytes] | None" = None
    deaths: int = 0
    started_at: float = 0.0
    again_at: float | None = field(default=None)

    def launch(self) -> None:
        """Start it now."""
        self.process, self.started_at, self.again_at = self.start(), time.monotonic(), None

    @property
    def has_ended(self) -> bool:
        """Whether it was started and is gone."""
        return self.process is not None and self.process.poll() is not None

    def pause_seconds(self) -> float:
        """How long to wait before the next start: longer after each death, as at first after a steady while."""
        if time.monotonic() - self.started_at > _STEADY_SECONDS:
            self.deaths = 0
        self.deaths += 1
        return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (self.deaths - 1))


class DiedWhileStarting(Exception):
    """A process ended, or took too long, before the system was ready; the text names it and quotes its log."""


class Supervisor:
    """Holds the children. Its owner calls `watch_once` all the while."""

    def __init__(self, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        """`say` prints a line for people; `changed` is called after a process was started again."""
        self._say, self._changed = say, changed
        self.children: list[Child] = []

    def add(self, child: Child) -> None:
        """Start a child and look after it."""
        self.children.append(child)
        child.launch()

    def wait_ready(self, names: Iterable[str], seconds: float, *, is_stopping: Callable[[], bool]) -> None:
        """Wait until the named children are ready. DiedWhileStarting if one ends or time is over."""
        waiting = [child for child in self.children if child.name in set(names)]
        deadline = time.monotonic() + seconds
        while waiting and not is_stopping():
            for child in waiting:
                if child.has_ended or time.monotonic() > deadline:
                    raise DiedWhileStarting(_obituary(child, "ended" if child.has_ended else "is not ready in time"))
            waiting = [child for child in waiting if not child.is_ready()]
            time.sleep(_POLL_SECONDS)

    def watch_once(self) -> None:
        """Name what has died and start it again when its pause is over."""
        for child in self.children:
            if child.again_at is not None:
                if time.monotonic() >= child.again_at:
                    child.launch()
                    self._changed()
            elif child.has_ended:
                if child.process:
                    # What it started must not stand in the way of its successor.
                    signal_group(child.process, signal.SIGKILL)
                pause = child.pause_seconds()
                child.again_at = time.monotonic() + pause
                self._say(_obituary(child, f"died ({_how(child)}), starts again in {pause:.2g} s"))

    def pids(self) -> dict[str, list[int]]:
        """Return the process ids of each part."""
        pids: dict[str, list[int]] = {}
        for child in self.children:
            if child.process is not None:
                pids.setdefault(child.part, []).append(child.process.pid)
        return pids

    def stop(self, seconds: float) -> None:
        """Stop everything, the last wave first, within `seconds`: what does not end in its share is killed."""
        waves = sorted({child.wave for child in self.children}, reverse=True)
        deadline = time.monotonic() + seconds
        for remaining, wave in zip(range(len(waves), 0, -1), waves, strict=True):
            # Later waves need little time: this one may use all but half a second for each of them.
            _end([child for child in self.children if child.wave == wave], deadline - 0.5 * (remaining - 1))
        self.children.clear()


def _end(children: list[Child], deadline: float) -> None:
    alive = [child for child in children if child.process is not None]
    for child in alive:
        if child.process and child.process.poll() is None:
            child.process.send_signal(child.stopping)
    for child in alive:
        if child.process is None:
            continue
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.1, deadline - time.monotonic()))
        # Whatever the process started and left behind is in its group.
        signal_group(child.process, signal.SIGKILL)
        child.process.wait()


def _how(child: Child) -> str:
    code = child.process.returncode if child.process else 0
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _obituary(child: Child, what: str) -> str:
    lines = "\n".join(f"    {line[:400]}" for line in last_lines(child.log))
    return f"{child.name} {what}. Its last lines ({child.log}):\n{lines}"
