"""Who sees which rows and which counts: in the query, over gRPC (sections A and U)."""

import pytest

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import NotFound, PermissionDenied
from services.kit.ids import new_id
from tests.integration.reports.conftest import (
    NORTH,
    SOUTH,
    Reports,
    counts,
    entry,
    message,
    person,
    submitted,
    threat,
    withheld,
)

SECRETARY = ("communication_reports", "view_all_users")


@pytest.mark.accepts(6, 33)
async def test_without_all_users_only_own_messages_come_and_others_ids_find_nothing(reports: Reports) -> None:
    teacher = person("Tess", "communication_reports", schools=[NORTH], role="teacher")
    own, other = message(teacher), message()
    await reports.hear(submitted(own), submitted(other))
    assert [row.message_id for row in (await reports.history(teacher)).rows] == [own.message_id]
    assert not (await reports.history(teacher, sender_ids=[other.sender_id])).rows
    with pytest.raises(NotFound):
        await reports.ask(teacher, "GetEntry", pb.GetEntryRequest(entry_id=other.entries[0].entry_id))
    senders = await reports.ask(teacher, "ListSenders", pb.ListSendersRequest())
    assert [each.sender_id for each in senders.senders] == [teacher.person_id]


@pytest.mark.accepts(7)
async def test_a_message_of_another_school_comes_by_no_way(reports: Reports) -> None:
    secretary = person("Sara", *SECRETARY, "flag_messages", "threat_alerts", schools=[NORTH])
    here, there, danger = message(), message(school=SOUTH), threat(SOUTH)
    await reports.hear(submitted(here), submitted(there), submitted(danger), withheld(danger))
    found = await reports.history(secretary, view_all_users=True)
    assert [row.message_id for row in found.rows] == [here.message_id]
    assert found.page.total_rows == 1
    assert not (await reports.history(secretary, school_ids=[SOUTH])).rows
    assert not (await reports.history(secretary, message_ids=[there.message_id])).rows
    assert not (await reports.threats(secretary)).rows
    entry_id = there.entries[0].entry_id
    for method, request in (
        ("GetEntry", pb.GetEntryRequest(entry_id=entry_id)),
        ("GetThreat", pb.GetThreatRequest(message_id=danger.message_id)),
        ("AcknowledgeThreat", pb.AcknowledgeThreatRequest(message_id=danger.message_id)),
        (
            "SetFlag",
            pb.SetFlagRequest(message_id=there.message_id, is_flagged=True, origin=pb.SetFlagRequest.ORIGIN_ADMIN),
        ),
    ):
        with pytest.raises(NotFound):
            await reports.ask(secretary, method, request)


async def test_counts_are_of_the_viewers_schools_and_whole_for_the_sender(reports: Reports) -> None:
    officer = person("Otto", *SECRETARY)
    secretary = person("Sara", *SECRETARY, schools=[NORTH])
    sender = person("Tess", "communication_reports", schools=[NORTH], role="teacher")
    both = [counts(NORTH, sent=2, error=1), counts(SOUTH, sent=5, expired=2), counts("", sent=4)]
    sent = message(sender, entries=[entry(types.CHANNEL_EMAIL, both)])
    await reports.hear(submitted(sent))
    for viewer, total, arrived in ((officer, 14, 11), (secretary, 3, 2), (sender, 14, 11)):
        row = (await reports.history(viewer)).rows[0]
        assert (row.counts.total, row.counts.sent, row.counts.school_id) == (total, arrived, "")
    rule = types.ColumnRule(column="total", operator=types.ColumnRule.OPERATOR_GREATER, value="3")
    assert (await reports.history(officer, rules=[rule])).page.total_rows == 1
    assert (await reports.history(secretary, rules=[rule])).page.total_rows == 0


