"""Disguises to test the normaliser with: each turns a message into what someone would type to slip past a screen."""

import base64
import random
from collections.abc import Callable
from dataclasses import replace

from services.moderation.model.letters import read_table
from services.moderation.training.data import Row
from services.moderation.training.lessons import slip

Transform = Callable[[str, random.Random], str]
_LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"}
_PADDING = (
    "Hi, thank you for the homework notes from Tuesday.",
    "The bus was late again but we made it to practice.",
    "See you in band tomorrow, bring the sheet music.",
)


def _letters(swap: Callable[[str], str]) -> Transform:
    return lambda text, _: "".join(swap(ch) for ch in text)


def _shifted(upper: int, lower: int) -> Transform:
    def swap(ch: str) -> str:
        if "a" <= ch <= "z":
            return chr(lower + ord(ch) - 97)
        return chr(upper + ord(ch) - 65) if "A" <= ch <= "Z" else ch

    return _letters(swap)


def _table(name: str, backwards: bool = False) -> dict[str, str]:
    stored: dict[str, str] = read_table("letters")[name]
    return (
        {plain: form for form, plain in reversed(stored.items())}
        if backwards
        else {plain: forms[0] for plain, forms in stored.items()}
    )


def _by_table(name: str) -> Transform:
    table = _table(name)
    return _letters(lambda ch: table.get(ch.lower(), ch))


def _some_homoglyphs(text: str, chance: random.Random) -> str:
    table = {"a": "а", "e": "е", "o": "о", "c": "с", "p": "р", "x": "х", "i": "і", "s": "ѕ", "y": "у"}
    return "".join(table[ch] if ch in table and chance.random() < 0.8 else ch for ch in text)


def _each_word(change: Callable[[str, random.Random], str], share: float = 1.0, shortest: int = 1) -> Transform:
    def apply(text: str, chance: random.Random) -> str:
        return " ".join(
            change(word, chance) if len(word) >= shortest and chance.random() < share else word
            for word in text.split(" ")
        )

    return apply


def _mask(word: str, chance: random.Random) -> str:
    return word[0] + "*" + word[2:] if word.isalpha() else word


def _stretch(word: str, chance: random.Random) -> str:
    places = [i for i, ch in enumerate(word) if ch.lower() in "aeiouyls"]
    at = chance.choice(places) if places else len(word) - 1
    return word[:at] + word[at] * chance.randint(3, 6) + word[at + 1 :]


def _pig(word: str, _: random.Random) -> str:
    start = next((i for i, ch in enumerate(word) if ch.lower() in "aeiou"), 0)
    return word[start:] + word[:start] + "ay" if word.isalpha() else word


def _upside_down(text: str, _: random.Random) -> str:
    table = _table("upside_down", backwards=True)
    return "".join(table.get(ch.lower(), ch) for ch in reversed(text))


def _vowels_out(word: str, _: random.Random) -> str:
    return word[0] + "".join(ch for ch in word[1:] if ch.lower() not in "aeiou")


LOSSLESS: dict[str, Transform] = {
    "upper case": lambda text, _: text.upper(),
    "mixed case": lambda text, _: "".join(ch.upper() if i % 2 else ch.lower() for i, ch in enumerate(text)),
    "fullwidth": _shifted(0xFF21, 0xFF41),
    "math bold": _shifted(0x1D400, 0x1D41A),
    "math script": _shifted(0x1D4D0, 0x1D4EA),
    "fraktur": _shifted(0x1D56C, 0x1D586),
    "double-struck": _shifted(0x1D538, 0x1D552),
    "circled": _shifted(0x24B6, 0x24D0),
    "squared": _shifted(0x1F170, 0x1F170),
    "regional": _shifted(0x1F1E6, 0x1F1E6),
    "small capitals": _by_table("small_capitals"),
    "homoglyphs": _some_homoglyphs,
    "zero width": _letters(lambda ch: ch + "\u200b"),
    "soft hyphen": _letters(lambda ch: ch + "\u00ad"),
    "bidi controls": lambda text, _: "\u202a" + text + "\u202c",
    "tag characters": _letters(lambda ch: ch + chr(0xE0061)),
    "struck through": _letters(lambda ch: ch + "\u0336"),
    "stacked marks": _letters(lambda ch: ch + "\u0301\u0316\u0337" if ch.isalpha() else ch),
    "HTML entities": _letters(lambda ch: f"&#{ord(ch)};"),
    "markup": _each_word(lambda word, _: word[:1] + "<b></b>" + word[1:]),
    "upside down": _upside_down,
}
STRONG: dict[str, Transform] = {
    "leet": _letters(lambda ch: _LEET.get(ch.lower(), ch)),
    "spaced": _each_word(lambda word, _: " ".join(word) + "  "),
    "dotted": _each_word(lambda word, _: ".".join(word)),
    "dashed": _each_word(lambda word, _: "-".join(word)),
    "slashed": _each_word(lambda word, _: "/".join(word)),
    "underscored": _each_word(lambda word, _: "_".join(word)),
    "line per letter": lambda text, _: "\n".join(text.replace(" ", "\n")),
    "stretched": _each_word(_stretch, shortest=3),
    "reversed": lambda text, _: text[::-1],
    "Pig Latin": _each_word(_pig),
    "padding before": lambda text, _: f"{_PADDING[0]} {_PADDING[1]} {text}",
    "padding after": lambda text, _: f"{text}. {_PADDING[2]} {_PADDING[0]}",
    "padding around": lambda text, _: f"{_PADDING[1]} {text}. {_PADDING[2]}",
    "long padding": lambda text, _: " ".join(_PADDING * 30) + f" {text}. " + " ".join(_PADDING * 30),
}
WEAK: dict[str, Transform] = {
    "masked": _each_word(_mask, shortest=3),
    "slips": _each_word(slip, share=0.5),
    "vowels out": _each_word(_vowels_out, share=0.6, shortest=4),
}
FLOORS = {**dict.fromkeys(LOSSLESS, 0.98), **dict.fromkeys(STRONG, 0.90), **dict.fromkeys(WEAK, 0.80)}
ENCODED: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}


def disguise(name: str, text: str) -> str:
    """Return ``text`` under the transform of that name; the same text always comes out the same."""
    return {**LOSSLESS, **STRONG, **WEAK}[name](text, random.Random(f"{name}:{text}"))


def disguised(name: str, rows: list[Row]) -> list[Row]:
    """Return the rows with their texts under the transform of that name."""
    return [replace(row, text=disguise(name, row.text)) for row in rows]
