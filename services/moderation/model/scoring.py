"""From text to ten probabilities, and which part of the message carried each."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model import artefact
from services.moderation.model.categories import CATEGORIES
from services.moderation.model.language import Language, identify, is_plain_english, load_identifier
from services.moderation.model.mixture import Floats, Mixtures, read_mixtures
from services.moderation.model.ngrams import NgramModel
from services.moderation.model.normalise import Normaliser, load_normaliser, plain_words, sentences, windows
from services.moderation.model.reader import Reader
from services.moderation.model.stretches import counting_less, in_doubt, stretches, worst
from services.moderation.model.unigram import Unigram
from services.moderation.model.wordpiece import WordPieces

# What cannot be told apart is mostly very short English.
READ_AS_ENGLISH = frozenset({"en", "und"})
_IMPLIES = (("self_harm_intent", "self_harm"), ("self_harm_direction", "self_harm"), ("severe_toxicity", "toxicity"))
# Below any threshold that a district would set.
_EXPLAINED_FROM = 0.05
_MOST_WORDS_NAMED = 4


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a category scored as it did: the sentence that carried it (normalised), its weightiest words first."""

    sentence: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """Ten probabilities (0..1) for one message; ``confidence`` falls when the model does not know the language."""

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
class Parts:
    """What a model is made of."""

    normaliser: Normaliser
    ngrams: NgramModel
    multilingual: Reader
    english: Reader
    mixtures: Mixtures


class Model:
    """The embedded model. Safe to share between threads: its only state is a memory of words."""

    def __init__(self, version: str, parts: Parts) -> None:
        """Use ``load_model``; this takes the parts as they are."""
        self.version = version
        self.parts = parts
        self._ngrams = parts.ngrams

    def score(self, text: str, lang: str | None = None) -> Scores:
        """Score one message of any length; ``lang`` is an ISO 639-1 code when the caller knows it. Never raises."""
        said = self.parts.normaliser.normalise(text)
        language = identify(said.text, lang, self._ngrams.word_columns)
        is_english = reads_as_english(language)
        read = what_is_read(said.text, is_english) + windows(said.linked)
        if not read:
            return self._scores(np.zeros(len(CATEGORIES)), {}, language, said.encoded)
        chances = _chances(self.parts, read, is_english)
        if in_doubt(chances.max(axis=0), is_english=is_english):
            closer = worst_stretches(self.parts, said.text, len(read))
            chances = np.vstack([chances, _stretch_chances(self.parts, closer, is_english)])
            read += closer
        final, best = chances.max(axis=0), chances.argmax(axis=0)
        apply_rules(final, best)
        return self._scores(final, self._explain(read, best, final), language, said.encoded)

    def _explain(self, read: list[str], best: NDArray[np.int64], final: NDArray[np.float64]) -> dict[str, Explanation]:
        """Name the sentence and the words by the linear member, which alone can say what each word added."""
        weighed: dict[str, list[tuple[str, Floats]]] = {}
        found = {}
        for i, name in enumerate(CATEGORIES):
            if final[i] >= _EXPLAINED_FROM:
                window = read[best[i]]
                if window not in weighed:
                    weighed[window] = [(part, self._linear(part)) for part in sentences(window)]
                found[name] = self._explanation(weighed[window], i)
        return found

    def _explanation(self, weighed: list[tuple[str, Floats]], category: int) -> Explanation:
        sentence, _ = max(weighed, key=lambda each: each[1][category])
        carried = sorted(self._ngrams.carried_by(plain_words(sentence), category), key=lambda item: -item[1])
        words = dict.fromkeys(word for word, weight in carried if weight > 0)
        return Explanation(sentence, tuple(words)[:_MOST_WORDS_NAMED])

    def _linear(self, text: str) -> Floats:
        return self._ngrams.logits(self._ngrams.features(plain_words(text)))

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


def what_is_read(text: str, is_english: bool) -> list[str]:
    """Return the windows of a normalised text and, where sentences of another language stand among English ones, those.

    The English around them would drown what they say.
    """
    read = windows(text)
    return read + [part for window in read if (part := _abroad(window))] if is_english else read


def _abroad(window: str) -> str:
    every = sentences(window)
    abroad = [sentence for sentence in every if not is_plain_english(sentence)]
    return " ".join(abroad) if len(abroad) < len(every) else ""


