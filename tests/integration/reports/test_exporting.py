"""What a workbook of a report is made of: every row once, however much moves meanwhile (statements 69, 214)."""

import pytest

from protos.reports.v1 import reports_pb2 as pb
from services.kit.auth import Viewer
from services.kit.errors import InvalidArgument, PermissionDenied
from services.reports.actions import reading
from services.reports.domain import EVERYTHING, Order, Report, Search
from tests.integration.reports.conftest import (
    NORTH,
    SOUTH,
    Reports,
    counts,
    message,
    person,
    progressed,
    submitted,
    threat,
    withheld,
)

TABLES = pb.RecordExportRequest


@pytest.mark.accepts(69, 214)
async def test_an_export_is_of_one_moment_while_counts_move(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_AT_ONCE", 2)
    sent = [message() for _ in range(6)]
    await reports.hear(*(submitted(each) for each in sent))
    order = Order("sent", descending=True)
    pieces = reading.export(reports.engine, EVERYTHING, Search(Report.HISTORY, "UTC"), order)
    rows = await anext(pieces)
    seen = {str(row["message_id"]) for row in rows}
    moving = [each for each in sent if each.message_id not in seen][:2]
    await reports.hear(*(progressed(each, 2, counts(NORTH, sent=3)) for each in moving))
    async for piece in pieces:
        rows += piece
    assert sorted(str(row["message_id"]) for row in rows) == sorted(each.message_id for each in sent)
    assert {row["sent"] for row in rows} == {0}


@pytest.mark.accepts(4, 7, 214)
async def test_an_export_has_what_the_search_finds_for_whoever_may_see_it(reports: Reports) -> None:
    sara = person("Sara", "communication_reports", "view_all_users", "threat_alerts", schools=[NORTH])
    here, there, danger = message(), message(school=SOUTH), threat()
    await reports.hear(submitted(here), submitted(there), withheld(danger))

    async def exported(table: "TABLES.Table.ValueType", viewer: Viewer = sara) -> set[str]:
        call = reports.stream(viewer, "ExportEntries", pb.ExportEntriesRequest(table=table))
        return {row.message_id for piece in await call for row in piece.rows}

    assert await exported(TABLES.TABLE_HISTORY) == {here.message_id, danger.message_id}
    assert await exported(TABLES.TABLE_THREATS) == {danger.message_id}
    assert await exported(TABLES.TABLE_ATTENDANCE) == set()
    with pytest.raises(PermissionDenied):
        await exported(TABLES.TABLE_THREATS, person("Sol", "communication_reports"))
    with pytest.raises(InvalidArgument):
        await exported(TABLES.TABLE_AUDIT)


async def test_only_the_districts_operators_export_what_is_not_written_to(reports: Reports) -> None:
    asked = pb.RecordExportRequest(table=TABLES.TABLE_SUPPRESSIONS, state="complaint")
    for viewer in (person("Ida", "communication_reports"), person("Sol", "manage_directory", schools=["s1"])):
        with pytest.raises(PermissionDenied):
            await reports.ask(viewer, "RecordExport", asked)
    ada = person("Ada", "manage_directory", "view_audit")
    await reports.ask(ada, "RecordExport", asked)
    (record,) = (await reports.ask(ada, "ListAudit", pb.ListAuditRequest())).records
    assert (record.action, record.detail) == ("suppressions.exported", "reason=complaint")
