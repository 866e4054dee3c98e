"""Flags, acknowledgements and the audit log (sections I, O and P)."""

import asyncio
from datetime import UTC
from typing import Any

import pytest
import sqlalchemy as sa

from protos.events.v1 import directory_pb2 as directory
from protos.events.v1 import queue_pb2 as queue
from protos.events.v1 import settings_pb2 as settings
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.kit.handling import Event
from services.kit.ids import new_id
from services.reports.setting_events import SettingEvents
from tests.integration.reports.conftest import (
    NOON,
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
from tests.integration.reports.test_surveys import poll

PRINCIPAL = ("communication_reports", "view_all_users", "flag_messages", "threat_alerts")
Origin = pb.SetFlagRequest


async def flag(
    reports: Reports, viewer: Viewer | None, sent: queue.MessageSnapshot, origin: int, *, is_set: bool = True
) -> list[pb.EntryRow]:
    wanted = Origin(message_id=sent.message_id, is_flagged=is_set, origin=Origin.Origin.ValueType(origin))
    return list((await reports.ask(viewer, "SetFlag", wanted)).rows)


@pytest.mark.accepts(31, 100, 101, 103, 104, 105)
async def test_a_flag_is_on_all_entries_for_all_who_see_them(reports: Reports) -> None:
    ida, ada = person("Ida", *PRINCIPAL), person("Ada", *PRINCIPAL)
    channels = (types.CHANNEL_EMAIL, types.CHANNEL_SMS, types.CHANNEL_PUSH)
    sent = message(entries=[entry(each, [counts(NORTH, sent=1)]) for each in channels])
    await reports.hear(submitted(sent), submitted(message()))
    assert len(await flag(reports, ida, sent, Origin.ORIGIN_ADMIN)) == 3
    found = (await reports.history(ada, is_flagged=True)).rows
    assert [(row.message_id, row.is_admin_flagged, row.flag_control) for row in found] == [
        (sent.message_id, True, pb.FLAG_CONTROL_EDITABLE)
    ] * 3
    await flag(reports, ada, sent, Origin.ORIGIN_ADMIN, is_set=False)
    assert not (await reports.history(ida, is_flagged=True)).rows
    assert [(each.version, each.is_admin_flagged) for each in await reports.reviews()] == [(1, True), (2, False)]


@pytest.mark.accepts(8)
async def test_without_the_permission_the_flag_is_read_only(reports: Reports) -> None:
    secretary = person("Sara", "communication_reports", "view_all_users")
    sent = message()
    await reports.hear(submitted(sent))
    assert (await reports.history(secretary)).rows[0].flag_control == pb.FLAG_CONTROL_READ_ONLY
    with pytest.raises(PermissionDenied):
        await flag(reports, secretary, sent, Origin.ORIGIN_ADMIN)


@pytest.mark.accepts(48, 102, 118, 119)
async def test_a_teachers_earlier_flag_hides_the_box_and_a_later_one_does_not(reports: Reports) -> None:
    ida = person("Ida", *PRINCIPAL)
    first, second = message(subject="teacher first"), message(subject="admin first")
    await reports.hear(submitted(first), submitted(second))
    await flag(reports, None, first, Origin.ORIGIN_TEACHER)
    await flag(reports, ida, second, Origin.ORIGIN_ADMIN)
    await flag(reports, None, second, Origin.ORIGIN_TEACHER)
    rows = {row.subject: row for row in (await reports.history(ida)).rows}
    assert rows["teacher first"].flag_control == pb.FLAG_CONTROL_HIDDEN
    assert (rows["admin first"].flag_control, rows["admin first"].is_flagged) == (pb.FLAG_CONTROL_EDITABLE, True)
    with pytest.raises(FailedPrecondition) as refusal:
        await flag(reports, ida, first, Origin.ORIGIN_ADMIN)
    assert refusal.value.reason == "TEACHER_FLAGGED"
    with pytest.raises(PermissionDenied):
        await flag(reports, ida, first, Origin.ORIGIN_TEACHER)


@pytest.mark.accepts(32, 194, 195, 196, 197, 198, 200, 248)
async def test_the_automatic_flag_stays_as_a_person_left_it(reports: Reports) -> None:
    lee = person("Lee", "threat_alerts", schools=[NORTH])
    officer = person("Otto", "communication_reports", "view_all_users", "view_audit")
    danger = threat()
    await reports.hear(withheld(danger))
    row = (await reports.threats(lee)).rows[0]
    assert row.is_flagged
    assert row.counts == types.DeliveryCounts(total=3, withheld=3)
    assert [each.message_id for each in (await reports.history(officer, is_flagged=True)).rows] == [danger.message_id]
    await flag(reports, lee, danger, Origin.ORIGIN_SYSTEM, is_set=False)
    await reports.hear(withheld(danger))
    assert [row.is_flagged for row in (await reports.threats(lee)).rows] == [False]
    assert not (await reports.history(officer, is_flagged=True)).rows
    audit = await reports.ask(officer, "ListAudit", pb.ListAuditRequest(message_id=danger.message_id))
    assert [(each.action, each.actor_name) for each in audit.records] == [("flag.cleared", "Lee")]


async def test_only_a_threat_has_the_automatic_flag(reports: Reports) -> None:
    sent = message()
    await reports.hear(submitted(sent))
    with pytest.raises(FailedPrecondition) as refusal:
        await flag(reports, person("Ida", *PRINCIPAL), sent, Origin.ORIGIN_SYSTEM)
    assert refusal.value.reason == "NOT_A_THREAT"


@pytest.mark.accepts(202, 206, 207, 208)
async def test_two_who_acknowledge_at_once_make_one_acknowledgement(reports: Reports) -> None:
    people = [person(name, "threat_alerts", schools=[NORTH]) for name in ("Lee", "Kim", "Ida", "Ada")]
    danger = threat()
    await reports.hear(withheld(danger))
    request = pb.AcknowledgeThreatRequest(message_id=danger.message_id)
    answers = await asyncio.gather(*(reports.ask(each, "AcknowledgeThreat", request) for each in people))
    assert sorted(each.is_repeat for each in answers) == [False, True, True, True]
    assert len({(each.acknowledged_by, each.acknowledged_at.ToNanoseconds()) for each in answers}) == 1
    found = await reports.threats(people[0])
    assert (found.open, len(found.rows), found.rows[0].acknowledged_by) == (0, 1, answers[0].acknowledged_by)
    assert (found.rows[0].is_flagged, found.rows[0].is_withheld) == (True, True)
    told = await reports.reviews()
    assert [(each.version, each.acknowledged_by_name) for each in told] == [(1, answers[0].acknowledged_by)]


@pytest.mark.accepts(4, 210)
async def test_who_may_not_see_threats_cannot_acknowledge_one(reports: Reports) -> None:
    danger = threat()
    await reports.hear(withheld(danger))
    request = pb.AcknowledgeThreatRequest(message_id=danger.message_id)
    for permissions in ((), ("communication_reports", "view_all_users", "flag_messages")):
        with pytest.raises(PermissionDenied):
            await reports.ask(person("Sara", *permissions), "AcknowledgeThreat", request)
    assert (await reports.threats(person("Lee", "threat_alerts"))).open == 1
    assert await reports.reviews() == []


@pytest.mark.accepts(209)
@pytest.mark.parametrize("statement", ["UPDATE acknowledgements SET name = ''", "DELETE FROM acknowledgements"])
async def test_an_acknowledgement_cannot_be_undone(reports: Reports, statement: str) -> None:
    danger, lee = threat(), person("Lee", "threat_alerts")
    await reports.hear(withheld(danger))
    await reports.ask(lee, "AcknowledgeThreat", pb.AcknowledgeThreatRequest(message_id=danger.message_id))
    async with reports.engine.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError, match="cannot be undone"):
            await connection.execute(sa.text(statement))


