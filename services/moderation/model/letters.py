"""Unicode forms of letters: everything that looks like a plain letter becomes one, whatever block it was typed from.

Lossless disguises only: invisible characters, fullwidth and mathematical letters, circled, squared and regional
letters, small capitals, homoglyphs of other scripts, strikes and stacked marks. Real accents and real Cyrillic,
Greek, Arabic or Chinese text is left as it is.
"""

import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.moderation.model.markup import strip_markup

TABLES = Path(__file__).with_name("tables")
_INVISIBLE = [
    0xAD,
    0x34F,
    0x61C,
    0x1160,
    0x17B4,
    0x17B5,
    0x180E,
    0xFEFF,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xE0000, 0xE0200),
    *range(0x1F3FB, 0x1F400),
]
# Hangul fillers and the empty Braille pattern: they look like spaces, and are none to Unicode.
_BLANK = [0x115F, 0x2800, 0x3164, 0xFFA0]
_REGIONAL = re.compile("(?:[\U0001f1e6-\U0001f1ff][\\s]?){3,}")
_REGIONAL_ANY = re.compile("(?:[\U0001f1e6-\U0001f1ff])+")
_MARKED_CONSONANTS = frozenset("bfhjkmpqvwx")


def read_table(name: str) -> Any:
    """Return the JSON data table of that name (without its suffix) that lies beside the code."""
    return json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _plain_letters() -> dict[int, str | None]:
    table: dict[int, str | None] = {**dict.fromkeys(_INVISIBLE), **dict.fromkeys(_BLANK, " ")}
    for base in (0x1F150, 0x1F170):
        table.update({base + i: chr(97 + i) for i in range(26)})
    letters = read_table("letters")
    for group in ("small_capitals", "stroked"):
        for plain, forms in letters[group].items():
            table.update({ord(form): plain for form in forms})
    table.update({ord(a): b for a, b in zip("‘’‛ʼ`´“”„‟«»–—−‐‑‒…", "''''''\"\"\"\"\"\"------…", strict=True)})
    return table


@lru_cache(maxsize=1)
def _homoglyphs() -> dict[int, str]:
    return {ord(form): plain for plain, forms in read_table("letters")["homoglyphs"].items() for form in forms}


def _unmark(text: str) -> str:
    """Drop combining marks that no orthography uses; keep accents, and every mark of scripts other than Latin."""
    composed = unicodedata.normalize("NFC", text)
    apart = unicodedata.normalize("NFD", composed)
    forged, run, base = 0, 0, ""
    for ch in apart:
        if not unicodedata.combining(ch):
            base, run = ch, 0
            continue
        run += 1
        forged += run >= 3 or base in _MARKED_CONSONANTS or 0x334 <= ord(ch) <= 0x338 or 0x20D0 <= ord(ch) <= 0x20F0
    if not forged:
        return composed
    kept = [
        ch
        for ch in apart
        if not (
            0x300 <= ord(ch) <= 0x36F
            or 0x1AB0 <= ord(ch) <= 0x1AFF
            or 0x1DC0 <= ord(ch) <= 0x1DFF
            or 0x20D0 <= ord(ch) <= 0x20F0
        )
    ]
    return "".join(kept)


def _unmask_scripts(text: str) -> str:
    """Map look-alikes to Latin where Latin is mixed in, or where nearly every foreign letter is a look-alike."""
    table = _homoglyphs()
    foreign = [
        ch for ch in text if ch.isalpha() and not ch.isascii() and unicodedata.name(ch, "").split(" ")[0] != "LATIN"
    ]
    alike = sum(ord(ch) in table for ch in foreign)
    if not alike:
        return text.translate(table)
    latin = sum(ch.isascii() and ch.isalpha() for ch in text)
    if alike >= 0.9 * len(foreign) and (latin or len(foreign) >= 3):
        return text.translate(table)
    words = [word.translate(table) if re.search("[a-z]", word) else word for word in re.split(r"(\s+)", text)]
    return "".join(words)


def plain_letters(text: str) -> str:
    """Return ``text`` in lower case with every disguised letter replaced by the plain one; ASCII takes a fast path."""
    text = strip_markup(text)
    if text.isascii():
        return text.lower()
    if _REGIONAL.search(text):
        # Once one run is too long to be a flag, short ones are words too.
        text = _REGIONAL_ANY.sub(
            lambda run: "".join(chr(ord(ch) - 0x1F1E6 + 97) for ch in run.group() if not ch.isspace()), text
        )
    text = text.translate(_plain_letters())
    text = unicodedata.normalize("NFKC", text).lower()
    return _unmask_scripts(_unmark(text.translate(_plain_letters())))


def fold_accents(text: str) -> str:
    """Return ``text`` without accents on Latin letters, as students type them; other scripts are unchanged."""
    if text.isascii():
        return text
    return "".join(ch for ch in unicodedata.normalize("NFD", text) if not 0x300 <= ord(ch) <= 0x36F)
