"""Whether students write what they used to: the scores of late, beside a reference for each provider.

The embedded model's reference is the dev part that it was tuned on; the vendor's is what it gave here over a week ago.
For each category the scores of the last messages are counted in ten steps and compared by the population stability
index: below 0.1 nothing moved, above 0.25 the traffic or the model is not what it was.
"""

import json
import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.kit.logs import get_logger
from services.moderation import metrics
from services.moderation.domain import Category

REFERENCE = Path(__file__).with_name("model") / "reference_scores.json"
EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Where one step of a score (0..1) ends and the next begins."""
VENDOR = "moderationapi"
WINDOW = 2000
LEAST = 500
"""Messages that are compared: at most, and at least."""
_EVERY = 100
_FLOOR = 1e-3
"""Share of an empty step: one message among a thousand."""
_log = get_logger(__name__)


def step_of(score: float) -> int:
    """Return the step, 0 to 9, that a score lies in."""
    return bisect_right(EDGES, score)


def stability_index(expected: Sequence[float], found: Sequence[int]) -> float:
    """Return how far counts by step are from the expected shares; 0 when they are the same."""
    total = sum(found)
    pairs = [(max(e, _FLOOR), max(f / total, _FLOOR)) for e, f in zip(expected, found, strict=True)]
    return sum((f - e) * math.log(f / e) for e, f in pairs)


def load_reference() -> tuple[str, dict[str, list[float]]]:
    """Return the model that the reference is of, and the share of each step by category.

    Raises OSError, ValueError or KeyError when the file is not whole.
    """
    stored = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return str(stored["model"]), {name: [float(share) for share in stored["shares"][name]] for name in Category}


def shares_of(scores: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the share of each step by category among these scores of messages; at least one message."""
    steps = range(len(EDGES) + 1)
    counts = {name: Counter(step_of(each.get(name, 0.0)) for each in scores) for name in Category}
    return {name: [found[step] / len(scores) for step in steps] for name, found in counts.items()}


class Drift:
    """The scores that a provider gave of late to one replica, beside what is expected of it."""

    def __init__(self, provider: str, expected: Mapping[str, Sequence[float]]) -> None:
        """`expected` has the share of each step by category; nothing is counted yet."""
        self.expected = expected
        self._provider = provider
        self._steps: deque[Mapping[str, int]] = deque(maxlen=WINDOW)
        self._noted = 0

    def note(self, scores: Mapping[str, float]) -> dict[str, float] | None:
        """Count a message's scores; return each category's index now and then, once there are enough messages."""
        self._steps.append({name: step_of(score) for name, score in scores.items()})
        self._noted += 1
        if len(self._steps) < LEAST or self._noted % _EVERY:
            return None
        found = {name: self._index(name) for name in self.expected}
        for name, index in found.items():
            metrics.drift.set(index, {"category": name, "provider": self._provider})
        return found

    def _index(self, name: str) -> float:
        counts = [0] * (len(EDGES) + 1)
        for each in self._steps:
            counts[each.get(name, 0)] += 1
        return stability_index(self.expected[name], counts)


class Drifts:
    """The drift of the embedded model and of the vendor, within one replica."""

    def __init__(self) -> None:
        """Read the embedded model's reference; the vendor has none before `compare_vendor_with`."""
        self._model, expected = load_reference()
        self._embedded = Drift("embedded", expected)
        self._vendor: Drift | None = None
        self._is_known = True

    def compare_vendor_with(self, scores: Sequence[Mapping[str, float]]) -> None:
        """Compare the vendor's scores with these from now on; fewer than 500 messages say too little."""
        if len(scores) < LEAST:
            return
        if self._vendor is None:
            self._vendor = Drift(VENDOR, shares_of(scores))
        self._vendor.expected = shares_of(scores)

    def note(self, provider: str, model: str, scores: Mapping[str, float]) -> dict[str, float] | None:
        """Count a message's scores as Drift does.

        Scores of an embedded model that the reference is not of are left out, which is logged once.
        """
        if provider == VENDOR:
            return self._vendor.note(scores) if self._vendor else None
        if model == self._model:
            return self._embedded.note(scores)
        if self._is_known:
            _log.warning("reference_of_another_model", model=model, reference=self._model)
        self._is_known = False
        return None
