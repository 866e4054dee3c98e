"""What a request for a table has wrong is named at once, whatever it is."""

import pytest

from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.kit.rules import Kind, Operator, Rule
from services.kit.ruling import read_table

COLUMNS = {"name": Kind.TEXT, "waiting": Kind.TICK}
CONTAINS = types.ColumnRule.OPERATOR_CONTAINS


def test_every_mistake_is_named() -> None:
    rules = [types.ColumnRule(column="waiting", operator=CONTAINS, value="a")]
    titles = {str(number): "Ridge High" for number in range(5_001)}
    with pytest.raises(InvalidArgument) as refused:
        read_table(rules, types.Sort(column="size"), COLUMNS, titles, [("/start_date", "Write a date.")])
    assert refused.value.reason == "FILTER_INVALID"
    assert [(each.pointer, each.detail) for each in refused.value.violations] == [
        ("/start_date", "Write a date."),
        ("/rules/0/operator", "A column of ticks is not compared like this."),
        ("/sort/column", "One of name, waiting."),
        ("/school_titles", "At most 5,000 schools."),
    ]


def test_rules_are_read_whether_a_sort_is_asked_for_or_not() -> None:
    rules = [types.ColumnRule(column="name", operator=CONTAINS, value=" Kim ")]
    for sort in (types.Sort(), types.Sort(column="waiting")):
        assert read_table(rules, sort, COLUMNS) == (Rule("name", Operator.CONTAINS, "Kim"),)
