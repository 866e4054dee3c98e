"""Referrals: who may add one, what it locks, and that there is one (statements 106 to 115, 199)."""

import asyncio

import pytest
import sqlalchemy as sa

from protos.events.v1 import queue_pb2 as queue
from protos.events.v1 import reports_pb2 as events
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.kit.ids import new_id
from services.reports.tables import outbox
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

PRINCIPAL = ("communication_reports", "view_all_users", "flag_messages", "threat_alerts")
COUNSELLOR = ("threat_alerts",)
Origin = pb.SetFlagRequest


def from_student(school: str = NORTH) -> queue.MessageSnapshot:
    channels = (types.CHANNEL_EMAIL, types.CHANNEL_SMS)
    return message(
        school=school,
        sender_role=types.ROLE_STUDENT,
        sender_name="Sam Student",
        entries=[entry(each, [counts(school, sent=1)]) for each in channels],
    )


async def flag(
    reports: Reports, viewer: Viewer | None, sent: queue.MessageSnapshot, origin: int, *, is_set: bool
) -> None:
    wanted = Origin(message_id=sent.message_id, is_flagged=is_set, origin=Origin.Origin.ValueType(origin))
    await reports.ask(viewer, "SetFlag", wanted)


async def refer(reports: Reports, viewer: Viewer | None, sent: queue.MessageSnapshot) -> pb.AddReferralResponse:
    wanted = pb.AddReferralRequest(
        message_id=sent.message_id,
        reason=pb.REFERRAL_REASON_BULLYING,
        notes="Talk to both.",
        told=[pb.StaffName(person_id=new_id(), name="Lee Counsellor")],
    )
    answer: pb.AddReferralResponse = await reports.ask(viewer, "AddReferral", wanted)
    return answer


@pytest.mark.accepts(106, 107, 109, 111, 112)
async def test_a_referral_is_on_every_entry_and_locks_every_flag(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL), from_student()
    await reports.hear(submitted(sent))
    assert [row.may_refer for row in (await reports.history(ida)).rows] == [False, False]
    await flag(reports, ida, sent, Origin.ORIGIN_ADMIN, is_set=True)
    rows = (await reports.history(ida)).rows
    assert [(row.may_refer, row.flag_control) for row in rows] == [(True, pb.FLAG_CONTROL_EDITABLE)] * 2
    added = await refer(reports, ida, sent)
    rows = (await reports.history(ida)).rows
    assert [(row.may_refer, row.flag_control, row.referral_id) for row in rows] == [
        (False, pb.FLAG_CONTROL_LOCKED, added.referral.referral_id)
    ] * 2
    with pytest.raises(FailedPrecondition) as refusal:
        await flag(reports, ida, sent, Origin.ORIGIN_ADMIN, is_set=False)
    assert refusal.value.reason == "FLAG_LOCKED"


@pytest.mark.accepts(109)
async def test_a_teachers_flag_offers_a_referral(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL), from_student()
    await reports.hear(submitted(sent))
    await flag(reports, None, sent, Origin.ORIGIN_TEACHER, is_set=True)
    rows = (await reports.history(ida)).rows
    assert [(row.may_refer, row.flag_control) for row in rows] == [(True, pb.FLAG_CONTROL_HIDDEN)] * 2
    assert not (await refer(reports, ida, sent)).is_repeat


@pytest.mark.accepts(110)
async def test_only_a_students_flagged_message_has_a_referral(reports: Reports) -> None:
    ida, teachers, students = person("Ida", *PRINCIPAL), message(), from_student()
    await reports.hear(submitted(teachers), submitted(students))
    await flag(reports, ida, teachers, Origin.ORIGIN_ADMIN, is_set=True)
    assert [row.may_refer for row in (await reports.history(ida)).rows] == [False] * 3
    for sent, reason in ((teachers, "SENDER_NOT_A_STUDENT"), (students, "NOT_FLAGGED")):
        with pytest.raises(FailedPrecondition) as refusal:
            await refer(reports, ida, sent)
        assert refusal.value.reason == reason
    assert not (await reports.ask(ida, "ListReferrals", pb.ListReferralsRequest())).referrals


@pytest.mark.accepts(114)
async def test_two_who_refer_at_once_make_one_referral(reports: Reports) -> None:
    people, sent = [person(name, *PRINCIPAL) for name in ("Ida", "Ada", "Kim", "Lee")], from_student()
    await reports.hear(submitted(sent))
    await flag(reports, people[0], sent, Origin.ORIGIN_ADMIN, is_set=True)
    answers = await asyncio.gather(*(refer(reports, each, sent) for each in people))
    assert sorted(each.is_repeat for each in answers) == [False, True, True, True]
    assert len({each.referral.referral_id for each in answers}) == 1
    assert {each.referral.student_id for each in answers} == {sent.sender_id}


