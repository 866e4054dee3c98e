"""Grades: as the roster writes them ("KG", "09"), and as people say them ("K", "9", "6-8")."""

from collections.abc import Collection, Iterable
from typing import Final

_ORDER: Final = ("IT", "PR", "PK", "TK", "KG", *(f"{number:02}" for number in range(1, 14)), "PS", "UG")
"""OneRoster's grades, the youngest first."""
_SAID: Final = {"k": "KG", "kindergarten": "KG", "prek": "PK", "pre-k": "PK"}


def short(grade: str) -> str:
    """Return a grade as people say it: "9", "K"."""
    return "K" if grade == "KG" else grade.lstrip("0") or grade


def in_words(grades: Iterable[str]) -> str:
    """Return grades with commas between them, as `read` takes them."""
    return ", ".join(map(short, grades))


def read(text: str, known: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Return the grades of a text like "K, 6-8" as the roster writes them, and what is none of the known ones.

    None known means all that OneRoster has.
    """
    found: list[str] = []
    strange: list[str] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        meant = _meant(part, list(known) or list(_ORDER))
        found += meant
        strange += [] if meant else [part]
    return list(dict.fromkeys(found)), strange


def _meant(part: str, known: list[str]) -> list[str]:
    by_name = {_bare(each): each for each in known} | {key: code for key, code in _SAID.items() if code in known}
    if one := by_name.get(_bare(part)):
        return [one]
    first, dash, last = part.replace("–", "-").partition("-")
    ends = [_place(each) for each in (first, last)]
    if not dash or min(ends) < 0:
        return []
    return [each for each in _ORDER[ends[0] : ends[1] + 1] if each in known]


def _place(said: str) -> int:
    places = {_bare(each): place for place, each in enumerate(_ORDER)} | {"k": _ORDER.index("KG")}
    return places.get(_bare(said), -1)


def _bare(grade: str) -> str:
    return grade.strip().casefold().lstrip("0")
