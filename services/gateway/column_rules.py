"""Rules on columns as an address carries them: three parameters a rule, in order (statements 216, 223)."""

from collections.abc import Sequence

from werkzeug.datastructures import MultiDict

from protos.types.v1 import types_pb2 as types
from services.gateway.columns import REPORTS, Column
from services.gateway.parameters import Choice, Parameter, Text
from services.kit.rules import Kind
from services.kit.ruling import LONGEST_VALUE, MOST_RULES
from services.kit.ruling import read_rules as read_strictly

OPERATORS = {
    "contains": (types.ColumnRule.OPERATOR_CONTAINS, "contains"),
    "not_contains": (types.ColumnRule.OPERATOR_NOT_CONTAINS, "does not contain"),
    "equals": (types.ColumnRule.OPERATOR_EQUALS, "is"),
    "not_equals": (types.ColumnRule.OPERATOR_NOT_EQUALS, "is not"),
    "greater": (types.ColumnRule.OPERATOR_GREATER, "is more than"),
    "less": (types.ColumnRule.OPERATOR_LESS, "is less than"),
    "empty": (types.ColumnRule.OPERATOR_EMPTY, "is empty"),
    "not_empty": (types.ColumnRule.OPERATOR_NOT_EMPTY, "is not empty"),
}
"""Comparisons of a column rule, by their name in addresses."""
PARTS = ("rule_column", "rule_operator", "rule_value")
"""Names of a rule's parameters."""
_NAMES = {number: name for name, (number, _) in OPERATORS.items()}
_BLANK = {"empty", "not_empty"}


def parameters(table: str) -> tuple[Parameter, ...]:
    """Return the parameters of a table's rules: the first of each are a rule, then the second, and so on."""
    column, operator, value = PARTS
    columns = [each.key for each in REPORTS[table]]
    return (
        Choice(column, "Column that a rule is about.", times=MOST_RULES, words=columns),
        Choice(operator, "How the rule of the same place compares.", times=MOST_RULES, words=tuple(OPERATORS)),
        Text(value, "With what; given, and left empty, with `empty` and `not_empty`, too.", MOST_RULES, LONGEST_VALUE),
    )


def read_rules(arguments: MultiDict[str, str], table: str, prefix: str = "") -> tuple[list[types.ColumnRule], str]:
    """Return the rules of a table, and what is wrong with them in a sentence; rows of the form left empty are none."""
    columns = {column.key: column for column in REPORTS[table]}
    values = [arguments.getlist(f"{prefix}{part}") for part in PARTS]
    found = [
        types.ColumnRule(column=column, operator=OPERATORS[operator][0], value=value.strip()[: LONGEST_VALUE + 1])
        for column, operator, value in list(zip(*values, strict=False))[:MOST_RULES]
        if column in columns and operator in OPERATORS and (value.strip() or operator in _BLANK)
    ]
    return found, _problem(found, columns)


def _problem(rules: Sequence[types.ColumnRule], columns: dict[str, Column]) -> str:
    _, wrong = read_strictly(rules, {key: Kind(column.kind) for key, column in columns.items()}, "")
    if not wrong:
        return ""
    pointer, sentence = wrong[0]
    return f"{columns[rules[int(pointer.split('/')[1])].column].title}: {sentence}"


def in_words(rules: Sequence[types.ColumnRule]) -> list[tuple[str, str, str]]:
    """Return column, operator and value of each rule as forms and addresses spell them."""
    return [(rule.column, _NAMES[rule.operator], rule.value) for rule in rules]
