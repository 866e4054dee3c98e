"""Cells of workbooks."""

import pytest

from protos.reports.v1 import reports_pb2 as reports
from services.gateway.exports import entry_value


def cell(names: list[str], count: int) -> str:
    students = [reports.Student(name=each) for each in names]
    row = reports.EntryRow(regarding=students, regarding_count=count)
    return str(entry_value(row, "regarding_student"))


@pytest.mark.accepts(213, 214)
def test_a_workbook_says_how_many_students_it_does_not_name() -> None:
    assert cell(["Amy Stone"] * 20, 1412) == ", ".join(["Amy Stone"] * 20) + " and 1,392 more"
    assert cell(["Amy Stone", "Zoe Hill"], 2) == "Amy Stone, Zoe Hill"
    assert cell([], 0) == ""