@pytest.mark.accepts(115, 117)
async def test_a_deleted_referral_gives_the_flag_back_and_both_are_logged(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL, "view_audit"), from_student()
    await reports.hear(submitted(sent))
    await flag(reports, ida, sent, Origin.ORIGIN_ADMIN, is_set=True)
    referral_id = (await refer(reports, ida, sent)).referral.referral_id
    await reports.ask(ida, "DeleteReferral", pb.DeleteReferralRequest(referral_id=referral_id))
    rows = (await reports.history(ida)).rows
    assert [(row.flag_control, row.is_admin_flagged, row.may_refer) for row in rows] == [
        (pb.FLAG_CONTROL_EDITABLE, True, True)
    ] * 2
    with pytest.raises(NotFound):
        await reports.ask(ida, "DeleteReferral", pb.DeleteReferralRequest(referral_id=referral_id))
    log = await reports.ask(ida, "ListAudit", pb.ListAuditRequest(message_id=sent.message_id))
    assert [each.action for each in log.records] == ["referral.deleted", "referral.added", "flag.set"]


@pytest.mark.accepts(49, 108)
async def test_a_referral_of_the_district_system_comes_with_an_admins_flag(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL, "view_audit"), from_student()
    await reports.hear(submitted(sent))
    await refer(reports, None, sent)
    log = (await reports.ask(ida, "ListAudit", pb.ListAuditRequest())).records
    assert {each.action for each in log} == {"flag.set", "referral.added"}
    rows = (await reports.history(ida)).rows
    assert [(row.is_admin_flagged, row.flag_control) for row in rows] == [(True, pb.FLAG_CONTROL_LOCKED)] * 2


@pytest.mark.accepts(199, 198)
async def test_a_counsellor_refers_for_a_threat_of_their_school_and_for_nothing_else(reports: Reports) -> None:
    lee, ida = person("Lee", *COUNSELLOR, schools=[NORTH]), person("Ida", *PRINCIPAL)
    danger, elsewhere, ordinary = threat(), threat(school=SOUTH), from_student()
    await reports.hear(withheld(danger), withheld(elsewhere), submitted(ordinary))
    await flag(reports, ida, ordinary, Origin.ORIGIN_ADMIN, is_set=True)
    assert [row.may_refer for row in (await reports.threats(lee)).rows] == [True]
    for sent in (elsewhere, ordinary):
        with pytest.raises(NotFound):
            await refer(reports, lee, sent)
    referral = (await refer(reports, lee, danger)).referral
    assert referral.is_threat
    assert [row.referral_id for row in (await reports.threats(lee)).rows] == [referral.referral_id]
    with pytest.raises(FailedPrecondition):
        await flag(reports, lee, danger, Origin.ORIGIN_SYSTEM, is_set=False)


@pytest.mark.accepts(113, 244)
async def test_a_referral_is_listed_and_opened_by_those_who_may_and_the_reading_is_logged(reports: Reports) -> None:
    ida, other = person("Ida", *PRINCIPAL, schools=[NORTH]), person("Ada", *PRINCIPAL, schools=[SOUTH])
    secretary, sent = person("Sara", "communication_reports", "view_all_users"), from_student()
    await reports.hear(submitted(sent))
    await flag(reports, ida, sent, Origin.ORIGIN_ADMIN, is_set=True)
    added = (await refer(reports, ida, sent)).referral
    listed = await reports.ask(ida, "ListReferrals", pb.ListReferralsRequest())
    assert [(each.student_name, each.notes) for each in listed.referrals] == [("Sam Student", "")]
    lee = person("Lee", *PRINCIPAL)
    mine = await reports.ask(lee, "ListReferrals", pb.ListReferralsRequest(is_mine=True))
    assert not mine.referrals
    found = await reports.ask(ida, "GetReferral", pb.GetReferralRequest(referral_id=added.referral_id))
    assert (found.referral.notes, found.referral.told[0].name) == ("Talk to both.", "Lee Counsellor")
    assert [each.action for each in found.history] == ["flag.set", "referral.added", "referral.viewed"]
    with pytest.raises(NotFound):
        await reports.ask(other, "GetReferral", pb.GetReferralRequest(referral_id=added.referral_id))
    assert not (await reports.ask(other, "ListReferrals", pb.ListReferralsRequest())).referrals
    with pytest.raises(PermissionDenied):
        await reports.ask(secretary, "GetReferral", pb.GetReferralRequest(referral_id=added.referral_id))
    assert [row.may_refer for row in (await reports.history(secretary)).rows] == [False, False]


