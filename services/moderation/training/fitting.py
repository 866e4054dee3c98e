"""Fits the linear member: logistic regression over n-grams, by scikit-learn."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from services.moderation.model import artefact
from services.moderation.model.categories import CATEGORIES
from services.moderation.model.ngrams import NgramModel, char_grams, word_grams

Floats = NDArray[np.float32]
_LEAST_WORDS, _LEAST_CHARS, _MOST_WORD_GRAMS, _MOST_CHAR_GRAMS = 3, 5, 45_000, 70_000
_STRENGTH = 6.0
# The solver stops where the mean loss hardly slopes; a category with few positives slopes little before it has learnt.
_SLOPE_LEFT, _MOST_STEPS = 1e-5, 100


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
        fitted = LogisticRegression(C=_STRENGTH, solver="lbfgs", max_iter=_MOST_STEPS, tol=_SLOPE_LEFT)
        fitted.fit(matrix[known], labels[known, category], sample_weight=weights[known])
        columns.append(fitted.coef_[0])
        biases.append(fitted.intercept_[0])
    return np.stack(columns, axis=1).astype(np.float32), np.array(biases, dtype=np.float32)


def fit_ngrams(words: list[list[str]], labels: Floats, weights: Floats, out: Path) -> None:
    """Fit the linear member and store it, in half precision."""
    vocabulary = build_vocabulary(words, weights)
    matrix = feature_matrix(empty_ngrams(vocabulary), words, len(vocabulary.idf))
    slopes, bias = fit_linear(matrix, labels, weights)
    artefact.save_arrays(
        out / "ngrams.npz",
        {"idf": vocabulary.idf, "weights": slopes.astype(np.float16), "bias": bias},
        {"words": vocabulary.words, "chars": vocabulary.chars},
    )
