"""Who is alerted of a threat, once, and how an acknowledgement ends it (sections N and P)."""

import asyncio
import time
from typing import Any

import pytest
from grpc import aio

from deploy.instruments import PAGE
from protos.notify.v1 import notify_pb2 as pb
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.directory import importing
from services.kit.clock import utc_now
from services.kit.errors import PermissionDenied
from services.kit.ids import new_id
from services.notify import actions, metrics
from tests.integration.directory.roster_files import IMPORTER, USERS, roster
from tests.integration.notify.conftest import ZONE, Notify, acknowledged, withheld
from tests.support.eventually import eventually

TOLD = "SELECT occasion, way, name, state FROM told ORDER BY occasion, way, name"
SUBMITTED = "SELECT occasion, state FROM submissions ORDER BY occasion"


@pytest.mark.accepts(11, 177, 178, 179, 184)
async def test_holders_of_the_senders_school_and_of_the_district_are_alerted(notify: Notify) -> None:
    event = withheld(notify.district.ids["s1"])
    await notify.hear(event)
    alert = (await notify.open_alerts("pri"))[0]
    assert (alert.title, alert.sender_name, list(alert.recipient_names)) == (
        "Possible threat identified",
        "Sam Student",
        ["Ann Aster"],
    )
    assert alert.text == "Tomorrow\nI will burn it down"
    assert ([each.category for each in alert.categories], alert.tier) == ([types.CATEGORY_THREAT], 1)
    assert len(await notify.open_alerts("off")) == 1
    assert await notify.open_alerts("cou") == []
    assert await notify.open_alerts("tea") == []


@pytest.mark.accepts(172, 181, 239)
async def test_one_alert_a_holder_however_often_it_is_told(notify: Notify) -> None:
    event = withheld(notify.district.ids["s1"])
    again = withheld(notify.district.ids["s1"])
    again.message.CopyFrom(event.message)
    await asyncio.gather(*(notify.hear(each) for each in (event, event, again)))
    await notify.hear(again)
    assert await notify.rows("SELECT count(*), count(DISTINCT person_id) FROM alerts") == [(2, 2)]
    assert await notify.rows(SUBMITTED) == [("alert", "pending")]
    assert await notify.rows("SELECT count(*) FROM outbox WHERE subject = 'notify.alert.changed.v1'") == [(2,)]


@pytest.mark.accepts(177, 186)
async def test_without_a_holder_of_the_school_every_holder_is_alerted_and_administrators_are_warned(
    notify: Notify,
) -> None:
    await notify.district.revoke("Principal", "District administrator")
    await notify.hear(withheld(notify.district.ids["s1"]))
    assert len(await notify.open_alerts("cou")) == 1
    assert await notify.open_alerts("pri") == []
    assert await notify.rows(SUBMITTED) == [("alert", "pending"), ("warning", "pending")]
    assert {row[:3] for row in await notify.rows(TOLD) if row[0] == "warning"} == {
        ("warning", "email", "Ada North"),
        ("warning", "push", "Ada North"),
    }


@pytest.mark.accepts(177, 186)
async def test_a_holder_who_cannot_sign_in_does_not_stand_for_their_school(notify: Notify) -> None:
    await notify.district.revoke("District administrator")
    users = USERS.replace("pri,true", "pri,false")
    await importing.import_roster(notify.district.engine, roster(users=users), ZONE, IMPORTER)
    await notify.hear(withheld(notify.district.ids["s1"]))
    assert {row[2] for row in await notify.rows(TOLD) if row[0] == "alert"} == {"Lee Marsh"}
    assert {row[2] for row in await notify.rows(TOLD) if row[0] == "warning"} == {"Ada North"}


@pytest.mark.accepts(177)
async def test_a_threat_from_no_school_alerts_every_holder_and_warns_nobody(notify: Notify) -> None:
    await notify.hear(withheld(""))
    assert len(await notify.open_alerts("cou")) == 1
    assert await notify.rows(SUBMITTED) == [("alert", "pending")]


