"""What the goals share: ratios of pairs, their spread, what a table row is made of, and waiting for an end."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

REPETITIONS = 3
_SYNCS = 200
_POLL_SECONDS = 0.005


@dataclass
class Pairs:
    """Figures of ours and of what they are compared with, taken one after the other; more is better."""

    ours: list[float] = field(default_factory=list)
    against: list[float] = field(default_factory=list)
    is_exact: bool = True

    def add(self, ours: float, against: float, *, is_exact: bool = True) -> None:
        """Add one pair; one that is not exact spoils the lot."""
        self.ours.append(ours)
        self.against.append(against)
        self.is_exact = self.is_exact and is_exact

    def result(self, goal: int, name: str, target: float, floor: float) -> dict[str, Any]:
        """Return the row of results.json: the median of the pairs' ratios and how far they lie apart."""
        ratios = [one / other for one, other in zip(self.ours, self.against, strict=True)]
        ratio = statistics.median(ratios)
        return {
            "goal": goal,
            "name": name,
            "ours": statistics.median(self.ours),
            "against": statistics.median(self.against),
            "ratio": ratio,
            "target": target,
            "floor": floor,
            "spread": (max(ratios) - min(ratios)) / ratio,
            "exact": self.is_exact,
        }


def rate(count: int, seconds: Sequence[float] | float) -> float:
    """Return how many a second."""
    return count / (seconds if isinstance(seconds, float) else statistics.median(seconds))


def fsyncs_per_second() -> float:
    """Return how often this disk makes a write durable in a second, now."""
    with tempfile.TemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(_SYNCS):
            file.write(b"x" * 512)
            file.flush()
            os.fdatasync(file.fileno())
        return _SYNCS / (time.perf_counter() - started)


def wait_until(
    what: str, is_so: Callable[[], bool], *, seconds: float = 300.0, processes: Sequence["subprocess.Popen[bytes]"] = ()
) -> None:
    """Look until it is so. RuntimeError, naming it, after `seconds` or when one of the processes has ended."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if ended := next((each for each in processes if each.poll() is not None), None):
            raise RuntimeError(f"{what}: a process ended with {ended.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)