def _chances(parts: Parts, read: list[str], is_english: bool) -> NDArray[np.float64]:
    """Return (windows, ten) probabilities; the multilingual network reads English only where it is not yet clear."""
    is_plain = plain_windows(read)
    if not is_english:
        return parts.mixtures.chances(np.stack([_linear(parts, read), parts.multilingual.logits(read)]), is_plain)
    linear, english = _linear(parts, read), parts.english.logits(read)
    doubtful = np.flatnonzero(~parts.mixtures.clear(np.stack([linear, english]), is_plain))
    multilingual = np.full_like(linear, np.nan)
    if len(doubtful):
        multilingual[doubtful] = parts.multilingual.logits([read[i] for i in doubtful])
    return parts.mixtures.chances(np.stack([linear, multilingual, english]), is_plain)


def worst_stretches(parts: Parts, text: str, most: int) -> list[str]:
    """Return at most so many stretches of a normalised text's words, those that the linear member finds worst."""
    found = stretches(" ".join(sentences(text)).split())
    return [found[i] for i in worst(_linear(parts, found), most)] if found else []


def stretch_logits(parts: Parts, found: list[str], is_english: bool) -> Floats:
    """Return (two, stretches, ten) log-odds of the linear member and the language's own network."""
    if not found:
        return np.empty((2, 0, len(CATEGORIES)), np.float32)
    network = parts.english if is_english else parts.multilingual
    return np.stack([_linear(parts, found), network.logits(found)])


def _stretch_chances(parts: Parts, found: list[str], is_english: bool) -> NDArray[np.float64]:
    chances = parts.mixtures.of_two(is_english).chances(stretch_logits(parts, found, is_english))
    return counting_less(chances, is_english=is_english)


def every_logits(parts: Parts, read: list[str], is_english: bool) -> Floats:
    """Return (members, windows, ten) log-odds in the order of MEMBERS of all that know the language, spared or not."""
    both = [_linear(parts, read), parts.multilingual.logits(read)]
    return np.stack([*both, parts.english.logits(read)] if is_english else both)


def plain_windows(read: list[str]) -> NDArray[np.bool_]:
    """Return which windows hold nothing but English, as far as their words can tell."""
    return np.array([is_plain_english(window) for window in read], dtype=bool)


def _linear(parts: Parts, read: list[str]) -> Floats:
    return np.stack([parts.ngrams.logits(parts.ngrams.features(plain_words(window))) for window in read])


def reads_as_english(language: Language) -> bool:
    """Return whether the English network reads this language too."""
    return language.code in READ_AS_ENGLISH


def apply_rules(final: NDArray[np.float64], best: NDArray[np.int64]) -> None:
    """Raise, in place, what another category implies: intent implies self-harm, severe implies toxic."""
    for cause, effect in _IMPLIES:
        i, j = CATEGORIES.index(cause), CATEGORIES.index(effect)
        if final[i] > final[j]:
            final[j], best[j] = final[i], best[i]


def load_parts(folder: Path) -> Parts:
    """Return the parts in ``folder`` as they were trained."""
    multilingual = artefact.load_arrays(folder / "multilingual_pieces.npz")
    pieces = Unigram(artefact.unpack_names(multilingual["pieces"]), multilingual["prices"].tolist())
    english = WordPieces((folder / "english_pieces.txt").read_text(encoding="utf-8").split("\n"))
    return Parts(
        load_normaliser(folder / "lexicon.txt"),
        load_ngrams(folder),
        Reader(folder / "multilingual.onnx", pieces),
        Reader(folder / "english.onnx", english),
        read_mixtures(folder),
    )


def load_ngrams(folder: Path) -> NgramModel:
    """Return the linear member in ``folder``."""
    stored = artefact.load_arrays(folder / "ngrams.npz")
    return NgramModel(
        artefact.unpack_names(stored["words"]),
        artefact.unpack_names(stored["chars"]),
        stored["idf"],
        stored["weights"].astype(np.float32),
        stored["bias"],
    )


@lru_cache(maxsize=2)
def load_model(folder: Path = artefact.ARTEFACTS) -> Model:
    """Return the model in ``folder`` once its checksums are verified; raises DamagedArtefact. About two seconds."""
    load_identifier()
    return Model(artefact.verify(folder), load_parts(folder))