@pytest.mark.accepts(186)
async def test_without_any_holder_administrators_are_warned_and_shown_no_threat(notify: Notify) -> None:
    await notify.district.revoke("Principal", "District administrator", "Counsellor")
    await notify.hear(withheld(notify.district.ids["s1"]))
    assert await notify.rows("SELECT count(*) FROM alerts") == [(0,)]
    assert await notify.rows(SUBMITTED) == [("warning", "pending")]
    assert {row[:3] for row in await notify.rows(TOLD)} == {
        ("warning", "email", "Ada North"),
        ("warning", "push", "Ada North"),
    }


async def test_imported_threats_alert_nobody(notify: Notify) -> None:
    await notify.hear(withheld(notify.district.ids["s1"], is_imported=True))
    assert await notify.rows("SELECT count(*) FROM threats") == [(0,)]


@pytest.mark.accepts(182, 183, 185)
async def test_email_and_push_go_to_queues_alert_lane_without_names_or_text(notify: Notify) -> None:
    await notify.district.revoke("District administrator")
    notify.start_loops()
    event = withheld(notify.district.ids["s1"])
    await notify.hear(event)

    async def is_read() -> None:
        states = {row[1]: row[3] for row in await notify.rows(TOLD)}
        assert states == {"portal": "sent", "email": "pending", "push": "error"}
        assert await notify.rows("SELECT way FROM entries WHERE read_version >= 0 ORDER BY way") == [
            ("email",),
            ("push",),
        ]

    await eventually(is_read)
    found = await notify.rows(
        "SELECT m.subject, m.body || string_agg(e.text, ' ' ORDER BY e.position), m.lane, m.kind"
        " FROM messages m JOIN entries e USING (message_id) GROUP BY m.message_id, m.subject, m.body, m.lane, m.kind",
        notify.queue_engine,
    )
    (subject, words, lane, kind) = found[0]
    assert (len(found), subject, lane, kind) == (1, "Possible threat identified", 1, types.MESSAGE_KIND_ALERT)
    assert f"https://portal.example.org/reports/threats?message={event.message.message_id}" in words
    assert not [word for word in ("Sam", "Ann", "burn", "Tomorrow") if word in subject + words]


@pytest.mark.accepts(181, 301)
async def test_what_became_of_each_delivery_is_shown(notify: Notify) -> None:
    await notify.district.revoke("District administrator")
    notify.start_loops()
    event = withheld(notify.district.ids["s1"])
    await notify.hear(event)

    async def told() -> dict[str, pb.Told]:
        request = pb.ListRecipientsRequest(message_id=event.message.message_id)
        answer = await notify.ask(None, "ListRecipients", request)
        return {each.way: each for each in answer.told}

    async def is_submitted() -> None:
        assert await notify.rows("SELECT count(*) FROM entries WHERE read_version >= 0") == [(2,)]

    await eventually(is_submitted)
    assert (await told())["push"].error == "No address or device is on record."
    ((message_id,),) = await notify.rows("SELECT message_id::text FROM messages", notify.queue_engine)
    ((entry_id,),) = await notify.rows("SELECT entry_id::text FROM entries WHERE way = 'email'")
    await notify.queue._stub.CancelMessage(queue.CancelMessageRequest(message_id=message_id))
    moved = {"event_id": new_id(), "message_id": message_id, "entry_id": entry_id, "version": 9}
    from protos.events.v1 import queue_pb2

    await notify.hear(queue_pb2.EntryProgressed(**moved))

    async def is_cancelled() -> None:
        found = await told()
        assert found["email"].state == types.DELIVERY_STATE_CANCELLED
        assert found["portal"].state == types.DELIVERY_STATE_SENT

    await eventually(is_cancelled)
    with pytest.raises(PermissionDenied):
        await notify.ask(
            notify.viewer("pri"), "ListRecipients", pb.ListRecipientsRequest(message_id=event.message.message_id)
        )


