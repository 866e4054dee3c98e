"""Whoever was alerted of a threat reviews that one, also without its school: nobody else may be there (177, 180)."""

import pytest

from protos.events.v1 import notify_pb2 as notify
from protos.notify.v1.notify_pb2 import Alert
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.errors import NotFound, PermissionDenied
from services.kit.ids import new_id
from services.reports.alert_events import ALERTS, AlertEvents
from tests.integration.reports.conftest import NORTH, SOUTH, Reports, delivered, person, submitted, threat, withheld

COUNSELLOR = person("Cou", "threat_alerts", schools=[SOUTH])


async def alert(reports: Reports, viewer: Viewer, message_id: str) -> None:
    event = notify.AlertChanged(
        event_id=new_id(), alert=Alert(alert_id=new_id(), message_id=message_id, person_id=viewer.person_id)
    )
    told = delivered((ALERTS.subjects[0], event))
    await AlertEvents(reports.engine).handle([told, told])


@pytest.mark.accepts(177, 180)
async def test_who_was_alerted_finds_opens_acknowledges_and_decides_that_threat(reports: Reports) -> None:
    danger = threat(NORTH)
    await alert(reports, COUNSELLOR, danger.message_id)
    await reports.hear(submitted(danger), withheld(danger))
    (row,) = (await reports.threats(COUNSELLOR, message_ids=[danger.message_id])).rows
    assert row.counts.withheld == 3
    opened = await reports.ask(COUNSELLOR, "GetThreat", pb.GetThreatRequest(message_id=danger.message_id))
    assert "burn it down" in opened.text
    await reports.ask(COUNSELLOR, "AcknowledgeThreat", pb.AcknowledgeThreatRequest(message_id=danger.message_id))
    kept = pb.DecideThreatRequest(
        message_id=danger.message_id, decision=types.THREAT_DECISION_KEPT, reason="It is meant."
    )
    await reports.ask(COUNSELLOR, "DecideThreat", kept)
    last = (await reports.reviews())[-1]
    assert (last.acknowledged_by_id, last.decision) == (COUNSELLOR.person_id, types.THREAT_DECISION_KEPT)


@pytest.mark.accepts(7, 177)
async def test_an_alert_opens_no_other_threat_to_nobody_else_and_not_without_the_permission(reports: Reports) -> None:
    danger, other = threat(NORTH), threat(NORTH)
    other.sender_id = danger.sender_id
    await reports.hear(submitted(danger), withheld(danger), submitted(other), withheld(other))
    await alert(reports, COUNSELLOR, danger.message_id)
    assert [row.message_id for row in (await reports.threats(COUNSELLOR)).rows] == [danger.message_id]
    opened = await reports.ask(COUNSELLOR, "GetThreat", pb.GetThreatRequest(message_id=danger.message_id))
    assert not opened.conversation
    for viewer, message_id in (
        (COUNSELLOR, other.message_id),
        (person("Col", "threat_alerts", schools=[SOUTH]), danger.message_id),
    ):
        with pytest.raises(NotFound):
            await reports.ask(viewer, "AcknowledgeThreat", pb.AcknowledgeThreatRequest(message_id=message_id))
    former = Viewer(**(vars(COUNSELLOR) | {"permissions": frozenset({"view_audit", "communication_reports"})}))
    with pytest.raises(PermissionDenied):
        await reports.ask(former, "GetThreat", pb.GetThreatRequest(message_id=danger.message_id))
    assert not (await reports.ask(former, "ListAudit", pb.ListAuditRequest())).records
    assert not (await reports.history(COUNSELLOR_IN_HISTORY)).rows


@pytest.mark.accepts(316)
async def test_the_figures_of_ones_schools_leave_out_what_one_was_alerted_of_elsewhere(reports: Reports) -> None:
    danger, near = threat(NORTH), threat(SOUTH)
    await reports.hear(submitted(danger), withheld(danger), submitted(near), withheld(near))
    await alert(reports, COUNSELLOR, danger.message_id)
    assert len((await reports.threats(COUNSELLOR)).rows) == 2
    figures = await reports.ask(COUNSELLOR, "GetThreatFigures", pb.GetThreatFiguresRequest())
    assert (figures.all.threats, [each.school_id for each in figures.schools]) == (1, [SOUTH])


COUNSELLOR_IN_HISTORY = Viewer(
    **(
        vars(COUNSELLOR)
        | {"permissions": frozenset({"threat_alerts", "communication_reports", "view_all_users"}), "all_users": True}
    )
)
