"""Which language a message is in, as far as the model's own vocabulary can tell.

And how much its scores are worth there.
"""

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass

from services.moderation.model.letters import fold_accents

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
_COMMON = {
    "en": [
        "the",
        "i",
        "you",
        "to",
        "and",
        "is",
        "it",
        "my",
        "me",
        "in",
        "of",
        "that",
        "we",
        "for",
        "are",
        "on",
        "not",
        "have",
        "this",
        "what",
        "im",
        "be",
        "so",
        "do",
        "just",
        "can",
        "was",
        "but",
        "at",
        "with",
        "your",
        "will",
        "going",
        "want",
    ],
    "es": [
        "que",
        "de",
        "la",
        "el",
        "no",
        "en",
        "y",
        "los",
        "es",
        "un",
        "por",
        "con",
        "una",
        "para",
        "mi",
        "me",
        "se",
        "lo",
        "te",
        "estoy",
        "pero",
        "como",
        "si",
        "yo",
        "esta",
        "tu",
        "las",
        "muy",
        "hoy",
        "quiero",
    ],
    "fr": [
        "je",
        "le",
        "la",
        "de",
        "et",
        "les",
        "des",
        "est",
        "un",
        "une",
        "pas",
        "que",
        "pour",
        "dans",
        "tu",
        "il",
        "en",
        "mon",
        "ma",
        "ce",
        "qui",
        "on",
        "vous",
        "nous",
        "suis",
        "avec",
        "sur",
        "au",
        "moi",
    ],
    "pt": [
        "que",
        "de",
        "o",
        "a",
        "nao",
        "eu",
        "e",
        "em",
        "um",
        "uma",
        "para",
        "com",
        "por",
        "meu",
        "minha",
        "voce",
        "do",
        "da",
        "os",
        "as",
        "se",
        "mas",
        "no",
        "na",
        "isso",
        "estou",
        "muito",
        "hoje",
        "ele",
    ],
    "ht": [
        "mwen",
        "m",
        "w",
        "li",
        "nou",
        "yo",
        "ki",
        "nan",
        "pa",
        "ak",
        "pou",
        "se",
        "sa",
        "te",
        "ap",
        "ou",
        "gen",
        "fe",
        "la",
        "a",
        "ka",
        "tout",
        "pral",
        "kap",
        "poukisa",
        "lekol",
        "moun",
        "jodi",
        "an",
    ],
    "de": [
        "ich",
        "du",
        "der",
        "die",
        "das",
        "und",
        "ist",
        "nicht",
        "ein",
        "eine",
        "zu",
        "mit",
        "auf",
        "wir",
        "es",
        "mich",
        "mir",
        "hab",
        "bin",
    ],
    "it": [
        "che",
        "di",
        "il",
        "la",
        "non",
        "un",
        "una",
        "per",
        "con",
        "mi",
        "sono",
        "ho",
        "ma",
        "ti",
        "del",
        "questo",
        "come",
        "io",
        "si",
    ],
    "nl": [
        "ik",
        "je",
        "het",
        "een",
        "de",
        "van",
        "niet",
        "en",
        "is",
        "dat",
        "ben",
        "met",
        "voor",
        "op",
        "mijn",
        "we",
        "maar",
    ],
}
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639-1 code ("und" when it cannot be told) and the confidence (0..1) that scores in it deserve."""

    code: str
    confidence: float


def identify(text: str, told: str | None, vocabulary: Container[str]) -> Language:
    """Return the language of normalised ``text``; what the caller ``told`` wins unless the script contradicts it."""
    words = _WORDS.findall(fold_accents(text))
    if not words:
        return Language(told or "und", 1.0)
    script = _script(text)
    if script not in ("LATIN", ""):
        code = _SCRIPTS.get(script, "und")
        return Language(code, 0.9 if code != "und" else 0.3)
    code = told.split("-")[0].lower() if told else _likeliest(words)
    seen = sum(word in vocabulary for word in words) / len(words)
    if code in KNOWN:
        return Language(code, 1.0 if seen >= 0.5 or len(words) < 4 else 0.7)
    if told or (len(words) >= 4 and seen < 0.5):
        return Language(code if told else "und", 0.3)
    return Language("en" if code == "und" else code, 0.8)


def _script(text: str) -> str:
    counts: dict[str, int] = {}
    for ch in text[:400]:
        if ch.isalpha():
            name = "LATIN" if ch.isascii() else unicodedata.name(ch, "").split(" ")[0]
            counts[name] = counts.get(name, 0) + (1 if name == "LATIN" else 2)
    return max(counts, key=lambda name: counts[name]) if counts else ""


def _likeliest(words: list[str]) -> str:
    found = {code: sum(word in common for word in words) for code, common in _COMMON.items()}
    code = max(found, key=lambda name: found[name])
    return code if found[code] else "und"
