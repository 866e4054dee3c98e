"""A reviewer keeps or releases each threat, with a reason; one decision wins (statement 303)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.kit.ids import new_id
from services.reports.tables import decisions, threats
from tests.integration.reports.conftest import (
    NOON,
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

KEPT, RELEASED = types.THREAT_DECISION_KEPT, types.THREAT_DECISION_RELEASED
LEE = person("Lee", "threat_alerts", "view_audit", schools=[NORTH])
SECRETARY = person("Sara", "communication_reports", "view_all_users")


async def decide(reports: Reports, viewer: Viewer, danger: queue.MessageSnapshot, **fields: Any) -> Any:
    wanted: dict[str, Any] = {
        "message_id": danger.message_id,
        "decision": RELEASED,
        "reason": "A line of a play.",
        "seen": 0,
    }
    return await reports.ask(viewer, "DecideThreat", pb.DecideThreatRequest(**(wanted | fields)))


async def read(reports: Reports, danger: queue.MessageSnapshot) -> pb.GetThreatResponse:
    answer: pb.GetThreatResponse = await reports.ask(
        LEE, "GetThreat", pb.GetThreatRequest(message_id=danger.message_id)
    )
    return answer


def let_go(danger: queue.MessageSnapshot) -> tuple[str, Any]:
    """What the queue tells once it has released a message."""
    event = queue.MessageReleased(event_id=new_id(), message_id=danger.message_id, is_by_review=True)
    event.released_at.FromDatetime(NOON + timedelta(hours=2))
    return "queue.message.released.v1", event


@pytest.mark.accepts(303)
async def test_a_kept_threat_stays_in_view_and_may_be_released_later(reports: Reports) -> None:
    danger = threat()
    await reports.hear(withheld(danger))
    assert (await reports.threats(LEE)).undecided == 1
    first = await decide(reports, LEE, danger, decision=KEPT, reason="  Talked to him; he means it.  ")
    assert (first.decision.number, first.decision.reason) == (1, "Talked to him; he means it.")
    found = await reports.threats(LEE)
    assert (found.open, found.undecided, found.rows[0].is_withheld) == (0, 0, True)
    assert (found.rows[0].decision, found.rows[0].decided_by) == (KEPT, "Lee")
    with pytest.raises(FailedPrecondition) as refusal:
        await decide(reports, LEE, danger, decision=KEPT, seen=1)
    assert refusal.value.reason == "ALREADY_KEPT"
    await decide(reports, LEE, danger, seen=1)
    answer = await read(reports, danger)
    said = [(each.number, each.decision, each.reason, each.by.name) for each in answer.decisions]
    assert said == [(1, KEPT, "Talked to him; he means it.", "Lee"), (2, RELEASED, "A line of a play.", "Lee")]
    actions = [each.action for each in answer.history]
    assert actions == ["threat.acknowledged", "threat.kept", "threat.released", "threat.viewed"]
    assert not any("play" in each.detail for each in answer.history)
    told = [(each.version, each.decision, each.acknowledged_by_name) for each in await reports.reviews()]
    assert told == [(1, KEPT, "Lee"), (2, RELEASED, "Lee")]


@pytest.mark.accepts(303, 309)
async def test_what_was_released_is_delivered_late_and_recorded_so(reports: Reports) -> None:
    danger, other = threat(), message()
    await reports.hear(withheld(danger), submitted(other))
    await decide(reports, LEE, danger)
    before = {row.message_id: row for row in (await reports.history(SECRETARY)).rows}
    assert (before[danger.message_id].is_withheld, before[danger.message_id].decision) == (True, 0)
    for _ in range(2):
        await reports.hear(let_go(danger), progressed(danger, 9, counts(NORTH, sent=3)))
    # A late repetition of the withholding does not take it back.
    await reports.hear(withheld(danger))
    rows = {row.message_id: row for row in (await reports.history(SECRETARY)).rows}
    late, ordinary = rows[danger.message_id], rows[other.message_id]
    assert (late.is_withheld, late.subject, late.counts.sent) == (False, danger.subject, 3)
    assert (late.decision, late.decided_by) == (RELEASED, "Lee")
    assert late.released_at.ToDatetime(tzinfo=NOON.tzinfo) == NOON + timedelta(hours=2)
    assert (ordinary.decision, ordinary.HasField("released_at")) == (0, False)
    row = (await reports.threats(LEE)).rows[0]
    assert (row.message_id, row.is_flagged, row.counts.sent) == (danger.message_id, True, 3)
    for decision in (KEPT, RELEASED):
        with pytest.raises(FailedPrecondition) as refusal:
            await decide(reports, LEE, danger, decision=decision, reason="On second thoughts.", seen=1)
        assert refusal.value.reason == "ALREADY_RELEASED"
        assert "Lee released" in str(refusal.value)


@pytest.mark.accepts(303, 208)
async def test_of_two_who_decide_at_once_one_wins_and_the_others_are_told(reports: Reports) -> None:
    people = [person(name, "threat_alerts", schools=[NORTH]) for name in ("Lee", "Kim", "Ida", "Ada")]
    danger = threat()
    await reports.hear(withheld(danger))
    wishes = [decide(reports, each, danger, decision=KEPT if n % 2 else RELEASED) for n, each in enumerate(people)]
    answers = await asyncio.gather(*wishes, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, FailedPrecondition)]
    assert len(refused) == 3
    assert {each.reason for each in refused} <= {"DECIDED_MEANWHILE", "ALREADY_RELEASED"}
    assert len((await read(reports, danger)).decisions) == 1
    assert len(await reports.reviews()) == 1


async def test_the_same_decision_sent_twice_is_one(reports: Reports) -> None:
    danger = threat()
    await reports.hear(withheld(danger))
    answers = [await decide(reports, LEE, danger) for _ in range(2)]
    assert [each.is_repeat for each in answers] == [False, True]
    assert len(await reports.reviews()) == 1


@pytest.mark.accepts(210, 303)
@pytest.mark.parametrize(
    ("reason", "decision"), [("", KEPT), ("  ", KEPT), ("x" * 501, KEPT), ("a\x00", KEPT), ("x", 0)]
)
async def test_a_decision_has_a_reason(reports: Reports, reason: str, decision: int) -> None:
    danger = threat()
    await reports.hear(withheld(danger))
    with pytest.raises(InvalidArgument) as refusal:
        await decide(reports, LEE, danger, reason=reason, decision=decision)
    assert [each.pointer for each in refusal.value.violations] == ["/reason" if decision else "/decision"]
    assert await reports.reviews() == []


@pytest.mark.accepts(210, 303)
async def test_only_holders_of_threat_alerts_in_the_senders_school_decide(reports: Reports) -> None:
    danger, harmless = threat(), message()
    await reports.hear(withheld(danger), submitted(harmless))
    with pytest.raises(PermissionDenied):
        await decide(reports, SECRETARY, danger)
    with pytest.raises(NotFound):
        await decide(reports, person("Kim", "threat_alerts", schools=[SOUTH]), danger)
    with pytest.raises(FailedPrecondition) as refusal:
        await decide(reports, LEE, harmless)
    assert refusal.value.reason == "NOT_A_THREAT"


@pytest.mark.accepts(303)
async def test_an_imported_threat_has_nothing_to_release_and_does_not_wait_for_a_decision(reports: Reports) -> None:
    past = threat()
    await reports.hear(withheld(past, is_imported=True))
    found = await reports.threats(
        LEE, rules=[types.ColumnRule(column="decision", operator=types.ColumnRule.OPERATOR_EMPTY)]
    )
    assert (found.open, found.undecided, len(found.rows)) == (0, 0, 0)
    assert (await reports.threats(LEE)).rows[0].is_imported
    with pytest.raises(FailedPrecondition) as refusal:
        await decide(reports, LEE, past)
    assert refusal.value.reason == "NOTHING_TO_RELEASE"
    assert (await decide(reports, LEE, past, decision=KEPT)).decision.number == 1


@pytest.mark.accepts(303)
async def test_threats_are_found_by_what_was_decided(reports: Reports) -> None:
    kept, free, open_ = [threat(text=f"number {n}") for n in range(3)]
    await reports.hear(*(withheld(each) for each in (kept, free, open_)))
    await decide(reports, LEE, kept, decision=KEPT)
    await decide(reports, LEE, free)
    for operator, value, found in (
        (types.ColumnRule.OPERATOR_EMPTY, "", open_),
        (types.ColumnRule.OPERATOR_EQUALS, "Kept", kept),
        (types.ColumnRule.OPERATOR_CONTAINS, "release", free),
    ):
        rule = types.ColumnRule(column="decision", operator=operator, value=value)
        assert [row.message_id for row in (await reports.threats(LEE, rules=[rule])).rows] == [found.message_id]
    rows = (await reports.threats(LEE, sort=types.Sort(column="decision"))).rows
    assert [row.decision for row in rows] == [0, KEPT, RELEASED]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET reason = 'x'",
        "DELETE FROM decisions",
        "INSERT INTO decisions SELECT message_id, 2, 'kept', 'x', 'p', 'Pat', now() FROM threats",
    ],
)
async def test_the_database_keeps_decisions_as_they_are(reports: Reports, statement: str) -> None:
    danger = threat()
    await reports.hear(withheld(danger))
    await decide(reports, LEE, danger)
    async with reports.engine.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError):
            await connection.execute(sa.text(statement))


@pytest.mark.accepts(316)
async def test_figures_tell_how_soon_and_how_many_were_none_by_school_and_label(reports: Reports) -> None:
    officer, lee = person("Otto", "threat_alerts"), person("Lee", "threat_alerts", schools=[NORTH])
    dangers = [threat(NORTH), threat(NORTH), threat(NORTH), threat(SOUTH)]
    told = [withheld(each) for each in dangers]
    told[0][1].verdict.scores.add(category=types.CATEGORY_VIOLENCE, score=0.9, holds=True)
    told[1][1].verdict.scores.add(category=types.CATEGORY_INSULT, score=0.5, watches=True)
    await reports.hear(*told, withheld(threat(NORTH), is_imported=True))
    made = [(0, RELEASED, 60), (1, KEPT, 120), (3, RELEASED, 600)]
    for number, decision, _ in made:
        await decide(reports, officer, dangers[number], decision=decision)
    # Decisions cannot be changed, so that the moment of withholding is moved before them.
    async with reports.engine.begin() as connection:
        for number, _, seconds in made:
            message_id = dangers[number].message_id
            first = sa.select(decisions.c.decided_at).where(decisions.c.message_id == message_id).scalar_subquery()
            change = sa.update(threats).where(threats.c.message_id == message_id)
            await connection.execute(change.values(withheld_at=first - timedelta(seconds=seconds)))
    answer = await reports.ask(officer, "GetThreatFigures", pb.GetThreatFiguresRequest())
    assert (answer.all.threats, answer.all.acknowledged, answer.all.decided, answer.all.released) == (4, 3, 3, 2)
    assert (answer.all.to_decision.median_seconds, answer.all.to_decision.p90_seconds) == (120, 504)
    assert [(each.school_id, each.threats, each.released) for each in answer.schools] == [(NORTH, 3, 1), (SOUTH, 1, 1)]
    labels = [(each.category, each.threats, each.decided) for each in answer.categories]
    assert labels == [(types.CATEGORY_THREAT, 4, 3), (types.CATEGORY_VIOLENCE, 1, 1)]
    near = await reports.ask(lee, "GetThreatFigures", pb.GetThreatFiguresRequest())
    assert (near.all.threats, near.all.to_acknowledge.median_seconds, len(near.schools)) == (3, 90, 1)
    days = pb.GetThreatFiguresRequest(start_date="2999-01-01")
    none = await reports.ask(officer, "GetThreatFigures", days)
    assert (none.all.threats, none.all.HasField("to_decision"), len(none.schools)) == (0, False, 0)
    with pytest.raises(PermissionDenied):
        await reports.ask(SECRETARY, "GetThreatFigures", pb.GetThreatFiguresRequest())
    with pytest.raises(InvalidArgument):
        await reports.ask(officer, "GetThreatFigures", pb.GetThreatFiguresRequest(end_date="11/11/2026"))
