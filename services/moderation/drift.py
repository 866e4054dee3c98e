"""Whether students write what the model was tuned on: the scores of late, beside those of the dev part.

For each category the scores of the last messages are counted in ten steps and compared by the population stability
index: below 0.1 nothing moved, above 0.25 the traffic or the model is not what it was.
"""

import json
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.kit.logs import get_logger
from services.moderation import metrics
from services.moderation.domain import Category

REFERENCE = Path(__file__).with_name("model") / "reference_scores.json"
EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Where one step of a score (0..1) ends and the next begins."""
_WINDOW = 2000
_LEAST = 500
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


def load_reference(path: Path = REFERENCE) -> tuple[str, dict[str, list[float]]]:
    """Return the model that the reference is of, and the share of each step by category.

    Raises OSError, ValueError or KeyError when the file is not whole.
    """
    stored = json.loads(path.read_text(encoding="utf-8"))
    return str(stored["model"]), {name: [float(share) for share in stored["shares"][name]] for name in Category}


class Drift:
    """The scores of the embedded model that one replica gave of late."""

    def __init__(self, path: Path = REFERENCE) -> None:
        """Read the reference; nothing is counted yet."""
        self._model, self._expected = load_reference(path)
        self._steps: deque[Mapping[str, int]] = deque(maxlen=_WINDOW)
        self._noted = 0
        self._is_known = True

    def note(self, model: str, scores: Mapping[str, float]) -> dict[str, float] | None:
        """Count a message's scores; return each category's index now and then, once there are enough messages.

        Scores of a model that the reference is not of are left out, which is logged once.
        """
        if model != self._model:
            if self._is_known:
                _log.warning("reference_of_another_model", model=model, reference=self._model)
            self._is_known = False
            return None
        self._steps.append({name: step_of(score) for name, score in scores.items()})
        self._noted += 1
        if len(self._steps) < _LEAST or self._noted % _EVERY:
            return None
        found = {name: self._index(name) for name in self._expected}
        for name, index in found.items():
            metrics.drift.set(index, {"category": name})
        return found

    def _index(self, name: str) -> float:
        counts = [0] * (len(EDGES) + 1)
        for each in self._steps:
            counts[each.get(name, 0)] += 1
        return stability_index(self._expected[name], counts)
