"""Chooses the default policy's thresholds on scores of messages that the model had not learnt from."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES, DANGER
from services.moderation.training.data import Row

POLICY = Path(__file__).parents[1] / "model" / "default_policy.json"
Floats = NDArray[np.float64]
_DANGER_COLUMNS = [CATEGORIES.index(name) for name in DANGER]
_TOXIC_COLUMNS = [i for i, name in enumerate(CATEGORIES) if name not in DANGER]
BENIGN_DANGER_ALARMS, HARD_NEGATIVE_FLAGS, BENIGN_FLAGS = 0.018, 0.14, 0.02
WATCH_BENIGN_ALARMS = 0.05
_TIERS = {
    "threat": "critical",
    "self_harm_intent": "critical",
    "self_harm_direction": "critical",
    "self_harm": "high",
    "violence": "high",
    "severe_toxicity": "high",
    "discrimination": "medium",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of our own corpus with the scores (0..1) that an unseeing model gave them."""

    rows: list[Row]
    scores: Floats

    def of(self, *kinds: str) -> Floats:
        """Return the scores of the rows of these kinds."""
        return self.scores[[row.kind in kinds for row in self.rows]]

    def labels(self) -> Floats:
        """Return the (rows, ten) labels."""
        return np.array([row.labels for row in self.rows])


def choose(judged: Judged) -> None:
    """Write hold and watch thresholds: as low as the budgets of false alarms allow, danger first."""
    danger = _lowest(
        judged,
        _DANGER_COLUMNS,
        lambda limits: (
            _rate(judged.of("benign"), limits) <= BENIGN_DANGER_ALARMS
            and _rate(judged.of("hard_negative"), limits) <= HARD_NEGATIVE_FLAGS * 0.8
        ),
    )
    both = _lowest(
        judged,
        _TOXIC_COLUMNS,
        lambda limits: (
            _rate(judged.of("benign"), np.minimum(limits, danger)) <= BENIGN_FLAGS
            and _rate(judged.of("hard_negative"), np.minimum(limits, danger)) <= HARD_NEGATIVE_FLAGS
        ),
    )
    watch = _lowest(
        judged, list(range(len(CATEGORIES))), lambda limits: _rate(judged.of("benign"), limits) <= WATCH_BENIGN_ALARMS
    )
    hold = np.minimum(danger, both)
    watch = np.minimum(watch, hold * 0.8)
    table = {
        name: {
            "hold": round(float(hold[i]), 4),
            "watch": round(float(watch[i]), 4),
            "tier": _TIERS.get(name, "low"),
            "on": True,
        }
        for i, name in enumerate(CATEGORIES)
    }
    POLICY.write_text(json.dumps({"version": 1, "categories": table}, indent=1) + "\n", encoding="utf-8")


def _rate(scores: Floats, limits: Floats) -> float:
    return float((scores >= limits).any(axis=1).mean()) if len(scores) else 0.0


def _lowest(judged: Judged, columns: list[int], allowed: Callable[[Floats], bool]) -> Floats:
    """Lower a family's thresholds together, by the share of harmless rows that each lets through, while ``allowed``."""
    best = np.full(len(CATEGORIES), 2.0)
    labels = judged.labels()
    for share in np.geomspace(0.0005, 0.2, 60):
        limits = np.full(len(CATEGORIES), 2.0)
        for column in columns:
            harmless = judged.scores[labels[:, column] == 0, column]
            limits[column] = max(float(np.quantile(harmless, 1 - share)), 0.12)
        if not allowed(limits):
            break
        best = limits
    return best
