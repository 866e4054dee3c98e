"""What staff are told of besides threats: each event once, by e-mail and push, without a name of a student."""

from datetime import UTC, datetime

import pytest

from protos.events.v1 import queue_pb2 as queue_events
from protos.events.v1 import reports_pb2 as reports
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.kit.ids import new_id
from tests.integration.notify.conftest import Notify
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
