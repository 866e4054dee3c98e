"""Goal 7: the n-gram scores of one message, beside scikit-learn on the same features and alt-profanity-check.

``python -m benchmarks.goal_07_model`` prints the ratios. The three are interleaved over the same messages;
scikit-learn gets the same vocabulary, weights and words, and its ten probabilities must equal ours before a time
counts.
"""

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion

from services.moderation.model import artefact
from services.moderation.model.ngrams import NgramModel, char_grams, word_grams
from services.moderation.model.normalise import plain_words
from services.moderation.training.data import read_corpus

_ROUNDS, _MESSAGES = 5, 200
_EQUAL = 1e-4


def _characters(words: list[str]) -> list[str]:
    return [gram for word in words for gram in char_grams(word)]


class _Sklearn:
    """The same linear model as scikit-learn would run it: two TF-IDF vectorizers and ten logistic regressions."""

    def __init__(
        self, words: list[str], chars: list[str], idf: np.ndarray, weights: np.ndarray, bias: np.ndarray
    ) -> None:
        blocks = [("words", word_grams, words, idf[: len(words)]), ("chars", _characters, chars, idf[len(words) :])]
        self._features = FeatureUnion(
            [(name, self._vectorizer(analyzer, vocabulary, part)) for name, analyzer, vocabulary, part in blocks]
        )
        self._judges = [self._judge(weights[:, i], bias[i]) for i in range(weights.shape[1])]

    @staticmethod
    def _vectorizer(
        analyzer: Callable[[list[str]], list[str]], vocabulary: list[str], idf: np.ndarray
    ) -> TfidfVectorizer:
        made = TfidfVectorizer(
            analyzer=analyzer, vocabulary={gram: i for i, gram in enumerate(vocabulary)}, sublinear_tf=True
        )
        made.idf_ = idf.astype(np.float64)
        return made

    @staticmethod
    def _judge(weights: np.ndarray, bias: float) -> LogisticRegression:
        made = LogisticRegression()
        made.coef_, made.intercept_, made.classes_ = (
            weights[None, :].astype(np.float64),
            np.array([bias], dtype=np.float64),
            np.array([0, 1]),
        )
        return made

    def predict(self, words: list[str]) -> np.ndarray:
        """Return ten probabilities of one message."""
        row = self._features.transform([words])
        return np.array([judge.predict_proba(row)[0, 1] for judge in self._judges])


def run() -> list[dict[str, object]]:
    """Return the two ratios in the shape of ``benchmarks/results.json``; raises AssertionError when scores differ."""
    stored = artefact.load_arrays(artefact.ARTEFACTS / "ngrams.npz")
    words, chars = artefact.unpack_names(stored["words"]), artefact.unpack_names(stored["chars"])
    weights = stored["weights"].astype(np.float32)
    ours = NgramModel(words, chars, stored["idf"], weights, stored["bias"])
    theirs = _Sklearn(words, chars, stored["idf"], weights, stored["bias"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It warns of its age when it is imported.
        from profanity_check import predict_prob  # noqa: PLC0415
    texts = [row.text for row in read_corpus() if row.lang == "en" and len(row.text) < 300][:_MESSAGES]
    plain = [plain_words(text.lower()) for text in texts]
    gap = max(float(np.abs(_chances(ours, part) - theirs.predict(part)).max()) for part in plain[:50])
    if gap >= _EQUAL:
        raise AssertionError(f"scores differ by {gap}")
    times: dict[str, list[float]] = {"ours": [], "sklearn": [], "profanity": []}
    for _ in range(_ROUNDS):
        times["ours"].append(_each(lambda i: _chances(ours, plain_words(texts[i].lower()))))
        times["sklearn"].append(_each(lambda i: theirs.predict(plain[i])))
        times["profanity"].append(_each(lambda i: predict_prob([texts[i]])))
    return [_result(times, "sklearn", 20, 8), _result(times, "profanity", 20, 10)]


def _chances(model: NgramModel, words: list[str]) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-model.logits(model.features(words))))


def _each(score: Callable[[int], object]) -> float:
    started = time.perf_counter()
    for i in range(_MESSAGES):
        score(i)
    return (time.perf_counter() - started) / _MESSAGES


def _result(times: dict[str, list[float]], peer: str, target: float, floor: float) -> dict[str, object]:
    ours, against = statistics.median(times["ours"]), statistics.median(times[peer])
    spread = (max(times["ours"]) - min(times["ours"])) / ours
    name = {
        "sklearn": "one message against scikit-learn on the same features",
        "profanity": "one message against alt-profanity-check",
    }[peer]
    return {
        "goal": 7,
        "name": name,
        "ours": ours,
        "against": against,
        "ratio": against / ours,
        "target": target,
        "floor": floor,
        "spread": spread,
        "exact": True,
    }