@pytest.mark.accepts(203, 204, 205, 208)
async def test_an_acknowledgement_dismisses_for_all_and_follows_up_once(notify: Notify) -> None:
    first, second = withheld(notify.district.ids["s1"]), withheld(notify.district.ids["s1"])
    await notify.hear(first)
    await notify.hear(second)
    event = acknowledged(first.message.message_id)
    again = acknowledged(first.message.message_id, by="Kim Late")
    for each in (event, event, again):
        await notify.hear(each)
    for name in ("pri", "off"):
        assert [each.message_id for each in await notify.open_alerts(name)] == [second.message.message_id]
    told = await notify.rows(TOLD)
    assert {row[1:3] for row in told if row[0] == "follow_up"} == {
        (way, name) for way in ("email", "push") for name in ("Ada North", "Ida Cole")
    }
    headers = await notify.rows("SELECT header FROM submissions WHERE occasion = 'follow_up'")
    body = queue.MessageHeader.FromString(bytes(headers[0][0])).body
    assert len(headers) == 1
    assert body.startswith("Lee Marsh acknowledged a possible threat on November 10, 2026, 12:00 EST.")


@pytest.mark.accepts(239)
async def test_an_acknowledgement_that_comes_before_its_threat_counts(notify: Notify) -> None:
    event = withheld(notify.district.ids["s1"])
    await notify.hear(acknowledged(event.message.message_id))
    await notify.hear(event)
    assert await notify.open_alerts("pri") == []
    assert await notify.rows(SUBMITTED) == [("alert", "pending"), ("follow_up", "pending")]


@pytest.mark.accepts(180, 250)
async def test_open_pages_hear_of_an_alert_within_a_tenth_of_a_second_of_its_commit(notify: Notify) -> None:
    await notify.listener.is_listening.wait()
    everyone: Any = notify.stub.WatchAllAlerts(pb.WatchAllAlertsRequest(), metadata=notify.metadata(None), timeout=20)
    await everyone.initial_metadata()
    own = notify.stub.WatchAlerts(pb.WatchAlertsRequest(), metadata=notify.metadata(notify.viewer("pri")), timeout=20)
    await own.initial_metadata()
    delays = []
    for _ in range(5):
        event = withheld(notify.district.ids["s1"])
        await notify.hear(event)
        committed = time.monotonic()
        heard = [await everyone.read(), await everyone.read()]
        delays.append(time.monotonic() - committed)
        assert {each.alert.person_id for each in heard} == {notify.district.ids[name] for name in ("pri", "off")}
        mine = await own.read()
        # What is open at the start may be told once more as a change.
        while mine.alert.message_id != event.message.message_id:
            mine = await own.read()
        assert (mine.alert.message_id, mine.alert.person_id) == (event.message.message_id, notify.district.ids["pri"])
    assert sorted(delays)[2] < 0.1
    await notify.hear(acknowledged(event.message.message_id))
    dismissed = await own.read()
    assert (dismissed.alert.is_dismissed, dismissed.alert.acknowledged_by) == (True, "Lee Marsh")
    everyone.cancel()
    own.cancel()


@pytest.mark.accepts(11, 12)
async def test_alerts_are_for_holders_and_the_whole_stream_for_services(notify: Notify) -> None:
    with pytest.raises(PermissionDenied):
        await notify.ask(notify.viewer("pri", "communication_reports"), "ListAlerts", pb.ListAlertsRequest())
    call = notify.stub.WatchAllAlerts(
        pb.WatchAllAlertsRequest(), metadata=notify.metadata(notify.viewer("pri")), timeout=10
    )
    with pytest.raises(aio.AioRpcError, match="PERMISSION_DENIED"):
        await call.read()


@pytest.mark.accepts(182)
async def test_what_queue_does_not_take_waits_and_is_counted_by_what_wakes_somebody(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As queue answers a token that was made before alerts had a scope of their own.
    async def refuse(*_: object) -> queue.SubmitResponse:
        raise PermissionDenied("LANE_NOT_ALLOWED", "The token lacks the scope queue.alerts.")

    counted = list[tuple[int, dict[str, str]]]()
    monkeypatch.setattr(notify.queue, "submit", refuse)
    monkeypatch.setattr(metrics.submissions, "add", lambda *each: counted.append(each))
    await notify.hear(withheld(notify.district.ids["s1"]))
    assert await actions.submit_one(notify.engine, utc_now, notify.queue)
    assert await notify.rows(SUBMITTED) == [("alert", "pending")]
    assert counted == [(1, {"occasion": "alert", "outcome": "failed"})]
    assert 'increase(lantern_notify_submissions_total{outcome="failed"}' in PAGE.read_text(encoding="utf-8")
