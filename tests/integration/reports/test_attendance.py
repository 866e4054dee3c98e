"""Attendance: which messages it lists, to whom, and which filters it has (section J)."""

from typing import Any

import pytest

from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from tests.integration.reports.conftest import (
    NORTH,
    SOUTH,
    Reports,
    counts,
    entry,
    message,
    person,
    submitted,
)

ABSENCE: dict[str, Any] = {"kind": types.MESSAGE_KIND_ATTENDANCE, "subject": "Absent today", "body": "Amy was absent."}


async def attendance(reports: Reports, viewer: Viewer, **filters: Any) -> pb.SearchAttendanceResponse:
    wanted = pb.SearchAttendanceRequest(filter=pb.Filter(**filters))
    answer: pb.SearchAttendanceResponse = await reports.ask(viewer, "SearchAttendance", wanted)
    return answer


def ids(answer: Any) -> list[str]:
    return sorted(row.message_id for row in answer.rows)


@pytest.mark.accepts(120, 121)
async def test_it_lists_all_and_only_attendance_messages_and_history_lists_them_too(reports: Reports) -> None:
    officer = person("Ada", "communication_reports", "view_all_users")
    absences, other = [message(**ABSENCE), message(school=SOUTH, **ABSENCE)], message()
    await reports.hear(*(submitted(each) for each in (*absences, other)))
    found = await attendance(reports, officer)
    assert ids(found) == sorted(each.message_id for each in absences)
    assert found.page.total_rows == 2
    assert found.HasField("as_of")
    assert (await reports.history(officer, view_all_users=True)).page.total_rows == 3


@pytest.mark.accepts(124)
async def test_admins_see_it_by_school_and_teachers_what_their_own_rules_sent(reports: Reports) -> None:
    principal = person("Ida", "communication_reports", schools=[NORTH])
    teacher = person("Tom", "communication_reports", schools=[NORTH], role="teacher")
    both = [entry(types.CHANNEL_EMAIL, [counts(NORTH, sent=2), counts(SOUTH, sent=5)])]
    own, here, there = message(teacher, **ABSENCE), message(**ABSENCE), message(school=SOUTH, **ABSENCE)
    shared, ordinary = message(entries=both, **ABSENCE), message(teacher)
    await reports.hear(*(submitted(each) for each in (own, here, there, shared, ordinary)))
    assert ids(await attendance(reports, principal)) == sorted(each.message_id for each in (own, here, shared))
    assert ids(await attendance(reports, teacher)) == [own.message_id]
    row = next(each for each in (await attendance(reports, principal)).rows if each.message_id == shared.message_id)
    assert (row.counts.total, row.counts.sent) == (2, 2)
    # History keeps to its own rule: without View All Users only what one sent oneself.
    assert (await reports.history(principal)).page.total_rows == 0


@pytest.mark.accepts(4, 124)
async def test_an_entry_opens_under_the_rule_of_the_report_that_it_is_read_in(reports: Reports) -> None:
    principal = person("Ida", "communication_reports", schools=[NORTH])
    here, there, ordinary = message(**ABSENCE), message(school=SOUTH, **ABSENCE), message()
    await reports.hear(*(submitted(each) for each in (here, there, ordinary)))

    def wanted(snapshot: Any, *, is_attendance: bool) -> pb.GetEntryRequest:
        return pb.GetEntryRequest(entry_id=snapshot.entries[0].entry_id, is_attendance=is_attendance)

    answer = await reports.ask(principal, "GetEntry", wanted(here, is_attendance=True))
    assert answer.text == "Amy was absent."
    for snapshot, is_attendance in ((here, False), (there, True), (ordinary, True)):
        with pytest.raises(NotFound):
            await reports.ask(principal, "GetEntry", wanted(snapshot, is_attendance=is_attendance))


@pytest.mark.accepts(122)
async def test_type_school_dates_and_times_narrow_it(reports: Reports) -> None:
    officer = person("Ada", "communication_reports")
    text = message(entries=[entry(types.CHANNEL_SMS, [counts(NORTH, sent=1)])], **ABSENCE)
    mail = message(school=SOUTH, **ABSENCE)
    await reports.hear(submitted(text), submitted(mail))
    for filters, expected in (
        ({"channels": [types.CHANNEL_SMS]}, [text]),
        ({"school_ids": [SOUTH]}, [mail]),
        ({"start_date": "2026-11-10"}, [text, mail]),
        ({"end_date": "2026-11-09"}, []),
        ({"start_time": "12:01"}, []),
        ({"end_time": "12:00"}, [text, mail]),
    ):
        assert ids(await attendance(reports, officer, **filters)) == sorted(each.message_id for each in expected)


@pytest.mark.accepts(127, 128)
async def test_source_and_recipient_type_are_those_of_the_message(reports: Reports) -> None:
    imported, district = types.RECIPIENT_TYPE_IMPORTED, types.SOURCE_DISTRICT
    await reports.hear(submitted(message(recipient_type=imported, source=district, **ABSENCE)))
    (row,) = (await attendance(reports, person("Ada", "communication_reports"))).rows
    assert (row.recipient_type, row.source) == (imported, district)


@pytest.mark.accepts(123)
@pytest.mark.parametrize("name", ["is_secure", "is_emergency", "is_flagged", "view_all_users"])
async def test_ticks_that_the_report_does_not_have_are_refused(reports: Reports, name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await attendance(reports, person("Ada", "communication_reports", "view_all_users"), **{name: True})
    assert [pointer for pointer, _ in caught.value.violations] == [f"/filter/{name}"]


@pytest.mark.accepts(123)
async def test_it_has_no_filter_of_senders(reports: Reports) -> None:
    officer = person("Ada", "communication_reports")
    with pytest.raises(InvalidArgument):
        await attendance(reports, officer, sender_ids=[officer.person_id])


@pytest.mark.accepts(1, 16)
async def test_it_needs_communication_reports(reports: Reports) -> None:
    with pytest.raises(PermissionDenied):
        await attendance(reports, person("Sam", "send_messages"))


@pytest.mark.accepts(244)
async def test_its_exports_are_logged(reports: Reports) -> None:
    officer = person("Ada", "communication_reports", "view_audit")
    absence = message(**ABSENCE)
    await reports.hear(submitted(absence))
    tables = pb.RecordExportRequest
    asked = tables(table=tables.TABLE_ATTENDANCE, filter=pb.Filter(school_ids=[NORTH]))
    await reports.ask(officer, "RecordExport", asked)
    entry_id = absence.entries[0].entry_id
    await reports.ask(officer, "RecordExport", tables(table=tables.TABLE_ATTENDANCE_RECIPIENTS, entry_id=entry_id))
    records = (await reports.ask(officer, "ListAudit", pb.ListAuditRequest())).records
    assert [(each.action, each.detail) for each in records] == [
        ("recipients.exported", f"entry={entry_id} state=all"),
        ("attendance.exported", f"school={NORTH}"),
    ]
