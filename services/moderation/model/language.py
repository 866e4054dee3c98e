"""Which language a message is in, as far as its words can tell, and how much the scores are worth there."""

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

from services.moderation.model.letters import fold_accents, read_table

KNOWN = frozenset({"ar", "de", "en", "es", "fr", "ht", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"})
_SCRIPTS = {
    "ARABIC": "ar",
    "CJK": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "THAI": "th",
    "CYRILLIC": "ru",
}
_WORDS = re.compile(r"[^\W\d_]+")
# Common in another language and in English too, or the end of an English word: they tell nothing.
_SPELT_ALIKE = frozenset(
    ("a", "an", "as", "ate", "bat", "bin", "come", "die", "m", "met", "no", "photo", "plus", "solo", "van", "w")
)
_CLEARLY = 3  # common words of another language that outweigh what the caller said


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639-1 code ("und" when it cannot be told) and the confidence (0..1) that scores in it deserve."""

    code: str
    confidence: float


def identify(text: str, told: str | None, vocabulary: Container[str]) -> Language:
    """Return the language of normalised ``text``: what the caller ``told``, unless script or words contradict it."""
    words = _WORDS.findall(fold_accents(text))
    if not words:
        return Language(told or "und", 1.0)
    script = _script(text)
    if script not in ("LATIN", ""):
        code = _SCRIPTS.get(script, "und")
        return Language(code, 0.9 if code != "und" else 0.3)
    code = _likeliest(words, told.split("-")[0].lower() if told else None)
    seen = sum(word in vocabulary for word in words) / len(words)
    if code in KNOWN:
        return Language(code, 1.0 if seen >= 0.5 or len(words) < 4 else 0.7)
    if told or (len(words) >= 4 and seen < 0.5):
        return Language(code if told else "und", 0.3)
    return Language("en" if code == "und" else code, 0.8)


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


def _likeliest(words: list[str], told: str | None) -> str:
    found = {code: sum(word in common for word in words) for code, common in _common_words().items()}
    code = max(found, key=lambda name: found[name])
    if told is not None:
        return code if told in found and found[code] >= max(_CLEARLY, 2 * found[told]) else told
    return code if found[code] else "und"
