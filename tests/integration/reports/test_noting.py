"""What screening noted and let go: who sees it, what counts for a student, and how it is closed."""

from datetime import timedelta
from typing import Any

import pytest

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.clock import utc_now
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.kit.ids import new_id
from tests.integration.reports.conftest import NORTH, SOUTH, Reports, message, person, submitted, withheld

SAM, KIM = new_id(), new_id()


def students(school: str = NORTH, sender: str = SAM, **fields: Any) -> queue.MessageSnapshot:
    """A student's message."""
    return message(school=school, sender_id=sender, sender_role=types.ROLE_STUDENT, sender_name="Sam", **fields)


def noted(snapshot: queue.MessageSnapshot, days_ago: float = 0, *, holds: bool = False, **fields: Any) -> Any:
    """The event of a message that screening noted and let go; `holds` under shadow mode."""
    verdict = types.Verdict(decision=types.Verdict.DECISION_WATCH, explanation="They said it.", **fields)
    verdict.scores.add(category=types.CATEGORY_INSULT, score=0.4, holds=holds, watches=not holds)
    verdict.scores.add(category=types.CATEGORY_THREAT, score=0.1)
    event = queue.MessageReleased(event_id=new_id(), message_id=snapshot.message_id, verdict=verdict)
    event.released_at.FromDatetime(utc_now() - timedelta(days=days_ago))
    return "queue.message.released.v1", event


def unread(snapshot: queue.MessageSnapshot) -> Any:
    """The event of a message that is noted because the model could not read it."""
    told = noted(snapshot)
    del told[1].verdict.scores[0]
    return told


async def search(reports: Reports, viewer: Any, **wanted: Any) -> Any:
    return await reports.ask(viewer, "SearchNoted", pb.SearchNotedRequest(**wanted))


async def senders(reports: Reports, viewer: Any, **page: int) -> Any:
    request = pb.ListNotedSendersRequest(page=types.PageRequest(**page))
    return await reports.ask(viewer, "ListNotedSenders", request)


async def pattern(reports: Reports, school: str = NORTH, sender: str = SAM, many: int = 3) -> None:
    """Tell of several noted messages of one student."""
    for days in range(many):
        sent = students(school, sender)
        await reports.hear(submitted(sent), noted(sent, days / 10))


@pytest.mark.accepts(11, 201, 244)
async def test_a_counsellor_sees_what_was_noted_of_their_schools_with_scores_and_no_text(reports: Reports) -> None:
    counsellor = person("Lee", "threat_alerts", schools=[NORTH])
    near, far, of_teacher, clean, pulled = (students(), students(SOUTH), message(), students(), students())
    await reports.hear(noted(near))
    await reports.hear(*(submitted(each) for each in (near, far, of_teacher, clean, pulled)))
    await reports.hear(noted(far), noted(of_teacher), noted(pulled), withheld(pulled))
    (row,) = (await search(reports, counsellor)).rows
    assert (row.message_id, row.name, row.school_id, row.would_hold) == (near.message_id, "Sam", NORTH, False)
    assert row.entry_id == near.entries[0].entry_id
    assert (row.verdict.scores[0].score, row.verdict.scores[0].watches) == (0.4, True)
    assert row.verdict.explanation == ""
    records = (await reports.ask(person("Otto", "view_audit"), "ListAudit", pb.ListAuditRequest())).records
    assert [(each.action, each.actor_name, each.detail) for each in records] == [
        ("noted.searched", "Lee", "messages=1")
    ]
    for who in (person("Sara", "communication_reports", "view_all_users"), person("Tess", role="teacher")):
        for method, request in (("SearchNoted", pb.SearchNotedRequest()), ("ListNotedSenders", None)):
            with pytest.raises(PermissionDenied):
                await reports.ask(who, method, request or pb.ListNotedSendersRequest())


