"""Rules on the columns of a table: what they say (statements 216, 223)."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Kind(StrEnum):
    """How the values of a column compare."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    TICK = "tick"


class Operator(StrEnum):
    """Comparisons of a column rule."""

    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER = "greater"
    LESS = "less"
    EMPTY = "empty"
    NOT_EMPTY = "not_empty"


BLANK = {Operator.EMPTY, Operator.NOT_EMPTY}
_ALIKE = {Operator.EQUALS, Operator.NOT_EQUALS}
_ORDERED = {*_ALIKE, Operator.GREATER, Operator.LESS}
OPERATORS: dict[Kind, frozenset[Operator]] = {
    Kind.TEXT: frozenset({Operator.CONTAINS, Operator.NOT_CONTAINS, *_ALIKE, *BLANK}),
    Kind.NUMBER: frozenset(_ORDERED),
    Kind.DATE: frozenset({*_ORDERED, *BLANK}),
    Kind.TICK: frozenset({*_ALIKE, *BLANK}),
}
"""The comparisons that each kind of column takes."""


@dataclass(frozen=True)
class Rule:
    """One rule on a column; the value has the type of the column."""

    column: str
    operator: Operator
    value: str | int | date | bool


def read_day(text: str) -> date | None:
    """Return the ISO date of a year from 1900 to 9998; None for anything else."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1900 <= found.year <= 9998 else None
