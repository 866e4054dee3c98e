"""From text to ten probabilities: the members, how they are weighed together.

And which part of the message carried it.
"""

import itertools
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.moderation.model import artefact
from services.moderation.model.categories import CATEGORIES
from services.moderation.model.context import ContextReader
from services.moderation.model.encoder import Encoder
from services.moderation.model.heads import Heads
from services.moderation.model.language import Language, identify
from services.moderation.model.ngrams import NgramModel
from services.moderation.model.normalise import Normaliser, load_normaliser, plain_words, sentences

Floats = NDArray[np.float32]
_IMPLIES = (("self_harm_intent", "self_harm"), ("self_harm_direction", "self_harm"), ("severe_toxicity", "toxicity"))
_MOST_SEGMENTS = 600
# The context member is English, but of its word pieces it learnt more Haitian Creole than the encoder ever saw.
_READ_IN_CONTEXT = frozenset({"en", "ht", "und"})


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a category scored as it did: the sentence that carried it (normalised) and its weightiest words.

    Heaviest first.
    """

    sentence: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """Ten probabilities (0..1) for one message.

    ``confidence`` falls when the language is one the model does not know.
    """

    toxicity: float
    severe_toxicity: float
    profanity: float
    insult: float
    discrimination: float
    threat: float
    self_harm: float
    self_harm_intent: float
    self_harm_direction: float
    violence: float
    model: str
    explanation: dict[str, Explanation]
    language: str
    confidence: float
    encoded: bool

    def as_dict(self) -> dict[str, float]:
        """Return the ten probabilities by category."""
        return {name: float(getattr(self, name)) for name in CATEGORIES}


@dataclass(frozen=True, slots=True)
class Mixture:
    """How the members are weighed, per category: English (row 0) with the context member.

    Other languages (row 1) without it.
    """

    linear: Floats
    heads: Floats
    context: Floats
    bias: Floats
    alone: Floats

    def logits(self, linear: Floats, heads: Floats, context: Floats | None) -> Floats:
        """Return the weighed log-odds; ``context`` is None for a language that the context member does not read."""
        i = 1 if context is None else 0
        weighed: Floats = linear * self.linear[i] + heads * self.heads[i] + self.bias[i]
        return weighed if context is None else weighed + context * self.context[i]

    def chances(self, logits: Floats, alone: Floats) -> NDArray[np.float64]:
        """Return each segment's probabilities.

        A sentence taken ``alone`` (1) is docked a little for its lost context.
        """
        return 1.0 / (1.0 + np.exp(-(logits - np.outer(alone, self.alone)).astype(np.float64)))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a model is made of."""

    normaliser: Normaliser
    ngrams: NgramModel
    encoder: Encoder
    heads: Heads
    context: ContextReader
    mixture: Mixture