async def test_a_referral_that_cannot_be_read_names_every_field(reports: Reports) -> None:
    wanted = pb.AddReferralRequest(message_id=new_id(), notes="x" * 4001, told=[pb.StaffName(person_id="nobody")])
    with pytest.raises(InvalidArgument) as refusal:
        await reports.ask(person("Ida", *PRINCIPAL), "AddReferral", wanted)
    assert [each.pointer for each in refusal.value.violations] == ["/reason", "/notes", "/told/0"]


@pytest.mark.accepts(244)
async def test_exports_are_logged_with_their_filter(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL, "view_audit"), from_student()
    await reports.hear(submitted(sent))
    entry_id = sent.entries[0].entry_id
    asked = pb.Filter(school_ids=[NORTH], is_flagged=True)
    wanted = pb.RecordExportRequest(table=pb.RecordExportRequest.TABLE_HISTORY, filter=asked)
    await reports.ask(ida, "RecordExport", wanted)
    recipients = pb.RecordExportRequest(
        table=pb.RecordExportRequest.TABLE_RECIPIENTS, entry_id=entry_id, state="errors"
    )
    await reports.ask(ida, "RecordExport", recipients)
    log = (await reports.ask(ida, "ListAudit", pb.ListAuditRequest())).records
    assert [(each.action, each.message_id) for each in log] == [
        ("recipients.exported", sent.message_id),
        ("history.exported", ""),
    ]
    assert log[1].detail == f"school={NORTH} is_flagged"
    only = await reports.ask(ida, "ListAudit", pb.ListAuditRequest(action="history.exported", actor="ida"))
    assert [each.action for each in only.records] == ["history.exported"]
    foreign = person("Sol", "communication_reports", schools=[SOUTH])
    with pytest.raises(NotFound):
        await reports.ask(foreign, "RecordExport", recipients)
    with pytest.raises(PermissionDenied):
        threats = pb.RecordExportRequest(table=pb.RecordExportRequest.TABLE_THREATS)
        await reports.ask(foreign, "RecordExport", threats)


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        (pb.RecordExportRequest.TABLE_HISTORY, pb.Filter(start_date="call me at 212 555 0100")),
        (pb.RecordExportRequest.TABLE_HISTORY, pb.Filter(school_ids=["North\x00High"])),
        (pb.RecordExportRequest.TABLE_THREATS, pb.Filter(is_flagged=True)),
    ],
)
async def test_an_export_whose_filter_cannot_be_read_is_not_logged(
    reports: Reports, table: "pb.RecordExportRequest.Table.ValueType", wrong: pb.Filter
) -> None:
    ida = person("Ida", *PRINCIPAL, "view_audit", schools=["*"])
    with pytest.raises(InvalidArgument):
        await reports.ask(ida, "RecordExport", pb.RecordExportRequest(table=table, filter=wrong))
    assert not (await reports.ask(ida, "ListAudit", pb.ListAuditRequest())).records


@pytest.mark.accepts(42, 191, 231, 237)
async def test_from_is_the_schools_title_for_staff_of_an_excluded_school_and_a_students_own_name(
    reports: Reports,
) -> None:
    danger, theirs = threat(), message(is_from_excluded_school=True, from_title="Ridge High", sender_name="Ann Staff")
    danger.is_from_excluded_school, danger.from_title = True, "Ridge High"
    ida = person("Ida", *PRINCIPAL)
    await reports.hear(withheld(danger), submitted(theirs))
    assert [getattr(row, "from") for row in (await reports.threats(ida)).rows] == ["Sam Student"]
    assert sorted(getattr(row, "from") for row in (await reports.history(ida)).rows) == ["Ridge High", "Sam Student"]


@pytest.mark.accepts(111, 112)
async def test_whoever_follows_up_a_referral_is_told_and_no_students_name_leaves(reports: Reports) -> None:
    ida, alone = person("Ida", *PRINCIPAL), from_student()
    sent = from_student()
    await reports.hear(submitted(sent), submitted(alone))
    for each in (sent, alone):
        await flag(reports, ida, each, Origin.ORIGIN_ADMIN, is_set=True)
    added = await refer(reports, ida, sent)
    await refer(reports, ida, sent)
    mine = pb.AddReferralRequest(message_id=alone.message_id, reason=pb.REFERRAL_REASON_OTHER)
    mine.told.add(person_id=ida.person_id, name="Ida")
    await reports.ask(ida, "AddReferral", mine)
    wanted = sa.select(outbox.c.payload).where(outbox.c.subject == "reports.referral.added.v1")
    async with reports.engine.connect() as connection:
        (payload,) = (await connection.execute(wanted)).scalars()
    told = events.ReferralAdded.FromString(payload)
    assert (told.referral_id, told.added_by_name) == (added.referral.referral_id, "Ida")
    assert list(told.told_ids) == [added.referral.told[0].person_id]
    assert b"Sam Student" not in payload


