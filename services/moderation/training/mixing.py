"""Weighs the members per category, which also calibrates them, on rows that none of them has learnt from."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.mixture import ABROAD, FIRST, MEMBERS, MIXTURE_FILE, Mixture, Mixtures
from services.moderation.training.data import label_matrix
from services.moderation.training.judging import Heard

_STRENGTH = 0.3
_PUBLIC_SAY, _ABROAD_SAY = 0.5, 3.0
Floats = NDArray[np.float32]


_ALL = list(range(len(MEMBERS)))


def fit_mixtures(heard: list[Heard]) -> Mixtures:
    """Return the mixtures; that for other languages learns from all rows, its own counting more, for they are few."""
    english = [each for each in heard if each.is_english]
    return Mixtures(_fit(english, FIRST, 1.0), _fit(english, _ALL, 1.0), _fit(heard, ABROAD, _ABROAD_SAY))


def even_mixtures() -> Mixtures:
    """Return mixtures that weigh all members alike, for as long as they are not fitted."""
    return Mixtures(
        *(
            Mixture(
                np.full((len(members), len(CATEGORIES)), 1 / len(members), np.float32),
                np.zeros(len(CATEGORIES), np.float32),
            )
            for members in (FIRST, _ALL, ABROAD)
        )
    )


def _fit(heard: list[Heard], members: list[int], abroad: float) -> Mixture:
    loudest = np.stack([each.logits[members].max(axis=1) for each in heard], axis=1)
    labels = label_matrix([each.row for each in heard])
    says = np.array([_PUBLIC_SAY if each.row.kind == "public" else 1.0 for each in heard])
    says *= [1.0 if each.row.lang == "en" else abroad for each in heard]
    weights = np.zeros((len(members), len(CATEGORIES)), np.float32)
    biases = np.zeros(len(CATEGORIES), np.float32)
    for category in range(len(CATEGORIES)):
        known = ~np.isnan(labels[:, category])
        weights[:, category], biases[category] = _weigh(
            loudest[:, known, category].T, labels[known, category], says[known]
        )
    return Mixture(weights.round(5), biases.round(5))


def _weigh(inputs: Floats, truth: Floats, says: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return a weight for each member, never negative, and the bias."""
    helpful = list(range(inputs.shape[1]))
    while True:
        fitted = LogisticRegression(C=_STRENGTH, tol=1e-6, max_iter=500).fit(
            inputs[:, helpful], truth, sample_weight=says
        )
        if fitted.coef_[0].min() >= 0 or len(helpful) == 1:
            break
        helpful.pop(int(fitted.coef_[0].argmin()))
    weights = np.zeros(inputs.shape[1])
    weights[helpful] = np.maximum(fitted.coef_[0], 0.0)
    return weights, float(fitted.intercept_[0])


def write_mixtures(mixtures: Mixtures, folder: Path) -> None:
    """Store the mixtures as JSON, members in the order of MEMBERS."""
    named = {"first": mixtures.first, "english": mixtures.english, "other": mixtures.other}
    stored = {
        name: {"weights": _plain(mixture.weights), "bias": _plain(mixture.bias)} for name, mixture in named.items()
    }
    (folder / MIXTURE_FILE).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def _plain(numbers: Floats) -> object:
    return np.round(numbers.astype(np.float64), 5).tolist()