@pytest.mark.accepts(116)
async def test_a_flag_leaves_a_delivered_messages_counts_as_they_are(reports: Reports) -> None:
    ida = person("Ida", *PRINCIPAL)
    sent = message(entries=[entry(types.CHANNEL_EMAIL, [counts(NORTH, sent=2, pending=1)])])
    await reports.hear(submitted(sent))
    before = (await reports.history(ida)).rows[0].counts
    assert [row.counts for row in await flag(reports, ida, sent, Origin.ORIGIN_ADMIN)] == [before]
    assert (before.sent, before.pending) == (2, 1)


@pytest.mark.accepts(171, 173, 244)
async def test_opening_a_threat_shows_all_of_it_and_is_logged(reports: Reports) -> None:
    lee = person("Lee", "threat_alerts", "view_audit", schools=[NORTH])
    danger = threat(text="I will burn it down")
    before = message(subject="earlier", sender_id=danger.sender_id)
    other = message(subject="of another school", sender_id=danger.sender_id, school=SOUTH)
    waiting = message(subject="unscreened", sender_id=danger.sender_id, is_held=True)
    await reports.hear(submitted(before), submitted(other), submitted(waiting), withheld(danger))
    answer = await reports.ask(lee, "GetThreat", pb.GetThreatRequest(message_id=danger.message_id))
    assert (answer.text, list(answer.recipient_names)) == ("I will burn it down", ["Ann Aster"])
    assert [each.category for each in answer.rows[0].categories] == [types.CATEGORY_THREAT]
    assert (answer.verdict.provider, answer.verdict.tier) == ("embedded", 1)
    assert [each.message_id for each in answer.conversation] == [before.message_id]
    assert [(each.action, each.actor_id) for each in answer.history] == [("threat.viewed", lee.person_id)]
    audit = await reports.ask(lee, "ListAudit", pb.ListAuditRequest())
    assert [each.action for each in audit.records] == ["threat.viewed"]


