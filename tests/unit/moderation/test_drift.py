"""The index that says whether students write what the model was tuned on (a drift of its scores)."""

import random

import pytest

from services.moderation.domain import Category
from services.moderation.drift import EDGES, VENDOR, Drifts, load_reference, shares_of, stability_index, step_of
from services.moderation.model.artefact import verify

MODEL, SHARES = load_reference()
_LOWER, _UPPER = (0.0, *EDGES), (*EDGES, 1.0)


def draw(chance: random.Random, worse: str = "") -> dict[str, float]:
    """Scores as the reference has them; those of the category `worse` are drawn evenly."""
    steps = {name: chance.choices(range(10), SHARES[name])[0] for name in Category}
    if worse:
        steps[Category(worse)] = chance.randrange(10)
    return {name.value: chance.uniform(_LOWER[step], _UPPER[step]) for name, step in steps.items()}


def test_the_reference_is_of_the_model_that_is_built_in() -> None:
    assert verify() == MODEL, "run python -m services.moderation.training.reference"
    assert all(len(SHARES[name]) == 10 for name in Category)
    assert all(sum(SHARES[name]) == pytest.approx(1, abs=0.01) for name in Category)


def test_steps_begin_at_their_edges() -> None:
    assert [step_of(score) for score in (0.0, 0.009, 0.01, 0.5, 0.9, 1.0)] == [0, 0, 1, 7, 9, 9]


def test_the_index_is_nothing_for_the_same_and_grows_with_what_moved() -> None:
    assert stability_index([0.5, 0.5], [10, 10]) == 0
    assert stability_index([0.9, 0.1], [80, 20]) == pytest.approx(0.081, abs=0.001)
    assert stability_index([0.9, 0.1], [10, 90]) > 1


def test_ordinary_traffic_does_not_drift_and_one_category_that_moves_shows() -> None:
    chance, drift = random.Random(7), Drifts()
    found = [drift.note("embedded", MODEL, draw(chance)) for _ in range(600)]
    assert [number for number, each in enumerate(found, 1) if each] == [500, 600]
    calm = found[-1] or {}
    assert max(calm.values()) < 0.1
    moved = [drift.note("embedded", MODEL, draw(chance, "insult")) for _ in range(2000)][-1] or {}
    assert moved["insult"] > 0.25
    assert max(index for name, index in moved.items() if name != "insult") < 0.1


def test_scores_of_another_model_are_left_out() -> None:
    drift = Drifts()
    assert not any(drift.note("embedded", "lantern-other", draw(random.Random(1))) for _ in range(700))


def test_the_share_of_each_step_is_counted() -> None:
    shares = shares_of([{"insult": 0.001}, {"insult": 0.6}, {"insult": 0.6}, {}])
    assert shares["insult"] == [0.5, 0, 0, 0, 0, 0, 0, 0.5, 0, 0]
    assert shares["threat"][0] == 1


def test_the_vendor_is_compared_with_what_it_gave_before_and_not_with_the_model() -> None:
    chance, drifts = random.Random(7), Drifts()
    usual = [dict.fromkeys((name.value for name in Category), chance.random()) for _ in range(2000)]
    assert not any(drifts.note(VENDOR, "moderationapi-2", each) for each in usual), "it has no reference yet"
    drifts.compare_vendor_with(usual[:499])
    assert not any(drifts.note(VENDOR, "moderationapi-2", each) for each in usual), "too little to compare with"
    drifts.compare_vendor_with(usual)
    calm = [drifts.note(VENDOR, "moderationapi-2", each) for each in usual][-1] or {}
    assert max(calm.values()) < 0.1
    moved = [drifts.note(VENDOR, "moderationapi-2", {**each, "insult": 0.95}) for each in usual][-1] or {}
    assert moved["insult"] > 0.25
    assert max(index for name, index in moved.items() if name != "insult") < 0.1
