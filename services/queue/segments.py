"""How many segments a text message takes; carriers charge each one. Pure.

A text whose every character is in GSM 03.38's alphabet is sent in seven bits a character: 160 in one segment, 153 in
each of several. Any other character makes the whole text UCS-2: 70, or 67 in each of several. A character that takes
two places is never divided between two segments.
"""

from dataclasses import dataclass
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Characters that take an escape before them."""


@dataclass(frozen=True)
class Segments:
    """What a text takes."""

    count: int
    """0 for an empty text."""
    is_unicode: bool
    """UCS-2, since some character is in no GSM alphabet."""
    characters: int
    """Places taken, as the encoding counts them."""


def segments_of(text: str) -> Segments:
    """Return what a text takes."""
    is_unicode = not set(text) <= _BASIC | _EXTENDED
    places = [_places(each, is_unicode=is_unicode) for each in text]
    total = sum(places)
    alone, each_of_several = (70, 67) if is_unicode else (160, 153)
    if total <= alone:
        return Segments(min(1, total), is_unicode, total)
    count, used = 1, 0
    for taken in places:
        if used + taken > each_of_several:
            count, used = count + 1, 0
        used += taken
    return Segments(count, is_unicode, total)


def _places(character: str, *, is_unicode: bool) -> int:
    is_wide = ord(character) > 0xFFFF if is_unicode else character in _EXTENDED
    return 2 if is_wide else 1