@pytest.mark.accepts(171)
async def test_the_conversation_around_a_threat_has_what_a_poll_asks(reports: Reports) -> None:
    lee, danger = person("Lee", "threat_alerts"), threat()
    asking = poll(subject="Quick", sender_id=danger.sender_id)
    await reports.hear(submitted(asking), withheld(danger))
    answer = await reports.ask(lee, "GetThreat", pb.GetThreatRequest(message_id=danger.message_id))
    assert [each.text for each in answer.conversation] == [f"Quick\n{asking.entries[0].text}"]


@pytest.mark.accepts(117, 244)
async def test_searching_threats_is_logged_without_what_was_typed(reports: Reports) -> None:
    lee = person("Lee", "threat_alerts", "view_audit")
    rule = types.ColumnRule(column="message", operator=types.ColumnRule.OPERATOR_CONTAINS, value="Amy Stone")
    await reports.threats(lee, school_ids=[NORTH], rules=[rule])
    records = (await reports.ask(lee, "ListAudit", pb.ListAuditRequest())).records
    assert [each.action for each in records] == ["threats.searched"]
    assert NORTH in records[0].detail
    assert "Amy" not in records[0].detail


@pytest.mark.parametrize("statement", ["UPDATE audit_records SET detail = ''", "DELETE FROM audit_records"])
async def test_the_database_keeps_the_audit_log_as_it_is(reports: Reports, statement: str) -> None:
    await reports.threats(person("Lee", "threat_alerts"))
    async with reports.engine.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError, match="append-only"):
            await connection.execute(sa.text(statement))


@pytest.mark.accepts(309)
async def test_changes_of_permissions_are_recorded_once_and_shown_to_who_sees_the_district(reports: Reports) -> None:
    told = directory.ProfileChanged(event_id=new_id(), changed_by_id="ada", changed_by_name="Ada North")
    told.profile.name = "Counsellor"
    told.added.extend(["threat_alerts", "view_audit"])
    told.removed.append("flag_messages")
    told.changed_at.FromDatetime(NOON)
    renamed = directory.ProfileChanged(event_id=new_id(), changed_by_id="ada", changed_by_name="Ada North")
    changed = "directory.profile.changed.v1"
    events = [Event(changed, each.event_id, each.SerializeToString(), 1) for each in (told, told, renamed)]
    for _ in range(2):
        await SettingEvents(reports.engine).handle(events)
    officer, principal = person("Otto", "view_audit"), person("Ida", "view_audit", schools=[NORTH])
    (record,) = (await reports.ask(officer, "ListAudit", pb.ListAuditRequest(action="profile.changed"))).records
    assert (record.actor_id, record.actor_name, record.at.ToDatetime(UTC)) == ("ada", "Ada North", NOON)
    assert record.detail == "profile=Counsellor added=threat_alerts added=view_audit removed=flag_messages"
    assert not (await reports.ask(principal, "ListAudit", pb.ListAuditRequest())).records


