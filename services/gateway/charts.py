"""Charts as the server draws them: shares in words, and the slices of a pie as paths."""

import math
from collections.abc import Sequence
from typing import NamedTuple

_RADIUS = 50.0
_LABEL = 32.0
"""How far from the centre a slice's share is written."""


class Slice(NamedTuple):
    """One slice of a pie whose centre is 0, 0."""

    place: int
    """Of its option, from 1."""
    path: str
    """For the attribute d of an SVG path."""
    x: float
    """Where its share is written."""
    y: float


def shares(counts: Sequence[int]) -> list[str]:
    """Return "33 %" for each count; they add up to 100, unless there is nothing to count.

    Each is rounded down, and those that lost most get the rest, the first ones first.
    """
    total = sum(counts)
    if not total:
        return ["0 %"] * len(counts)
    whole = [100 * count // total for count in counts]
    lost = sorted(range(len(counts)), key=lambda place: (-(100 * counts[place] % total), place))
    for place in lost[: 100 - sum(whole)]:
        whole[place] += 1
    return [f"{each} %" for each in whole]


def slices(counts: Sequence[int]) -> list[Slice]:
    """Return the slices of what was chosen at all, clockwise from the top."""
    total, before, found = sum(counts), 0, []
    for place, count in enumerate(counts, 1):
        if count:
            begin, end = before / total, (before + count) / total
            middle = _at((begin + end) / 2, 0.0 if count == total else _LABEL)
            found.append(Slice(place, _path(begin, end), *middle))
        before += count
    return found


def _path(begin: float, end: float) -> str:
    (x1, y1), (x2, y2) = _at(begin, _RADIUS), _at(end, _RADIUS)
    if end - begin >= 1:
        # An arc from a point to itself is nothing: two halves make the circle.
        return f"M0 {-_RADIUS}A{_RADIUS} {_RADIUS} 0 0 1 0 {_RADIUS}A{_RADIUS} {_RADIUS} 0 0 1 0 {-_RADIUS}Z"
    is_large = int(end - begin > 0.5)
    return f"M0 0L{x1} {y1}A{_RADIUS} {_RADIUS} 0 {is_large} 1 {x2} {y2}Z"


def _at(turn: float, radius: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    return round(radius * math.sin(angle), 2), round(-radius * math.cos(angle), 2)
