"""Which language a message is in, as far as its words can tell, and how much the scores are worth there.

That a language was not learnt two things tell: letters of another script, and py3langid, which knows 142 languages by
their letters. Of a few words it is never sure, and slang, names and spellings of one's own look foreign to it, so that
it is believed when it is nearly certain, or when the model does not know the words either.
"""

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from services.moderation.model.letters import fold_accents, read_table
from services.moderation.model.normalise import sentences, windows

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LEARNT = frozenset({"en", "es", "fr", "ht", "pt"})
"""The languages of the corpus that the model is trained on (ISO 639-1)."""
# Creoles of French and of English, two that stand between Spanish and Portuguese, and "no language".
_LIKE_THEM = frozenset({"ext", "gcf", "gcr", "gl", "pcm", "zxx"})
_WORDS = re.compile(r"[^\W\d_]+")
_OTHER_LETTERS = re.compile("[^\\W\\d_a-z\u00aa-\u024f\u02b0-\u02ff\u1e00-\u1eff]+")
# One sign of these is a word; one letter of another script is a formula or part of a face.
_SIGNS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_SCRIPTS = {
    "ARABIC": "ar",
    "CJK": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "THAI": "th",
    "CYRILLIC": "ru",
}
# Common in another language and in English too, or the end of an English word: they tell nothing.
_SPELT_ALIKE = frozenset(
    ("a", "an", "as", "ate", "bat", "bin", "come", "die", "m", "met", "no", "photo", "plus", "solo", "van", "w")
)
_UNKNOWN, _MIXED, _LIKELY = 0.3, 0.7, 0.8
_CLEARLY = 3  # common words of another language that outweigh what the caller said


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639-1 code ("und" when it cannot be told) and the confidence (0..1) that scores in it deserve."""

    code: str
    confidence: float


def identify(text: str, told: str | None, vocabulary: Container[str]) -> Language:
    """Return the language of normalised ``text``: what the caller ``told``, unless script or words contradict it.

    Callers tell English by default, and the family's language where a student writes English: what is told raises no
    confidence that the words do not support.
    """
    words = _WORDS.findall(fold_accents(text))
    if not words:
        return Language(told or "und", 1.0)
    is_strange = _is_foreign(text, vocabulary)
    script = _script(text)
    if script not in ("LATIN", ""):
        return Language(_SCRIPTS.get(script, "und"), _UNKNOWN if is_strange else _LIKELY)
    spoken = told.split("-")[0].lower() if told else "und"
    if spoken not in LEARNT | {"und"}:
        if is_strange or not _supports(text, words, vocabulary):
            return Language(spoken, _UNKNOWN)
        spoken = "und"
    code = _likeliest(words, spoken)
    if is_strange or code not in LEARNT | {"und"}:
        return Language(code, _UNKNOWN)
    return _learnt(code, words, vocabulary)


def _supports(text: str, words: list[str], vocabulary: Container[str]) -> bool:
    """Tell whether a text is in a language that was learnt, although the caller told another one."""
    is_english = is_plain_english(text) and all(word in vocabulary for word in words)
    return is_english or _likelihoods(text)[0] > 0.5


def _learnt(code: str, words: list[str], vocabulary: Container[str]) -> Language:
    seen = sum(word in vocabulary for word in words) / len(words)
    is_rare = len(words) >= 4 and seen < 0.5
    if code == "und":
        return Language("und", _UNKNOWN) if is_rare else Language("en", _LIKELY)
    return Language(code, _MIXED if is_rare else 1.0)


def _is_foreign(text: str, vocabulary: Container[str]) -> bool:
    """Tell whether normalised ``text``, or a sentence of it, is in a language that is not LEARNT.

    ``vocabulary`` is what the model has seen, whatever the language. What cannot be told is not foreign.
    """
    if _has_other_script(text):
        return True
    parts = dict.fromkeys([*windows(text), *sentences(text)])
    return any(_is_strange(part, vocabulary) for part in parts)


def _has_other_script(text: str) -> bool:
    if text.isascii():
        return False
    # Marks stand inside the words of many scripts.
    bare = "".join(ch for ch in text if not unicodedata.category(ch).startswith("M"))
    return any(len(run) > 1 or _SIGNS.match(run) for run in _OTHER_LETTERS.findall(bare))


def _is_strange(part: str, vocabulary: Container[str]) -> bool:
    """Weigh how likely the languages are, and how many of the words the model has seen in any."""
    words = _WORDS.findall(fold_accents(part))
    seen = sum(word in vocabulary for word in words) / max(len(words), 1)
    is_plain = is_plain_english(part)
    if not words or (seen == 1 and is_plain):
        return False
    learnt, other = _likelihoods(part)
    if len(words) == 1:
        return other >= 0.97 and not seen
    if other >= 0.9 or (other >= 0.8 and seen < 0.35):
        return True
    # Of a few words more even a guess counts when the model does not know the words either.
    is_guess = (other >= 0.35 and seen < 0.6) or (learnt < 0.3 and seen < 0.5) or (learnt < 0.34 and seen < 0.2)
    return (len(words) >= 3 and is_guess) or (len(words) >= 5 and learnt < 0.28 and not is_plain)


def _likelihoods(text: str) -> tuple[float, float]:
    """Return how likely (0..1) all languages that were learnt are together, and the likeliest of the others."""
    found = dict(load_identifier().rank(text))
    known = LEARNT | _LIKE_THEM
    return sum(found[code] for code in known), max(found[code] for code in found.keys() - known)


@lru_cache(maxsize=1)
def load_identifier() -> "LanguageIdentifier":
    """Return py3langid's model; it takes half a second, once, which only whoever scores should pay."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def is_plain_english(text: str) -> bool:
    """Return whether normalised ``text`` has no letter and no common word of another language.

    Strict on purpose: one Spanish sentence among English ones is enough to say no.
    """
    if any(ch.isalpha() and not ch.isascii() for ch in text):
        return False
    return _foreign_words().isdisjoint(_WORDS.findall(text))


@lru_cache(maxsize=1)
def _foreign_words() -> frozenset[str]:
    common = _common_words()
    foreign = frozenset[str]().union(*(words for code, words in common.items() if code != "en"))
    return foreign - common["en"] - _SPELT_ALIKE


def _script(text: str) -> str:
    counts: dict[str, int] = {}
    for ch in text[:400]:
        if ch.isalpha():
            name = "LATIN" if ch.isascii() else unicodedata.name(ch, "").split(" ")[0]
            counts[name] = counts.get(name, 0) + (1 if name == "LATIN" else 2)
    return max(counts, key=lambda name: counts[name]) if counts else ""


@lru_cache(maxsize=1)
def _common_words() -> dict[str, frozenset[str]]:
    return {code: frozenset(words) for code, words in read_table("common_words").items()}


def _likeliest(words: list[str], told: str) -> str:
    found = {code: sum(word in common for word in words) for code, common in _common_words().items()}
    code = max(found, key=lambda name: found[name])
    if told != "und":
        return code if found[code] >= max(_CLEARLY, 2 * found[told]) else told
    return code if found[code] else "und"
