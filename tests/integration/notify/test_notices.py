"""What staff are told of besides threats: each event once, by e-mail and push, without a name of a student."""

import pytest

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
