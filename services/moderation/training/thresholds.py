"""Chooses the default policy on scores of messages that the model had not learnt from.

Every threshold is as low as the allowed false alarms let it be. The danger categories share one allowance: they are
lowered in turn, always the one that catches most danger for what it costs.
"""

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES, DANGER, DANGER_COLUMNS
from services.moderation.score import DefaultPolicy
from services.moderation.training.data import Row, label_matrix

TOXIC_COLUMNS = [i for i, name in enumerate(CATEGORIES) if name not in DANGER]
EVERYDAY_SOURCES = ("uci_sms", "clinc150", "banking77", "goemotions")
_STEPS = np.round(np.arange(0.98, 0.249, -0.005), 4)
_STRIDES, _LEAST, _LEAST_TOXIC = (0.02, 0.04, 0.06, 0.10), 0.2, 0.5
_TIERS = {
    "threat": "critical",
    "self_harm_intent": "critical",
    "self_harm_direction": "critical",
    "self_harm": "high",
    "violence": "high",
    "severe_toxicity": "high",
    "discrimination": "medium",
}
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Budget:
    """The most false alarms that are allowed, as shares: on benign, hard-negative and everyday public messages."""

    benign: float
    hard_negative: float
    everyday: float


# A missed danger weighs more than a harmless message that is read, so hard negatives and the everyday talk of strangers
# get more than their goals; students' own harmless messages do not.
DANGER_BUDGET = Budget(0.02, 0.15, 0.04)
STRICT_BUDGET = Budget(0.014, 0.08, 0.02)
# A quarter of the hard negatives are composed to look like hostility to groups: were one in a hundred allowed, more
# than half of the hostile lines beside them would pass for their sake.
CATEGORY_BUDGET = Budget(0.004, 0.03, 0.006)
WATCH_BUDGET = Budget(0.05, 0.25, 0.05)


def choose(rows: list[Row], scores: Floats, danger: Budget = DANGER_BUDGET) -> DefaultPolicy:
    """Return hold and watch thresholds per category; ``danger`` is what the danger categories may spend."""
    labels = label_matrix(rows)
    hold = np.full(len(CATEGORIES), 2.0)
    hold[DANGER_COLUMNS] = _lowered_in_turn(rows, scores[:, DANGER_COLUMNS], danger)
    for column in TOXIC_COLUMNS:
        harmless = labels[:, column] != 1
        kept = [row for row, mine in zip(rows, harmless.tolist(), strict=True) if mine]
        # Rudeness can wait for a reader; what only names a group must not be held for it.
        hold[column] = max(_LEAST_TOXIC, _lowest(kept, scores[harmless, column], CATEGORY_BUDGET))
    watch = np.minimum(_lowest(rows, scores.max(axis=1), WATCH_BUDGET), hold * 0.8)
    return DefaultPolicy(*(dict(zip(CATEGORIES, limits.round(4).tolist(), strict=True)) for limits in (hold, watch)))


def _lowest(rows: list[Row], scores: Floats, budget: Budget) -> float:
    """Return the lowest threshold at which no group of harmless rows has more alarms than its budget."""
    harmless = _harmless(rows, budget)
    lowest = float(_STEPS[0])
    for step in _STEPS.tolist():
        if _spent(scores >= step, harmless).max() > 1:
            break
        lowest = step
    return lowest


def _lowered_in_turn(rows: list[Row], scores: Floats, budget: Budget) -> Floats:
    """Return a threshold for each column of ``scores``; together they keep to the budget."""
    harmless, danger = _harmless(rows, budget), np.array([row.kind == "danger" for row in rows], dtype=bool)
    limits = np.full(scores.shape[1], _STEPS[0])
    while True:
        held = np.asarray((scores >= limits).any(axis=1))
        before = _spent(held, harmless)
        best, gained = limits, 0.0
        for column, stride in product(range(len(limits)), _STRIDES):
            now = held | (scores[:, column] >= limits[column] - stride)
            spent = _spent(now, harmless)
            # The two small numbers let a step be taken that changes nothing yet.
            worth = ((now & danger).sum() - (held & danger).sum() + 0.01) / ((spent - before).sum() + 0.02)
            if limits[column] - stride >= _LEAST and spent.max() <= 1 and worth > gained:
                best, gained = limits - stride * (np.arange(len(limits)) == column), float(worth)
        if not gained:
            return limits
        limits = best


def _harmless(rows: list[Row], budget: Budget) -> list[tuple[Bools, float]]:
    """Return which rows belong to each group of harmless ones, with the alarms that it may have; none is empty."""
    groups = [
        (np.array([row.kind == "benign" for row in rows], dtype=bool), budget.benign),
        (np.array([row.kind == "hard_negative" for row in rows], dtype=bool), budget.hard_negative),
        (
            np.array([row.kind == "public" and row.source in EVERYDAY_SOURCES for row in rows], dtype=bool),
            budget.everyday,
        ),
    ]
    return [(group, share * group.sum()) for group, share in groups if group.any()]


def _spent(held: Bools, harmless: list[tuple[Bools, float]]) -> Floats:
    """Return what share of its allowance each group has spent, more than 1 when it is overspent."""
    return np.array([(held & group).sum() / allowed for group, allowed in harmless] or [0.0])


def limits_of(policy: DefaultPolicy) -> Floats:
    """Return the hold thresholds in the order of CATEGORIES."""
    return np.array([policy.hold[name] for name in CATEGORIES])


def write_policy(policy: DefaultPolicy, path: Path) -> None:
    """Store the policy; beside the model it is the one that a district starts with."""
    table = {
        name: {"hold": policy.hold[name], "watch": policy.watch[name], "tier": _TIERS.get(name, "low"), "on": True}
        for name in CATEGORIES
    }
    path.write_text(json.dumps({"version": 1, "categories": table}, indent=1) + "\n", encoding="utf-8")