class Model:
    """The embedded model. Safe to share between threads for reading: its only state is a memory of words."""

    def __init__(self, version: str, parts: Parts) -> None:
        """Use ``load_model``; this takes the parts as they are."""
        self.version = version
        self._parts = parts
        self._ngrams = parts.ngrams

    def score(self, text: str, lang: str | None = None) -> Scores:
        """Score one message of any length; ``lang`` is an ISO 639-1 code when the caller knows it.

        Never raises on any text.
        """
        said = self._parts.normaliser.normalise(text)
        language = identify(said.text, lang, self._ngrams.word_columns)
        segments, alone = segments_of(said.text)
        if not segments:
            return self._scores(np.zeros(len(CATEGORIES)), {}, language, said.encoded)
        chances = self._parts.mixture.chances(self._logits(segments, language.code in _READ_IN_CONTEXT), alone)
        final, best = chances.max(axis=0), chances.argmax(axis=0)
        apply_rules(final, best)
        return self._scores(final, self._explain(segments, best, final), language, said.encoded)

    def score_many(self, texts: list[str], langs: list[str | None] | None = None) -> list[Scores]:
        """Score several messages; each gets exactly what ``score`` gives it."""
        return [self.score(text, lang) for text, lang in zip(texts, langs or [None] * len(texts), strict=True)]

    def _logits(self, segments: list[str], is_english: bool) -> Floats:
        parts = self._parts
        linear = np.stack([self._ngrams.logits(self._ngrams.features(plain_words(part))) for part in segments])
        context = parts.context.logits(segments) if is_english else None
        return parts.mixture.logits(linear, parts.heads.logits(parts.encoder.encode(segments)), context)

    def _explain(
        self, segments: list[str], best: NDArray[np.int64], final: NDArray[np.float64]
    ) -> dict[str, Explanation]:
        return {name: self._explanation(segments[best[i]], i) for i, name in enumerate(CATEGORIES) if final[i] >= 0.3}

    def _explanation(self, segment: str, category: int) -> Explanation:
        carried = sorted(self._ngrams.carried_by(plain_words(segment), category), key=lambda item: -item[1])
        words = dict.fromkeys(word for word, weight in carried if weight > 0)
        return Explanation(segment, tuple(words)[:4])

    def _scores(
        self, final: NDArray[np.float64], why: dict[str, Explanation], language: Language, encoded: bool
    ) -> Scores:
        return Scores(
            **{name: round(float(chance), 6) for name, chance in zip(CATEGORIES, final, strict=True)},
            model=self.version,
            explanation=why,
            language=language.code,
            confidence=language.confidence,
            encoded=encoded,
        )


def apply_rules(final: NDArray[np.float64], best: NDArray[np.int64]) -> None:
    """Raise, in place, what another category implies: no intent to harm oneself without self-harm.

    None severe that is not toxic.
    """
    for cause, effect in _IMPLIES:
        i, j = CATEGORIES.index(cause), CATEGORIES.index(effect)
        if final[i] > final[j]:
            final[j], best[j] = final[i], best[i]


def segments_of(text: str) -> tuple[list[str], Floats]:
    """Return the whole text when it is short, its neighbouring sentences in pairs, and each alone (marked 1)."""
    parts = sentences(text)[:_MOST_SEGMENTS]
    if len(parts) < 2:
        return (parts, np.zeros(len(parts), np.float32))
    whole = [" ".join(parts)] if len(parts) == 2 or len(text) <= 400 else []
    pairs = [f"{a} {b}" for a, b in itertools.pairwise(parts)] if len(parts) > 2 else []
    alone = np.array([0.0] * (len(whole) + len(pairs)) + [1.0] * len(parts), dtype=np.float32)
    return whole + pairs + parts, alone


def read_mixture(folder: Path) -> Mixture:
    """Return how the members are weighed, as trained."""
    stored: dict[str, Any] = json.loads((folder / "mixture.json").read_text(encoding="utf-8"))
    return Mixture(
        *(np.array(stored[key], dtype=np.float32) for key in ("linear", "heads", "context", "bias", "alone"))
    )


@lru_cache(maxsize=2)
def load_model(folder: Path = artefact.ARTEFACTS) -> Model:
    """Return the model in ``folder`` once its checksums are verified; raises DamagedArtefact. About two seconds."""
    version = artefact.verify(folder)
    grams = artefact.load_arrays(folder / "ngrams.npz")
    ngrams = NgramModel(
        artefact.unpack_names(grams["words"]),
        artefact.unpack_names(grams["chars"]),
        grams["idf"],
        grams["weights"].astype(np.float32),
        grams["bias"],
    )
    stored = artefact.load_arrays(folder / "heads.npz")
    heads = Heads(*(stored[key].astype(np.float32) for key in ("w1", "b1", "w2", "b2")))
    pieces = (folder / "pieces.txt").read_text(encoding="utf-8").split("\n")
    context = ContextReader(folder / "context.onnx", pieces)
    return Model(
        version, Parts(load_normaliser(folder / "lexicon.txt"), ngrams, Encoder(), heads, context, read_mixture(folder))
    )
