"""Which entries are looked at for deliveries that nobody has told the end of, and when."""

from datetime import datetime, timedelta

from protos.events.v1 import moderation_pb2
from protos.types.v1 import types_pb2 as types
from services.kit.handling import Event
from services.kit.ids import new_id
from services.queue.actions import upkeep
from services.queue.events import on_verdict
from services.queue.records import Receipt
from tests.integration.queue.conftest import PUPIL, Queue, draft, person
from tests.support.vendors import VendorSimulator

_DRILL = {"twilio_account_sid": "", "aws_access_key_id": "", "sandbox_channels": "sms"}
_TEXTS = [("sms", "")]


async def _ask_at(queue: Queue) -> datetime | None:
    found: datetime | None = (await queue.rows("SELECT ask_at FROM entry_progress"))[0][0]
    return found


async def _submitted(queue: Queue, people: int) -> str:
    done = await queue.submit(draft(channels=_TEXTS), [person(number) for number in range(1, people + 1)])
    await queue.drain(queue.dispatcher(**_DRILL))
    return done.snapshot.entries[0].entry_id


async def test_an_entry_is_left_alone_once_nothing_is_pending(queue: Queue) -> None:
    entry_id, dispatcher = await _submitted(queue, 3), queue.dispatcher(**_DRILL)
    assert await upkeep.ask_providers(dispatcher, 60) == 0
    asked_at = await _ask_at(queue)
    assert asked_at
    assert timedelta(seconds=50) < asked_at - queue.clock() <= timedelta(seconds=60)
    queue.clock.ahead = timedelta(seconds=61)
    assert await upkeep.ask_providers(dispatcher, 60) == 3
    assert await queue.counts(entry_id) == {"total": 3, "sent": 3}
    queue.clock.ahead = timedelta(seconds=130)
    assert await upkeep.ask_providers(dispatcher, 60) == 0
    assert await _ask_at(queue) is None


async def test_more_than_are_asked_about_at_once_are_asked_about_one_after_the_other(queue: Queue) -> None:
    entry_id, dispatcher = await _submitted(queue, 250), queue.dispatcher(**_DRILL)
    queue.clock.ahead = timedelta(seconds=61)
    assert [await upkeep.ask_providers(dispatcher, 60) for _ in range(4)] == [100, 100, 50, 0]
    assert await queue.counts(entry_id) == {"total": 250, "sent": 250}


async def test_what_is_released_later_is_asked_about(queue: Queue) -> None:
    done = await queue.submit(draft(sender=PUPIL, channels=_TEXTS), [person(1)], screened=True)
    dispatcher = queue.dispatcher(**_DRILL)
    for seconds in (61, 122):
        queue.clock.ahead = timedelta(seconds=seconds)
        assert await upkeep.ask_providers(dispatcher, 60) == 0
    reached = moderation_pb2.VerdictReached(event_id=new_id())
    reached.verdict.message_id = done.snapshot.message.message_id
    reached.verdict.decision = types.Verdict.DECISION_CLEAN
    await on_verdict(queue.engine, queue.clock, Event("v", reached.event_id, reached.SerializeToString(), 1))
    await queue.drain(dispatcher)
    queue.clock.ahead = timedelta(seconds=200)
    assert await upkeep.ask_providers(dispatcher, 60) == 1


async def test_a_counter_that_moves_again_opens_its_entry(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(draft(), [person(1)])
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    key, now = f"{done.snapshot.entries[0].entry_id}.1.1", queue.clock()
    await queue.record([Receipt("ses", "", key, "Delivery", "", now)])
    await upkeep.ask_providers(dispatcher, 60)
    assert await _ask_at(queue) is None
    await queue.record([Receipt("ses", "", key, "Bounce", "Permanent/General", now)])
    assert await _ask_at(queue) is not None


async def test_receipts_stay_within_their_pages(queue: Queue) -> None:
    entry_id = await _submitted(queue, 400)
    page = "SELECT number, (ctid::text::point)[0]::integer FROM outcomes ORDER BY number"
    before = await queue.rows(page)
    await queue.record(
        [Receipt("sandbox", "", f"{entry_id}.{number}.1", "delivered", "", queue.clock()) for number in range(1, 401)]
    )
    assert await queue.counts(entry_id) == {"total": 400, "sent": 400}
    assert await queue.rows(page) == before


async def test_those_that_nobody_asks_about_keep_nobody_waiting(queue: Queue) -> None:
    for _ in range(60):
        await queue.submit(draft(), [person(1)])
    entry_id, dispatcher = await _submitted(queue, 1), queue.dispatcher(**_DRILL)
    queue.clock.ahead = timedelta(seconds=61)
    assert await upkeep.ask_providers(dispatcher, 60) == 1
    assert await queue.counts(entry_id) == {"total": 1, "sent": 1}


async def test_an_entry_of_which_nothing_leaves_is_never_looked_at(queue: Queue) -> None:
    await queue.submit(draft(), [person(1, email="", has_account=False)])
    assert await _ask_at(queue) is None
