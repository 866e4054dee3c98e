"""Cells of workbooks."""

from datetime import UTC, datetime

import pytest

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import exports
from services.gateway.exports import entry_value
from services.reports.messages import audit_message


def cell(names: list[str], count: int) -> str:
    students = [reports.Student(name=each) for each in names]
    row = reports.EntryRow(regarding=students, regarding_count=count)
    return str(entry_value(row, "regarding_student"))


@pytest.mark.accepts(213, 214)
def test_a_workbook_says_how_many_students_it_does_not_name() -> None:
    assert cell(["Amy Stone"] * 20, 1412) == ", ".join(["Amy Stone"] * 20) + " and 1,392 more"
    assert cell(["Amy Stone", "Zoe Hill"], 2) == "Amy Stone, Zoe Hill"
    assert cell([], 0) == ""


@pytest.mark.accepts(213)
@pytest.mark.parametrize("sizes", [(4, 4, 5, 5), (4, 5, 6, 7), (2, 3, 3), (0,)])
def test_what_comes_while_a_workbook_is_read_pushes_no_row_out_or_in_twice(sizes: tuple[int, ...]) -> None:
    # Newest first, two a page: at each page there are so many records.
    log = [reports.AuditRecord(detail=str(number)) for number in range(max(sizes) + 1)]
    asked = iter(sizes)

    def page(number: int) -> tuple[list[reports.AuditRecord], int]:
        there = next(asked)
        newest = log[:there][::-1]
        return newest[2 * (number - 1) : 2 * number], max(1, -(-there // 2))

    found = [int(each.detail) for each in exports.paged(page)]
    assert found == list(range(sizes[0]))[::-1]


@pytest.mark.accepts(213)
def test_a_workbook_has_every_record_of_those_that_say_the_same() -> None:
    # What was lifted at once is of one moment, and an address is masked.
    now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    said = {"at": now, "actor_id": "ada", "actor_name": "Ada", "action": "suppression.lifted", "detail": "email a•••@x"}
    log = [audit_message({**said, "record_id": number, "message_id": None}) for number in range(5)]

    def page(number: int) -> tuple[list[reports.AuditRecord], int]:
        return log[2 * (number - 1) : 2 * number], 3

    assert len(list(exports.paged(page))) == 5
