"""Grades as people write them, read as the roster has them."""

import pytest

from services.gateway import grades

KNOWN = ("KG", "01", "02", "03", "04", "05")


@pytest.mark.parametrize(
    ("text", "known", "found", "strange"),
    [
        ("", KNOWN, [], []),
        ("5, 05,5", KNOWN, ["05"], []),
        ("K-2", KNOWN, ["KG", "01", "02"], []),
        ("k, 4\u20136", KNOWN, ["KG", "04", "05"], []),
        ("9", KNOWN, [], ["9"]),
        ("6-8, 3, fifth, 5-3", KNOWN, ["03"], ["6-8", "fifth", "5-3"]),
        ("-, 1-2-3", KNOWN, [], ["-", "1-2-3"]),
        ("6-8", (), ["06", "07", "08"], []),
        ("Pre-K, ug", (), ["PK", "UG"], []),
        ("Azul", ("Azul",), ["Azul"], []),
    ],
)
def test_grades_are_read(text: str, known: tuple[str, ...], found: list[str], strange: list[str]) -> None:
    assert grades.read(text, known) == (found, strange)
    assert grades.read(grades.in_words(found), known) == (found, [])