def telling(sent: queue.MessageSnapshot, *followers: Viewer) -> pb.AddReferralRequest:
    people = [pb.StaffName(person_id=each.person_id, name=each.name) for each in followers]
    return pb.AddReferralRequest(
        message_id=sent.message_id, reason=pb.REFERRAL_REASON_BULLYING, notes="Talk.", told=people
    )


@pytest.mark.accepts(111, 113)
async def test_whoever_is_told_of_a_referral_opens_it_with_the_message_and_may_not_delete_it(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL), from_student()
    lee, kim = (person(name, *COUNSELLOR, schools=[NORTH]) for name in ("Lee", "Kim"))
    await reports.hear(submitted(sent))
    await flag(reports, ida, sent, Origin.ORIGIN_ADMIN, is_set=True)
    added = (await reports.ask(ida, "AddReferral", telling(sent, lee))).referral
    asked, mine = pb.GetReferralRequest(referral_id=added.referral_id), pb.ListReferralsRequest(is_mine=True)
    found = await reports.ask(lee, "GetReferral", asked)
    assert (found.referral.notes, found.text, found.sees_message) == ("Talk.", f"{sent.subject}\n{sent.body}", False)
    assert (await reports.ask(ida, "GetReferral", asked)).sees_message
    assert [each.referral_id for each in (await reports.ask(lee, "ListReferrals", mine)).referrals] == [
        added.referral_id
    ]
    with pytest.raises(NotFound):
        await reports.ask(lee, "DeleteReferral", pb.DeleteReferralRequest(referral_id=added.referral_id))
    with pytest.raises(NotFound):
        await reports.ask(kim, "GetReferral", asked)


@pytest.mark.accepts(7, 113)
async def test_nobody_is_shown_a_message_of_other_schools_by_being_told(reports: Reports) -> None:
    ida, sol, sent = person("Ida", *PRINCIPAL), person("Sol", *COUNSELLOR, schools=[SOUTH]), from_student()
    await reports.hear(submitted(sent))
    await flag(reports, ida, sent, Origin.ORIGIN_ADMIN, is_set=True)
    added = (await reports.ask(ida, "AddReferral", telling(sent, sol))).referral
    with pytest.raises(NotFound):
        await reports.ask(sol, "GetReferral", pb.GetReferralRequest(referral_id=added.referral_id))
    assert not (await reports.ask(sol, "ListReferrals", pb.ListReferralsRequest(is_mine=True))).referrals


@pytest.mark.accepts(190, 199)
async def test_a_withheld_text_is_not_on_its_referral(reports: Reports) -> None:
    ida, lee, danger = person("Ida", *PRINCIPAL), person("Lee", "flag_messages", schools=[NORTH]), threat()
    await reports.hear(withheld(danger))
    await flag(reports, ida, danger, Origin.ORIGIN_ADMIN, is_set=True)
    added = (await reports.ask(ida, "AddReferral", telling(danger, lee))).referral
    found = await reports.ask(lee, "GetReferral", pb.GetReferralRequest(referral_id=added.referral_id))
    assert (found.referral.is_threat, found.text) == (True, "")


@pytest.mark.accepts(7, 111)
async def test_those_of_the_messages_schools_may_follow_up(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL, schools=[SOUTH]), from_student()
    sent.entries[0].counts.append(counts(SOUTH, sent=1))
    other = from_student()
    await reports.hear(submitted(sent), submitted(other))
    asked = pb.ListReferralSchoolsRequest(message_id=sent.message_id)
    assert set((await reports.ask(ida, "ListReferralSchools", asked)).school_ids) == {NORTH, SOUTH}
    with pytest.raises(NotFound):
        await reports.ask(ida, "ListReferralSchools", pb.ListReferralSchoolsRequest(message_id=other.message_id))


@pytest.mark.accepts(110, 111)
async def test_nobody_follows_up_a_message_that_no_student_wrote(reports: Reports) -> None:
    ida, sent = person("Ida", *PRINCIPAL), from_student()
    sent.sender_role = types.ROLE_TEACHER
    await reports.hear(submitted(sent))
    asked = pb.ListReferralSchoolsRequest(message_id=sent.message_id)
    assert not (await reports.ask(ida, "ListReferralSchools", asked)).school_ids