@pytest.mark.accepts(304)
async def test_what_shadow_mode_let_go_can_be_told_apart(reports: Reports) -> None:
    officer = person("Otto", "threat_alerts")
    watched, held, blocked = students(), students(), students()
    await reports.hear(*(submitted(each) for each in (watched, held, blocked)))
    await reports.hear(noted(watched), noted(held, holds=True, tier=1), noted(blocked, phrases=["old mill"]))
    found = await search(reports, officer, would_hold=True)
    assert {each.message_id for each in found.rows} == {held.message_id, blocked.message_id}
    assert (await search(reports, officer)).would_hold == 2
    assert (await search(reports, officer, sender_id=new_id())).page.total_rows == 0


async def test_a_principal_finds_their_students_however_many_others_there_are(reports: Reports) -> None:
    principal = person("Ida", "threat_alerts", schools=[NORTH])
    await pattern(reports)
    for _ in range(3):
        await pattern(reports, SOUTH, new_id())
    await pattern(reports, sender=KIM, many=2)
    (found,) = (await senders(reports, principal)).senders
    assert (found.sender_id, found.messages, list(found.categories)) == (SAM, 3, [types.CATEGORY_INSULT])
    assert (await reports.threats(principal)).noted_students == 1
    whole = await senders(reports, person("Otto", "threat_alerts"), size=2)
    assert (len(whole.senders), whole.page.total_rows, whole.page.total_pages) == (2, 4, 2)


async def test_what_is_old_or_could_not_be_read_counts_for_nobody(reports: Reports) -> None:
    officer = person("Otto", "threat_alerts")
    await pattern(reports, many=2)
    old, strange = students(), students()
    await reports.hear(submitted(old), submitted(strange), noted(old, 8), unread(strange))
    assert not (await senders(reports, officer)).senders
    assert (await search(reports, officer)).page.total_rows == 4


async def test_what_shadow_mode_let_go_for_a_blocked_phrase_alone_counts(reports: Reports) -> None:
    await pattern(reports, many=2)
    blocked = [students() for _ in range(2)]
    for each in blocked:
        told = unread(each)
        told[1].verdict.phrases.append("old mill")
        await reports.hear(submitted(each), told)
    (found,) = (await senders(reports, person("Otto", "threat_alerts"))).senders
    assert (found.messages, list(found.categories)) == (4, [types.CATEGORY_INSULT])


async def test_what_was_noted_is_closed_with_a_word_and_counts_anew_from_there(reports: Reports) -> None:
    principal, elsewhere = (person("Ida", "threat_alerts", schools=[each]) for each in (NORTH, SOUTH))
    await pattern(reports)
    (found,) = (await senders(reports, principal)).senders
    late = students()
    await reports.hear(submitted(late), noted(late))
    wanted = pb.CloseNotedSenderRequest(
        sender_id=SAM, school_id=NORTH, through=found.last_at, reason=" Talked to Sam. "
    )
    with pytest.raises(NotFound):
        await reports.ask(elsewhere, "CloseNotedSender", wanted)
    assert [(await reports.ask(principal, "CloseNotedSender", wanted)).is_repeat for _ in range(2)] == [False, True]
    after = await senders(reports, principal)
    assert not after.senders
    assert [(each.name, each.reason, each.by.name) for each in after.closed] == [("Sam", "Talked to Sam.", "Ida")]
    assert not (await senders(reports, elsewhere)).closed
    auditor = person("Otto", "view_audit", schools=[NORTH])
    log = (await reports.ask(auditor, "ListAudit", pb.ListAuditRequest(action="noted.closed"))).records
    assert [(each.actor_name, each.detail) for each in log] == [("Ida", f"sender={SAM}")]
    await pattern(reports, many=1)
    assert not (await senders(reports, principal)).senders, "the newest before, and one more"
    await pattern(reports, many=1)
    assert (await senders(reports, principal)).senders[0].messages == 3


async def test_a_closing_says_why_and_whose(reports: Reports) -> None:
    wanted = pb.CloseNotedSenderRequest(sender_id="x", school_id="y", reason="r" * 501)
    with pytest.raises(InvalidArgument) as refusal:
        await reports.ask(person("Otto", "threat_alerts"), "CloseNotedSender", wanted)
    assert [each.pointer for each in refusal.value.violations] == ["/sender_id", "/school_id", "/reason", "/through"]
    with pytest.raises(InvalidArgument):
        await search(reports, person("Otto", "threat_alerts"), sender_id="x")