@pytest.mark.accepts(7)
async def test_students_of_other_schools_are_not_named_nor_found_nor_counted(reports: Reports) -> None:
    both = [counts(NORTH, sent=1), counts(SOUTH, sent=1)]
    amy = queue.StudentReference(student_id=new_id(), name="Amy Stone", number="N-1")
    sent = message(regarding=[amy], regarding_count=2, entries=[entry(types.CHANNEL_EMAIL, both)])
    await reports.hear(submitted(sent))
    rule = types.ColumnRule(
        column="regarding_student", operator=types.ColumnRule.OPERATOR_CONTAINS, value=amy.name.lower()
    )
    sees_all, sees_one = person("Otto", *SECRETARY, schools=[NORTH, SOUTH]), person("Sara", *SECRETARY, schools=[SOUTH])
    for viewer, names, count in ((sees_all, [amy.name], 2), (sees_one, [], 0)):
        row = (await reports.history(viewer)).rows[0]
        assert ([each.name for each in row.regarding], row.regarding_count) == (names, count)
        assert row.hides_students == (viewer is sees_one)
        assert (await reports.history(viewer, rules=[rule])).page.total_rows == len(names)


async def test_a_row_that_hides_its_students_is_found_by_what_it_says_instead(reports: Reports) -> None:
    hidden = message(regarding_count=2, entries=[entry(types.CHANNEL_EMAIL, [counts(NORTH, sent=1), counts(SOUTH)])])
    hidden.regarding.add(student_id=new_id(), name="Amy Stone", number="N-1")
    plain = message(entries=[entry(types.CHANNEL_EMAIL, [counts(SOUTH, sent=1)])])
    await reports.hear(submitted(hidden), submitted(plain))
    sara, rule = person("Sara", *SECRETARY, schools=[SOUTH]), types.ColumnRule
    for operator, value, found in (
        (rule.OPERATOR_EMPTY, "", plain),
        (rule.OPERATOR_EQUALS, "see the recipients", hidden),
    ):
        asked = rule(column="regarding_student", operator=operator, value=value)
        assert [row.message_id for row in (await reports.history(sara, rules=[asked])).rows] == [found.message_id]


@pytest.mark.accepts(15, 16, 17)
async def test_each_report_needs_its_permission(reports: Reports) -> None:
    danger = threat()
    await reports.hear(withheld(danger))
    teacher = person("Tess", "communication_reports", schools=[NORTH], role="teacher")
    counsellor = person("Lee", "threat_alerts", schools=[NORTH])
    student = person("Sam", "send_to_staff", schools=[NORTH], role="student")
    assert [row.message_id for row in (await reports.threats(counsellor)).rows] == [danger.message_id]
    for viewer, method, request in (
        (teacher, "SearchThreats", pb.SearchThreatsRequest()),
        (teacher, "ListAudit", pb.ListAuditRequest()),
        (counsellor, "SearchHistory", pb.SearchHistoryRequest()),
        (student, "SearchHistory", pb.SearchHistoryRequest()),
        (student, "SearchThreats", pb.SearchThreatsRequest()),
        (None, "SearchHistory", pb.SearchHistoryRequest()),
    ):
        with pytest.raises(PermissionDenied):
            await reports.ask(viewer, method, request)
    with pytest.raises(PermissionDenied) as refusal:
        await reports.ask(student, "SearchHistory", pb.SearchHistoryRequest(), "queue.inbox")
    assert refusal.value.reason == "SCOPE_MISSING"


@pytest.mark.accepts(36)
async def test_all_users_is_refused_without_the_right(reports: Reports) -> None:
    teacher = person("Tess", "communication_reports", role="teacher")
    with pytest.raises(PermissionDenied) as refusal:
        await reports.history(teacher, view_all_users=True)
    assert refusal.value.reason == "ALL_USERS_NOT_ALLOWED"


@pytest.mark.accepts(168, 197)
async def test_a_withheld_message_shows_flagged_in_history_without_its_words(reports: Reports) -> None:
    officer = person("Otto", *SECRETARY)
    danger = threat(text="burn")
    await reports.hear(submitted(danger), withheld(danger))
    row = (await reports.history(officer, is_flagged=True)).rows[0]
    assert (row.is_withheld, row.is_flagged, row.subject, row.text) == (True, True, "", "")
    whole = await reports.ask(officer, "GetEntry", pb.GetEntryRequest(entry_id=row.entry_id))
    assert whole.text == ""
    rule = types.ColumnRule(column="message", operator=types.ColumnRule.OPERATOR_CONTAINS, value="burn")
    assert (await reports.history(officer, rules=[rule])).page.total_rows == 0
