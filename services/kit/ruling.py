"""Reading rules on columns strictly, and putting them as conditions of a query (statements 216, 223)."""

import json
from collections.abc import Mapping, Sequence, Sized
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.kit.rules import BLANK, OPERATORS, Kind, Operator, Rule, read_day

MOST_RULES = 20
LONGEST_VALUE = 200
_MOST_SCHOOLS = 5_000
_YES = {"yes", "true", "1", "x", "✓"}
_NO = {"no", "false", "0"}
_LARGEST_NUMBER = 10**12
_RIGHT_VALUES = {
    Kind.TEXT: f"Write 1 to {LONGEST_VALUE} characters.",
    Kind.NUMBER: "Write a whole number.",
    Kind.DATE: "Write a date like 2026-11-14.",
    Kind.TICK: "Write yes or no.",
}
Violation = tuple[str, str]
"""Where, as a JSON pointer, and a sentence."""


def read_rules(
    asked: Sequence[types.ColumnRule], columns: Mapping[str, Kind], pointer: str
) -> tuple[tuple[Rule, ...], list[Violation]]:
    """Return the rules, and each mistake: too many, an unknown column, a comparison or a value that does not fit it."""
    wrong: list[Violation] = []
    if len(asked) > MOST_RULES:
        wrong.append((pointer, f"At most {MOST_RULES} rules are allowed."))
    read = [_rule(f"{pointer}/{place}", rule, columns) for place, rule in enumerate(asked[:MOST_RULES])]
    wrong += [each for each in read if not isinstance(each, Rule)]
    return tuple(each for each in read if isinstance(each, Rule)), wrong


def read_table(
    rules: Sequence[types.ColumnRule],
    sort: types.Sort,
    columns: Mapping[str, Kind],
    titles: Sized = (),
    wrong: Sequence[Violation] = (),
) -> tuple[Rule, ...]:
    """Return the rules of a request for a table.

    InvalidArgument names each mistake in them, the sort and the titles of schools, and what is `wrong` besides.
    """
    read, found = read_rules(rules, columns, "/rules")
    if sort.column and sort.column not in columns:
        found.append(("/sort/column", f"One of {', '.join(columns)}."))
    if len(titles) > _MOST_SCHOOLS:
        found.append(("/school_titles", f"At most {_MOST_SCHOOLS:,} schools."))
    if found or wrong:
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=[*wrong, *found])
    return read


def _rule(pointer: str, asked: types.ColumnRule, columns: Mapping[str, Kind]) -> Rule | Violation:
    kind = columns.get(asked.column)
    name = types.ColumnRule.Operator.Name(asked.operator) if asked.operator in range(1, 9) else ""
    operator = Operator(name.removeprefix("OPERATOR_").lower()) if name else None
    if kind is None:
        return f"{pointer}/column", "There is no such column."
    if operator is None or operator not in OPERATORS[kind]:
        return f"{pointer}/operator", f"A column of {kind}s is not compared like this."
    value = _value(kind, operator, asked.value.strip())
    return Rule(asked.column, operator, value) if value is not None else (f"{pointer}/value", _RIGHT_VALUES[kind])


def _value(kind: Kind, operator: Operator, text: str) -> str | int | date | bool | None:
    """Return the value with the column's type; None when it cannot be read."""
    if operator in BLANK:
        return operator is Operator.NOT_EMPTY if kind is Kind.TICK else ""
    if not 0 < len(text) <= LONGEST_VALUE or "\x00" in text:
        return None
    if kind is Kind.NUMBER:
        return int(text) if text.isascii() and text.isdigit() and int(text) < _LARGEST_NUMBER else None
    if kind is Kind.DATE:
        return read_day(text)
    if kind is Kind.TICK:
        return text.lower() in _YES if text.lower() in _YES | _NO else None
    return text


def condition(rule: Rule, kind: Kind, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition of a rule on a column's value.

    Texts are in lower case and never NULL; dates are days of the reader's zone, NULL where there is none.
    """
    if kind is Kind.TEXT:
        return _text_condition(rule, value)
    if kind is Kind.TICK:
        is_wanted = bool(rule.value) != (rule.operator is Operator.NOT_EQUALS)
        return value.is_(sa.true()) if is_wanted else value.is_(sa.false())
    if rule.operator in BLANK:
        return value.is_(None) if rule.operator is Operator.EMPTY else value.is_not(None)
    ordered: dict[Operator, sa.ColumnElement[bool]] = {
        Operator.EQUALS: value == rule.value,
        Operator.NOT_EQUALS: value.is_distinct_from(rule.value),
        Operator.GREATER: value > rule.value,
        Operator.LESS: value < rule.value,
    }
    return ordered[rule.operator]


def _text_condition(rule: Rule, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    words = str(rule.value).lower()
    contains = value.contains(words, autoescape=True)
    rules: dict[Operator, sa.ColumnElement[bool]] = {
        Operator.CONTAINS: contains,
        Operator.NOT_CONTAINS: sa.not_(contains),
        Operator.EQUALS: value == words,
        Operator.NOT_EQUALS: value != words,
        Operator.EMPTY: sa.func.btrim(value) == "",
        Operator.NOT_EMPTY: sa.func.btrim(value) != "",
    }
    return rules[rule.operator]


def looked_up(shown: Mapping[str, str], key: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return what a page shows for a stored value: an expression that is empty for one that is not there."""
    found = sa.cast(sa.literal(json.dumps(dict(shown))), JSONB).op("->>", return_type=sa.Text())(key)
    return sa.func.coalesce(found, "", type_=sa.Text())
