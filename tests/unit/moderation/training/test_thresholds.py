"""The default policy: as low as false alarms allow, category by category."""

import numpy as np

from services.moderation.model.categories import CATEGORIES
from services.moderation.training.data import Row
from services.moderation.training.thresholds import Budget, choose

_BUDGET = Budget(0.02, 0.1, 0.1)


def _rows(kind: str, count: int, **scores: float) -> list[tuple[Row, list[float]]]:
    labels = tuple(float(kind == "danger" and name in scores) for name in CATEGORIES)
    row = Row(kind, labels, "made here", kind=kind)
    return [(row, [scores.get(name, 0.0) for name in CATEGORIES])] * count


def test_a_category_without_false_alarms_is_lowered_where_another_may_not_be() -> None:
    danger = _rows("danger", 5, threat=0.4) + _rows("danger", 5, self_harm=0.9)
    rows, scores = zip(*danger, *_rows("benign", 50, self_harm=0.5), strict=True)
    policy = choose(list(rows), np.array(scores), _BUDGET)
    assert policy.hold["threat"] <= 0.4
    assert 0.5 < policy.hold["self_harm"] <= 0.9


def test_danger_categories_share_one_allowance_of_false_alarms() -> None:
    danger = _rows("danger", 5, threat=0.5) + _rows("danger", 4, violence=0.5)
    benign = _rows("benign", 98) + _rows("benign", 1, threat=0.6) + _rows("benign", 2, violence=0.6)
    rows, scores = zip(*danger, *benign, strict=True)
    policy = choose(list(rows), np.array(scores), _BUDGET)
    # Both together would hold three of the 101 harmless ones, and two are allowed.
    assert policy.hold["threat"] <= 0.5
    assert policy.hold["violence"] > 0.6


def test_rudeness_is_held_only_where_it_is_likelier_than_not() -> None:
    rows, scores = zip(*_rows("benign", 50, insult=0.1), *_rows("benign", 50, profanity=0.7), strict=True)
    policy = choose(list(rows), np.array(scores), _BUDGET)
    assert policy.hold["insult"] == 0.5
    assert policy.hold["profanity"] > 0.7