@pytest.mark.accepts(309)
async def test_an_import_that_gives_somebody_another_profile_is_recorded_for_each(reports: Reports) -> None:
    told = directory.ProfilesAssigned(event_id=new_id(), changed_by_id="operator", changed_by_name="operator")
    told.assignments.add(person_id="lee", before="", after="Counsellor")
    told.assignments.add(person_id="sara", before="Secretary", after="Principal")
    told.changed_at.FromDatetime(NOON)
    event = Event("directory.profile.assigned.v1", told.event_id, told.SerializeToString(), 1)
    for _ in range(2):
        await SettingEvents(reports.engine).handle([event])
    wanted = pb.ListAuditRequest(action="profile.assigned")
    records = (await reports.ask(person("Otto", "view_audit"), "ListAudit", wanted)).records
    assert sorted((each.actor_name, each.detail) for each in records) == [
        ("operator", "person=lee before=none after=Counsellor"),
        ("operator", "person=sara before=Secretary after=Principal"),
    ]


@pytest.mark.accepts(309)
@pytest.mark.parametrize("subject", ["directory.setting.changed.v1", "queue.setting.changed.v1"])
async def test_what_somebody_set_is_recorded_once(reports: Reports, subject: str) -> None:
    told = settings.SettingChanged(
        event_id=new_id(), changed_by_id="ada", changed_by_name="Ada North", action="school.changed", detail="a=b"
    )
    told.changed_at.FromDatetime(NOON)
    for _ in range(2):
        await SettingEvents(reports.engine).handle([Event(subject, told.event_id, told.SerializeToString(), 1)])
    answer = await reports.ask(person("Otto", "view_audit"), "ListAudit", pb.ListAuditRequest(action="school.changed"))
    assert [(each.actor_name, each.detail) for each in answer.records] == [("Ada North", "a=b")]


@pytest.mark.accepts(216, 220, 221, 223)
async def test_the_log_takes_rules_on_what_its_columns_show_and_sorts_by_it(reports: Reports) -> None:
    for number, (name, action) in enumerate((("Zoe", "a.set"), ("", "b.set"), ("Amy 5%", "c.set"))):
        told = settings.SettingChanged(event_id=new_id(), changed_by_name=name, action=action, detail=f"n={number}")
        told.changed_at.FromDatetime(NOON)
        event = Event("directory.setting.changed.v1", told.event_id, told.SerializeToString(), 1)
        await SettingEvents(reports.engine).handle([event])
    words = {"a.set": "Set the zebra", "b.set": "Set an apple"}

    async def find(*rule: str, **sort: Any) -> list[str]:
        rules = []
        if rule:
            number = types.ColumnRule.Operator.Value(f"OPERATOR_{rule[1].upper()}")
            rules = [types.ColumnRule(column=rule[0], operator=number, value=rule[2])]
        wanted = pb.ListAuditRequest(rules=rules, action_words=words, sort=types.Sort(**sort))
        answer = await reports.ask(person("Otto", "view_audit"), "ListAudit", wanted)
        assert answer.page.total_rows == len(answer.records)
        return [each.action[:1] for each in answer.records]

    assert await find() == ["c", "b", "a"], "the newest first"
    assert await find(column="what") == ["c", "b", "a"], "c.set, set an apple, set the zebra"
    assert await find(column="who", descending=True) == ["a", "b", "c"]
    assert await find("what", "contains", "ZEBRA") == ["a"]
    assert await find("who", "equals", "lantern") == ["b"]
    assert await find("who", "contains", "5%") == ["c"]
    assert await find("detail", "not_contains", "n=1") == ["c", "a"]
    assert await find("date", "equals", f"{NOON:%Y-%m-%d}") == ["c", "b", "a"]
    with pytest.raises(InvalidArgument):
        await find("message", "contains", "a")
    with pytest.raises(InvalidArgument):
        await find(column="record_id")
