"""What staff are told of besides threats: each event once, by e-mail and push, without a name of a student."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.events.v1 import moderation_pb2 as moderation_events
from protos.events.v1 import notify_pb2 as events
from protos.events.v1 import queue_pb2 as queue_events
from protos.events.v1 import reports_pb2 as reports
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.directory import importing
from services.kit.handling import Event
from services.kit.ids import new_id
from services.notify import actions
from services.notify.events import DEAD
from services.notify.reminding import remind_one
from tests.integration.directory.roster_files import IMPORTER, USERS, roster
from tests.integration.notify.conftest import PORTAL, ZONE, Notify, acknowledged, withheld
from tests.support.eventually import eventually


@pytest.mark.accepts(112, 239)
async def test_those_who_follow_up_a_referral_are_told_once(notify: Notify) -> None:
    people = notify.district.ids
    event = reports.ReferralAdded(event_id=new_id(), referral_id=new_id(), added_by_name="Ida Cole")
    # A teacher opens no referrals, whatever somebody wrote into the request.
    event.told_ids.extend([people["cou"], people["tea"]])
    for _ in range(2):
        await notify.hear(event)
    told = await notify.rows("SELECT occasion, way, name FROM told ORDER BY way")
    assert told == [("referral", "email", "Lee Marsh"), ("referral", "push", "Lee Marsh")]
    (raw,) = (await notify.rows("SELECT header FROM submissions"))[0]
    header = queue.MessageHeader.FromString(raw)
    assert (header.kind, header.lane, header.alert_message_id) == (types.MESSAGE_KIND_ALERT, types.LANE_NORMAL, "")
    assert header.body == (
        "Ida Cole added a referral and named you to follow it up.\n\n"
        f"Sign in to see it: https://portal.example.org/referrals/{event.referral_id}\n"
    )
    notify.start_loops()

    async def is_queued() -> None:
        found = await notify.rows("SELECT name FROM recipients r JOIN entries e USING (entry_id)", notify.queue_engine)
        assert ("Lee Marsh",) in found

    await eventually(is_queued)
    assert await notify.open_alerts("cou") == []


@pytest.mark.accepts(167, 239)
async def test_administrators_are_told_once_that_messages_wait_for_screening(notify: Notify) -> None:
    event = queue_events.ScreeningStalled(event_id=new_id(), messages=1200)
    event.oldest_at.FromDatetime(datetime(2026, 11, 10, 17, 5, tzinfo=UTC))
    for _ in range(2):
        await notify.hear(event)
    told = await notify.rows("SELECT occasion, way, name FROM told ORDER BY way")
    assert told == [("stalled", "email", "Ada North"), ("stalled", "push", "Ada North")]
    (raw,) = (await notify.rows("SELECT header FROM submissions"))[0]
    header = queue.MessageHeader.FromString(raw)
    assert (header.lane, header.alert_message_id) == (types.LANE_ALERT, "")
    assert header.body.startswith(
        "1,200 messages of students have waited for screening since November 10, 2026, 12:05 EST."
        " Nothing is delivered unscreened."
    )


ADMINISTRATORS = {("email", "Ada North"), ("push", "Ada North")}


@pytest.mark.accepts(239, 311)
@pytest.mark.parametrize(
    ("kind", "subject", "lane"),
    [
        (queue_events.ATTENTION_KIND_ACCOUNT_REFUSED, "A provider refuses our account", types.LANE_ALERT),
        (queue_events.ATTENTION_KIND_MAIL_HELD_BACK, "E-mail is held back", types.LANE_ALERT),
        (queue_events.ATTENTION_KIND_SCHEDULE_PAUSED, "A scheduled message paused by itself", types.LANE_NORMAL),
        (queue_events.ATTENTION_KIND_SCHEDULE_NOT_SENT, "A scheduled message was not sent", types.LANE_NORMAL),
        (queue_events.ATTENTION_KIND_ATTENDANCE_NOT_SENT, "Families were not told of absences", types.LANE_NORMAL),
    ],
)
async def test_administrators_are_told_once_of_what_stopped_by_itself(
    notify: Notify, kind: queue_events.AttentionKind.ValueType, subject: str, lane: int
) -> None:
    about_id = new_id()
    for _ in range(2):
        event = queue_events.AttentionNeeded(event_id=new_id(), kind=kind, reason="Because.", about_id=about_id)
        await notify.hear(event)
    told = await notify.rows("SELECT way, name FROM told")
    assert (len(told), {(way, name) for way, name in told}) == (2, ADMINISTRATORS)
    (raw,) = (await notify.rows("SELECT header FROM submissions"))[0]
    header = queue.MessageHeader.FromString(raw)
    assert (header.subject, header.lane) == (subject, lane)
    assert "Because." in header.body


@pytest.mark.accepts(239)
@pytest.mark.parametrize(
    ("owner", "others"),
    [
        ("tea", {("email", "Tom Reed"), ("push", "Tom Reed")}),
        ("off", set()),
        ("amy", set()),
        ("nobody", set()),
    ],
)
async def test_whose_it_is_is_told_too_when_they_are_staff(
    notify: Notify, owner: str, others: set[tuple[str, str]]
) -> None:
    event = queue_events.AttentionNeeded(
        event_id=new_id(),
        kind=queue_events.ATTENTION_KIND_SCHEDULE_PAUSED,
        reason="Your profile does not allow sending messages.",
        about_id=new_id(),
        owner_id=notify.district.ids.get(owner, new_id()),
        subject_id="3f1c8a44-0000-4000-8000-000000000001",
    )
    await notify.hear(event)
    assert {(way, name) for way, name in await notify.rows("SELECT way, name FROM told")} == ADMINISTRATORS | others
    (raw,) = (await notify.rows("SELECT header FROM submissions"))[0]
    header = queue.MessageHeader.FromString(raw)
    assert f"{PORTAL}/schedules/{event.subject_id}" in header.body


@pytest.mark.accepts(167)
async def test_administrators_are_told_once_that_the_vendor_is_out_and_once_that_it_is_back(notify: Notify) -> None:
    out = moderation_events.ProviderChanged(
        event_id=new_id(), is_out=True, trouble=moderation_events.ProviderChanged.TROUBLE_QUOTA
    )
    back = moderation_events.ProviderChanged(event_id=new_id(), trouble=out.trouble)
    for event in (out, back):
        event.began_at.FromDatetime(datetime(2026, 11, 10, 17, 5, tzinfo=UTC))
    back.ended_at.FromDatetime(datetime(2026, 11, 10, 19, 0, tzinfo=UTC))
    for event in (out, out, back):
        await notify.hear(event)
    told = await notify.rows("SELECT occasion, way FROM told ORDER BY occasion, way")
    assert told == [(name, way) for name in ("provider_back", "provider_out") for way in ("email", "push")]
    raws = await notify.rows("SELECT header FROM submissions ORDER BY occasion DESC")
    first, second = (queue.MessageHeader.FromString(raw) for (raw,) in raws)
    assert (first.lane, second.lane) == (types.LANE_ALERT, types.LANE_NORMAL)
    assert first.body.startswith(
        "The quota of ModerationAPI is used up. The model that is built in decides in its place since"
        " November 10, 2026, 12:05 EST. Nothing is delivered unscreened."
    )
    assert second.body == (
        "ModerationAPI screens messages again. The model that is built in decided in its place"
        " from November 10, 2026, 12:05 EST to November 10, 2026, 14:00 EST.\n"
    )


@pytest.mark.accepts(186, 239)
async def test_administrators_are_told_once_a_day_of_what_a_consumer_could_not_take(notify: Notify) -> None:
    subjects = ["dead.queue-reviews", "dead.queue-reviews", f"dead.{DEAD.durable}", "dead.reports-intake"]
    for number, subject in enumerate(subjects):
        await notify.events.buried([Event(subject, str(number), b"", 1)])
    told = await notify.rows("SELECT occasion, way, name FROM told ORDER BY way")
    assert told == [("dead_letter", way, "Ada North") for way in ("email", "email", "push", "push")]
    headers = [queue.MessageHeader.FromString(raw) for (raw,) in await notify.rows("SELECT header FROM submissions")]
    assert {each.lane for each in headers} == {types.LANE_ALERT}
    (review,) = (each.body for each in headers if "queue-reviews" in each.body)
    assert "A message that a reviewer released may still be withheld" in review


@pytest.mark.accepts(302)
async def test_a_threat_that_nobody_decides_reminds_each_day_three_times(notify: Notify) -> None:
    pause, place = timedelta(hours=24), actions.Place(PORTAL, ZONE)
    threat, decided, open_ = (withheld(notify.district.ids["s1"]) for _ in range(3))
    for each in (threat, decided, open_):
        await notify.hear(each)
    first = acknowledged(threat.message.message_id)
    at = first.acknowledged_at.ToDatetime(tzinfo=UTC)
    review = acknowledged(decided.message.message_id)
    review.decision = types.THREAT_DECISION_KEPT
    review.decided_at.FromDatetime(at)
    for event in (first, review, review):
        await notify.hear(event)

    async def reminded(hours: float) -> int:
        """How many reminders are written so many hours after the acknowledgement."""
        now, written = at + timedelta(hours=hours), 0
        while await remind_one(notify.engine, lambda: now, notify.directory, place, pause):
            written += 1
        return written

    assert [await reminded(hours) for hours in (23.9, 24, 25, 47.9, 48, 72, 96, 200)] == [0, 1, 0, 0, 1, 1, 0, 0]
    wanted = "SELECT message_id::text, occasion FROM submissions WHERE occasion LIKE 'reminder%' ORDER BY occasion"
    sent = [(threat.message.message_id, f"reminder_{number}") for number in (1, 2, 3)]
    assert await notify.rows(wanted) == sent
    (raw,) = (await notify.rows("SELECT header FROM submissions WHERE occasion = 'reminder_1'"))[0]
    header = queue.MessageHeader.FromString(raw)
    assert (header.lane, header.alert_message_id) == (types.LANE_NORMAL, threat.message.message_id)
    assert "nobody has decided" in header.body
    assert "Sam" not in header.body
    people = await notify.rows("SELECT DISTINCT name FROM told WHERE occasion = 'reminder_3' ORDER BY name")
    assert people == await notify.rows("SELECT DISTINCT name FROM told WHERE occasion = 'alert' ORDER BY name")
    assert await notify.rows("SELECT count(*) FROM alerts WHERE dismissed_at IS NULL") == [(2,)], "of the third threat"


async def _undecided(notify: Notify) -> tuple[Any, Any]:
    """Withhold a message and acknowledge its threat; return both events."""
    event = withheld(notify.district.ids["s1"])
    await notify.hear(event)
    review = acknowledged(event.message.message_id)
    await notify.hear(review)
    return event, review


@pytest.mark.accepts(302)
@pytest.mark.parametrize("hours", [300, 720])
async def test_three_reminders_come_however_long_the_pause(notify: Notify, hours: int) -> None:
    _, review = await _undecided(notify)
    at, place = review.acknowledged_at.ToDatetime(tzinfo=UTC), actions.Place(PORTAL, ZONE)
    written = []
    for number in (1, 2, 3, 4):
        # A little later each time, as it is when the system was down.
        clock = iter([at + number * timedelta(hours=hours + 24)]).__next__
        written.append(await remind_one(notify.engine, clock, notify.directory, place, timedelta(hours=hours)))
    assert written == [True, True, True, False]


@pytest.mark.accepts(302)
async def test_a_decision_that_comes_before_its_threat_counts(notify: Notify) -> None:
    event = withheld(notify.district.ids["s1"])
    review = acknowledged(event.message.message_id)
    review.decision = types.THREAT_DECISION_RELEASED
    review.decided_at.CopyFrom(review.acknowledged_at)
    await notify.hear(review)
    await notify.hear(event)
    later = review.acknowledged_at.ToDatetime(tzinfo=UTC) + timedelta(days=2)
    assert not await remind_one(
        notify.engine, lambda: later, notify.directory, actions.Place(PORTAL, ZONE), timedelta(hours=24)
    )


@pytest.mark.accepts(302)
async def test_reminders_go_to_those_who_may_still_see_the_threat(notify: Notify) -> None:
    _, review = await _undecided(notify)
    at, place = review.acknowledged_at.ToDatetime(tzinfo=UTC), actions.Place(PORTAL, ZONE)

    async def reminded(days: int) -> list[str]:
        """Whose names the reminder of that day has."""
        now = at + timedelta(days=days)
        assert await remind_one(notify.engine, lambda: now, notify.directory, place, timedelta(days=1))
        told = "SELECT DISTINCT name FROM told WHERE occasion = :occasion ORDER BY name"
        return [row[0] for row in await notify.rows(told, occasion=f"reminder_{days}")]

    assert await notify.rows("SELECT DISTINCT name FROM told ORDER BY name") == [("Ada North",), ("Ida Cole",)]
    await notify.district.revoke("District administrator")
    assert await reminded(1) == ["Ida Cole"]
    await _leave(notify, "pri")
    assert await reminded(2) == ["Lee Marsh"], "nobody is left, and an alert would go to the holder of another school"
    await notify.district.revoke("Counsellor")
    assert await reminded(3) == ["Ada North"], "an alert would go to nobody, and administrators be warned"


@pytest.mark.accepts(177, 302)
async def test_who_is_reminded_in_place_of_those_who_left_may_open_the_threat(notify: Notify) -> None:
    event, review = await _undecided(notify)
    await notify.district.revoke("District administrator")
    await _leave(notify, "pri")
    await notify.rows("DELETE FROM outbox RETURNING 1")
    at, place = review.acknowledged_at.ToDatetime(tzinfo=UTC), actions.Place(PORTAL, ZONE)
    for days in (1, 2, 3):
        clock = iter([at + timedelta(days=days)]).__next__
        assert await remind_one(notify.engine, clock, notify.directory, place, timedelta(days=1))
    ((payload,),) = await notify.rows("SELECT payload FROM outbox WHERE subject = 'notify.alert.changed.v1'")
    alert = events.AlertChanged.FromString(payload).alert
    assert (alert.person_id, alert.message_id) == (notify.district.ids["cou"], event.message.message_id)
    assert alert.is_dismissed, "an acknowledgement is for ever"
    assert await notify.open_alerts("cou") == []
    assert await notify.rows("SELECT DISTINCT name FROM told WHERE occasion = 'warning'") == [("Ada North",)]
    (raw,) = (await notify.rows("SELECT header FROM submissions WHERE occasion = 'warning'"))[0]
    assert "nobody in its school is set to be told" in queue.MessageHeader.FromString(raw).subject


@pytest.mark.accepts(302)
async def test_administrators_who_are_reminded_read_that_nobody_has_threat_alerts(notify: Notify) -> None:
    _, review = await _undecided(notify)
    await notify.district.revoke("District administrator", "Counsellor", "Principal")
    later = review.acknowledged_at.ToDatetime(tzinfo=UTC) + timedelta(days=1)
    place = actions.Place(PORTAL, ZONE)
    assert await remind_one(notify.engine, lambda: later, notify.directory, place, timedelta(days=1))
    (raw,) = (await notify.rows("SELECT header FROM submissions WHERE occasion = 'reminder_1'"))[0]
    assert "No profile that somebody has includes Threat Alerts." in queue.MessageHeader.FromString(raw).body


@pytest.mark.accepts(302)
async def test_a_reminder_goes_to_those_who_were_alerted_when_nobody_else_is_there(notify: Notify) -> None:
    _, review = await _undecided(notify)
    await _leave(notify, "pri", "off", "cou")
    later = review.acknowledged_at.ToDatetime(tzinfo=UTC) + timedelta(days=1)
    args = (notify.engine, lambda: later, notify.directory, actions.Place(PORTAL, ZONE), timedelta(days=1))
    assert [await remind_one(*args), await remind_one(*args)] == [True, False]
    told = await notify.rows("SELECT DISTINCT name FROM told WHERE occasion = 'reminder_1' ORDER BY name")
    assert told == [("Ada North",), ("Ida Cole",)]


async def _leave(notify: Notify, *sourced_ids: str) -> None:
    """Let people leave the district."""
    users = USERS
    for each in sourced_ids:
        users = users.replace(f"{each},true", f"{each},false")
    await importing.import_roster(notify.district.engine, roster(users=users), ZONE, IMPORTER, accepts_leavers=True)
