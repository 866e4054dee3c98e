"""Fits the members: logistic regression over n-grams (scikit-learn) and the heads over the encoder (numpy, Adam)."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.heads import Heads
from services.moderation.model.ngrams import NgramModel, char_grams, word_grams

Floats = NDArray[np.float32]
_LEAST_WORDS, _LEAST_CHARS, _MOST_WORD_GRAMS, _MOST_CHAR_GRAMS = 3, 5, 45_000, 70_000
_STRENGTH = 6.0
_HIDDEN, _EPOCHS, _BATCH, _RATE, _DECAY, _DROPOUT = 192, 14, 256, 1.2e-3, 2e-3, 0.35
_SOFTEN = 0.02


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The n-grams that are kept and their inverse document frequencies, words first."""

    words: list[str]
    chars: list[str]
    idf: Floats


def build_vocabulary(texts: list[list[str]], weights: Floats) -> Vocabulary:
    """Keep n-grams that occur in enough messages; a message of our own corpus counts more than a public one."""
    words: Counter[str] = Counter()
    chars: Counter[str] = Counter()
    for text, weight in zip(texts, weights.tolist(), strict=True):
        for gram in set(word_grams(text)):
            words[gram] += max(1.0, weight)
        for gram in {gram for word in text for gram in char_grams(word)}:
            chars[gram] += max(1.0, weight)
    kept_words = [g for g, n in words.most_common(_MOST_WORD_GRAMS) if n >= _LEAST_WORDS]
    kept_chars = [g for g, n in chars.most_common(_MOST_CHAR_GRAMS) if n >= _LEAST_CHARS]
    seen = np.array([words[g] for g in kept_words] + [chars[g] for g in kept_chars])
    idf = np.log((1.0 + float(np.maximum(weights, 1.0).sum())) / (1.0 + seen)) + 1.0
    return Vocabulary(sorted(kept_words), sorted(kept_chars), _reorder(idf, kept_words, kept_chars))


def _reorder(idf: NDArray[np.float64], words: list[str], chars: list[str]) -> Floats:
    of_words = dict(zip(words, idf[: len(words)], strict=True))
    of_chars = dict(zip(chars, idf[len(words) :], strict=True))
    return np.array([of_words[g] for g in sorted(words)] + [of_chars[g] for g in sorted(chars)], dtype=np.float32)


def empty_ngrams(vocabulary: Vocabulary) -> NgramModel:
    """Return a model with no weights, to make features with."""
    size = len(vocabulary.idf)
    return NgramModel(
        vocabulary.words, vocabulary.chars, vocabulary.idf, np.zeros((size, 0), np.float32), np.zeros(0, np.float32)
    )


def feature_matrix(model: NgramModel, texts: list[list[str]], size: int) -> csr_matrix:
    """Return the messages' features as a sparse matrix of ``size`` columns."""
    found = [model.features(text) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(f.columns) for f in found])])
    return csr_matrix(
        (np.concatenate([f.values for f in found]), np.concatenate([f.columns for f in found]), starts),
        shape=(len(texts), size),
    )


def fit_linear(matrix: csr_matrix, labels: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return weights (columns, categories) and bias; each category learns from the rows whose label is known."""
    columns, biases = [], []
    for category in range(len(CATEGORIES)):
        known = ~np.isnan(labels[:, category])
        fitted = LogisticRegression(C=_STRENGTH, solver="lbfgs", max_iter=70, tol=1e-3)
        fitted.fit(matrix[known], labels[known, category], sample_weight=weights[known])
        columns.append(fitted.coef_[0])
        biases.append(fitted.intercept_[0])
    return np.stack(columns, axis=1).astype(np.float32), np.array(biases, dtype=np.float32)


def fit_heads(rows: Floats, labels: Floats, weights: Floats, members: int) -> Heads:
    """Return ``members`` networks trained with dropout on masked cross-entropy, each from a seed of its own."""
    trained = [_fit_member(rows, labels, weights, seed) for seed in range(members)]
    stacked = [np.stack([member[i] for member in trained]).astype(np.float32) for i in range(4)]
    return Heads(*stacked)


def _fit_member(rows: Floats, labels: Floats, weights: Floats, seed: int) -> list[Floats]:
    chance = np.random.default_rng(seed)
    width = rows.shape[1]
    share = np.nanmean(labels, axis=0)
    params = [
        chance.normal(0, np.sqrt(2 / width), (width, _HIDDEN)) * 0.7,
        np.zeros(_HIDDEN),
        chance.normal(0, 0.05, (_HIDDEN, labels.shape[1])),
        np.log(share / (1 - share)),
    ]
    params = [p.astype(np.float32) for p in params]
    first, second = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    known = (~np.isnan(labels)).astype(np.float32) * weights[:, None]
    target = np.clip(np.nan_to_num(labels), _SOFTEN / 2, 1 - _SOFTEN / 2).astype(np.float32)
    step, steps = 0, _EPOCHS * (len(rows) // _BATCH + 1)
    for _ in range(_EPOCHS):
        order = chance.permutation(len(rows))
        for at in range(0, len(rows), _BATCH):
            chosen = order[at : at + _BATCH]
            gradients = _gradients(params, rows[chosen], target[chosen], known[chosen], chance)
            step += 1
            rate = _RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            _adam(params, gradients, (first, second), step, rate)
    return params


def _gradients(
    params: list[Floats], rows: Floats, target: Floats, known: Floats, chance: np.random.Generator
) -> list[Floats]:
    w1, b1, w2, b2 = params
    inputs = rows * (chance.random(rows.shape, dtype=np.float32) > 0.1) / np.float32(0.9)
    before = inputs @ w1 + b1
    keep = (chance.random(before.shape, dtype=np.float32) > _DROPOUT) / np.float32(1 - _DROPOUT)
    hidden = np.maximum(before, 0) * keep
    error = (1 / (1 + np.exp(-(hidden @ w2 + b2))) - target) * known / np.float32(len(rows))
    back = (error @ w2.T) * keep * (before > 0)
    return [inputs.T @ back, back.sum(0), hidden.T @ error, error.sum(0)]


def _adam(
    params: list[Floats], gradients: list[Floats], moments: tuple[list[Floats], list[Floats]], step: int, rate: float
) -> None:
    for p, g, m, v in zip(params, gradients, *moments, strict=True):
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        p -= np.float32(rate) * (
            m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8) + _DECAY * p * (p.ndim > 1)
        ).astype(np.float32)
