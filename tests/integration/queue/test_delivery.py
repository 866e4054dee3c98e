"""From pending to the end: providers, receipts, verdicts, recovery, expiry."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from protos.events.v1 import moderation_pb2
from protos.events.v1 import queue_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller
from services.kit.db import transaction
from services.kit.errors import AlreadyExists
from services.kit.handling import Event, Poison
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions import control, upkeep
from services.queue.actions.consenting import record_inbound
from services.queue.actions.receipts import record_receipts
from services.queue.actions.recover import recover_one
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.domain import Channel, Lane, State
from services.queue.events import on_verdict
from services.queue.records import Receipt
from services.queue.store import batches, loading
from services.queue.work import Wanted
from tests.integration.queue.conftest import PUPIL, Queue, draft, every_channel, person
from tests.integration.queue.from_directory import told
from tests.support.eventually import eventually
from tests.support.vendors import Receiver, VendorSimulator

SERVICE = Caller("test", frozenset())
SMS = [("sms", "School is closed.")]


async def _verdict(queue: Queue, message_id: str, decision: Any, event_id: str = "") -> None:
    reached = moderation_pb2.VerdictReached(event_id=event_id or new_id())
    reached.verdict.message_id, reached.verdict.decision = message_id, decision
    await on_verdict(queue.engine, queue.clock, Event("v", reached.event_id, reached.SerializeToString(), 1))


@pytest.mark.accepts(58, 62)
async def test_texts_are_sent_when_their_receipts_say_so(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    people = [person(n) for n in range(1, 601)]
    done = await queue.submit(draft(channels=SMS), people)
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert await queue.counts(entry_id) == {"total": 600, "pending": 600}
    await asyncio.to_thread(vendors.wait_quiet)
    await queue.receive(list(receiver.requests))
    # Callbacks get lost on the way; those deliveries are asked about.
    queue.clock.ahead = timedelta(seconds=301)
    while await upkeep.ask_providers(dispatcher, 300):
        pass
    assert await queue.counts(entry_id) == {"total": 600, "sent": 600}
    counts = vendors.counts()
    assert (counts["total"], counts["doubles"]) == (600, 0)


async def test_provider_answers_become_outcomes(queue: Queue, vendors: VendorSimulator, receiver: Receiver) -> None:
    numbers = ["87", "88", "89", "91", "85", "86", "01"]
    people = [person(n, mobile=f"+1646{n:03}01{tail}") for n, tail in enumerate(numbers, 555)]
    people = [each._replace(mobile=f"+164655501{tail}") for each, tail in zip(people, numbers, strict=True)]
    done = await queue.submit(draft(channels=SMS), people)
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher()

    async def settled() -> None:
        await queue.drain(dispatcher)
        await recover_one(dispatcher)
        await queue.receive(list(receiver.requests))
        assert await queue.counts(entry_id) == {"total": 7, "sent": 3, "error": 3, "opted_out": 1}

    await eventually(settled)
    codes = await queue.rows("SELECT number, error_code FROM outcomes WHERE error_code <> '' ORDER BY number")
    assert [tuple(row) for row in codes] == [(1, "21614"), (2, "21610"), (3, "21211"), (4, "30003")]
    assert vendors.counts()["doubles"] == 0
    again = await queue.submit(draft(channels=SMS), [people[1]])
    assert await queue.counts(again.snapshot.entries[0].entry_id) == {"total": 1, "opted_out": 1}


@pytest.mark.accepts(58)
async def test_email_waits_for_its_receipt_and_push_does_not(queue: Queue, vendors: VendorSimulator) -> None:
    people = [person(1, devices="normal-1"), person(2), person(3, email="", devices="")]
    done = await queue.submit(draft(channels=[("email", ""), ("push", "")]), people)
    email, push = done.snapshot.entries
    await queue.drain(queue.dispatcher())
    assert await queue.counts(push.entry_id) == {"total": 1, "sent": 1}
    assert await queue.counts(email.entry_id) == {"total": 3, "pending": 2, "sent": 1}
    (arrived, _) = vendors.arrivals(channel="email")
    key = arrived["tags"]["delivery_key"]
    receipt = Receipt("ses", arrived["vendor_id"], key, "Delivery", "", queue.clock())
    await record_receipts(queue.engine, queue.clock, [receipt])
    assert (await queue.counts(email.entry_id))["sent"] == 2


@pytest.mark.accepts(168, 170, 171, 172, 200)
async def test_a_hold_withholds_everything_once(queue: Queue, vendors: VendorSimulator) -> None:
    message = draft(sender=PUPIL, body="I will hurt you", channels=[("email", ""), ("sms", "")])
    done = await queue.submit(message, [person(1), person(2, email="", invalid_email="broken")], screened=True)
    message_id = done.snapshot.message.message_id
    event_id = new_id()
    for _ in range(3):
        await _verdict(queue, message_id, types.Verdict.DECISION_HOLD, event_id)
    await _verdict(queue, message_id, types.Verdict.DECISION_CLEAN)
    for entry in done.snapshot.entries:
        assert await queue.counts(entry.entry_id) == {"total": 2, "withheld": 2}
    (told,) = await queue.event(events_out.WITHHELD, events.MessageWithheld)
    assert list(told.recipient_names) == ["Parent 1", "Parent 2"]
    assert told.message.body == "I will hurt you"
    assert await queue.event(events_out.RELEASED, events.MessageReleased) == []
    assert await queue.drain(queue.dispatcher()) == 0
    assert vendors.counts()["total"] == 0
    assert await queue.rows("SELECT 1 FROM inbox_items") == []


@pytest.mark.accepts(161)
async def test_a_clean_verdict_lets_it_go_once(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(draft(sender=PUPIL), [person(1), person(2, email="", invalid_email="x")], screened=True)
    assert await queue.drain(queue.dispatcher()) == 0
    with pytest.raises(Poison):
        await _verdict(queue, done.snapshot.message.message_id, types.Verdict.DECISION_UNSPECIFIED)
    for decision in (types.Verdict.DECISION_WATCH, types.Verdict.DECISION_CLEAN, types.Verdict.DECISION_HOLD):
        await _verdict(queue, done.snapshot.message.message_id, decision)
    assert len(await queue.event(events_out.RELEASED, events.MessageReleased)) == 1
    await queue.drain(queue.dispatcher())
    counts = await queue.counts(done.snapshot.entries[0].entry_id)
    assert counts == {"total": 2, "pending": 1, "error": 1}
    assert len(await queue.rows("SELECT 1 FROM inbox_items")) == 2
    assert vendors.counts()["total"] == 1


async def _always(_: int) -> bool:
    return True


async def _claim_and_die(queue: Queue, dispatcher: Any, *, after_call: bool) -> None:
    """Do what a dispatcher does until it is killed."""
    async with transaction(queue.engine) as connection:
        now = queue.clock()
        claimed = await batches.claim(connection, every_channel(slice_size=100), now, timedelta(seconds=60))
        (work,) = await loading.load(connection, claimed)
    if after_call:
        provider = dispatcher.providers[work.batch.channel]
        half = work.recipients[: len(work.recipients) // 2]
        assert len([one async for some in provider.hand_over(work, half, _always) for one in some]) == len(half)


@pytest.mark.accepts(65)
@pytest.mark.parametrize("after_call", [False, True])
async def test_a_killed_dispatcher_sends_nothing_twice_and_loses_nothing(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, after_call: bool
) -> None:
    people = [person(n) for n in range(1, 41)]
    # Siblings with one number, not once per family: Twilio sees the same text twice, and rightly so.
    people[39] = people[39]._replace(mobile=people[0].mobile)
    done = await queue.submit(draft(channels=SMS), [each._replace(school_id="school-1") for each in people])
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher()
    await _claim_and_die(queue, dispatcher, after_call=after_call)
    assert not await recover_one(dispatcher)
    queue.clock.ahead = timedelta(seconds=61)
    assert await recover_one(dispatcher)
    await queue.drain(dispatcher)
    await asyncio.to_thread(vendors.wait_quiet)
    await queue.receive(list(receiver.requests))
    assert await queue.counts(entry_id) == {"total": 40, "sent": 40}
    assert vendors.counts()["total"] == 40


@pytest.mark.accepts(65)
async def test_an_email_whose_fate_nobody_knows_is_an_error_except_in_an_emergency(
    queue: Queue, vendors: VendorSimulator
) -> None:
    plain = await queue.submit(draft(), [person(1), person(3)])
    urgent = await queue.submit(draft(is_emergency=True), [person(5), person(7)])
    dispatcher = queue.dispatcher()
    for _ in range(2):
        await _claim_and_die(queue, dispatcher, after_call=True)
    assert vendors.counts()["total"] == 2
    taken = [each["tags"]["delivery_key"] for each in vendors.arrivals(channel="email")]
    receipts = [Receipt("ses", f"id-{key}", key, "Delivery", "", queue.clock()) for key in taken]
    await record_receipts(queue.engine, queue.clock, receipts)
    queue.clock.ahead = timedelta(seconds=61)
    while await recover_one(dispatcher):
        pass
    queue.clock.ahead = timedelta(seconds=70)
    await queue.drain(dispatcher)
    assert await queue.counts(plain.snapshot.entries[0].entry_id) == {"total": 2, "sent": 1, "error": 1}
    assert await queue.counts(urgent.snapshot.entries[0].entry_id) == {"total": 2, "sent": 1, "pending": 1}
    (row,) = await queue.rows("SELECT error_code FROM outcomes WHERE state = 'error'")
    assert row[0] == "UNKNOWN_OUTCOME"


@pytest.mark.parametrize("mode", ["429", "500", "timeout_after_accept", "hang"])
async def test_an_outage_loses_and_doubles_nothing(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, mode: str
) -> None:
    people = [person(n) for n in range(1, 61)]
    done = await queue.submit(draft(channels=SMS), people)
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher(provider_timeout_seconds=0.5)
    vendors.modes(sms={"mode": mode, "retry_after_seconds": 0.05})
    await queue.drain(dispatcher)
    vendors.modes(sms={"mode": "ok"})
    assert (await queue.counts(entry_id)).get("error") is None
    dispatcher.breakers.clear()

    async def settled() -> None:
        queue.clock.ahead += timedelta(seconds=10)
        dispatcher.breakers.clear()
        await queue.drain(dispatcher)
        await recover_one(dispatcher)
        await queue.receive(list(receiver.requests))
        assert await queue.counts(entry_id) == {"total": 60, "sent": 60}

    await eventually(settled, 90)
    assert vendors.counts()["total"] == 60


@pytest.mark.accepts(60, 64, 66)
async def test_what_waits_too_long_expires_and_is_never_sent(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(draft(channels=[("email", ""), ("sms", "")]), [person(1), person(2)])
    email, sms = done.snapshot.entries
    dispatcher = queue.dispatcher()
    async with transaction(queue.engine) as connection:
        wanted = Wanted(list(Lane), {Channel.SMS: 1})
        assert await batches.claim(connection, wanted, queue.clock(), timedelta(seconds=60))
    queue.clock.ahead = timedelta(hours=73)
    assert await queue.drain(dispatcher) == 0
    await recover_one(dispatcher)
    while await upkeep.expire(queue.engine, queue.clock):
        pass
    assert await queue.counts(email.entry_id) == {"total": 2, "expired": 2}
    assert await queue.counts(sms.entry_id) == {"total": 2, "expired": 2}
    assert vendors.counts()["total"] == 0


async def test_an_unconfirmed_delivery_is_asked_about_and_then_expires(queue: Queue, vendors: VendorSimulator) -> None:
    people = [person(1, mobile="+16465550198"), person(3, mobile="+16465550199")]
    done = await queue.submit(draft(channels=SMS), people)
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    await asyncio.to_thread(vendors.wait_quiet)
    assert await queue.counts(entry_id) == {"total": 2, "pending": 2}
    assert await upkeep.ask_providers(dispatcher, 60) == 0
    queue.clock.ahead = timedelta(seconds=61)
    assert await upkeep.ask_providers(dispatcher, 60) == 2
    assert await upkeep.ask_providers(dispatcher, 60) == 0
    assert await queue.counts(entry_id) == {"total": 2, "pending": 1, "sent": 1}
    asked = []
    for seconds in range(70, 1000, 10):
        queue.clock.ahead = timedelta(seconds=seconds)
        asked += [seconds] * await upkeep.ask_providers(dispatcher, 60)
    assert len(asked) >= 3
    assert all(1.9 < after / before < 2.3 for before, after in itertools.pairwise([61, *asked]))
    queue.clock.ahead = timedelta(hours=25)
    await upkeep.expire(queue.engine, queue.clock)
    assert await queue.counts(entry_id) == {"total": 2, "sent": 1, "expired": 1}


async def test_a_receipt_that_could_not_be_taken_is_sent_again(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (503 if len(receiver.requests) < 4 else 204, "")
    done = await queue.submit(draft(channels=SMS), [person(1)])
    await queue.drain(queue.dispatcher())
    await asyncio.to_thread(vendors.wait_quiet)
    taken = receiver.requests[4:]
    assert {each.form["MessageStatus"] for each in taken} >= {"delivered"}
    await queue.receive(taken)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "sent": 1}


@pytest.mark.accepts(306)
async def test_stop_is_honoured_until_start(queue: Queue) -> None:
    done = await queue.submit(draft(channels=SMS), [person(1), person(3)])
    for _ in range(2):
        assert await record_inbound(queue.engine, queue.clock, "SM1", person(1).mobile, " Stop ") == "stopped"
    await queue.drain(queue.dispatcher())
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "pending": 1, "opted_out": 1}
    assert await record_inbound(queue.engine, queue.clock, "SM2", person(1).mobile, "START") == "started"
    later = await queue.submit(draft(channels=SMS), [person(1)])
    assert await queue.counts(later.snapshot.entries[0].entry_id) == {"total": 1, "pending": 1}


async def test_cancelling_stops_what_has_not_left(queue: Queue, vendors: VendorSimulator) -> None:
    later = queue.clock() + timedelta(minutes=9)
    done = await queue.submit(draft(send_at=later), [person(1), person(2)])
    message_id = done.snapshot.message.message_id
    assert await control.cancel(queue.engine, queue.clock, SERVICE, message_id) == 2
    assert await control.cancel(queue.engine, queue.clock, SERVICE, message_id) == 0
    queue.clock.ahead = timedelta(hours=3)
    assert await queue.drain(queue.dispatcher()) == 0
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "cancelled": 2}
    assert len(await queue.event(events_out.CANCELLED, events.MessageCancelled)) == 1
    assert await queue.rows("SELECT 1 FROM inbox_items") == []


@pytest.mark.accepts(305)
async def test_resending_makes_new_rows_that_link_to_the_old(queue: Queue) -> None:
    people = [person(1), person(2, email="", invalid_email="x"), person(4, email="", invalid_email="y")]
    done = await queue.submit(draft(channels=[("email", ""), ("sms", "")]), people)
    email, sms = done.snapshot.entries
    await queue.expire(sms.entry_id)
    wanted = Resend("again", b"h", email.entry_id, [State.ERROR], Channel.SMS)
    entry_id, resent = await resend(queue.engine, queue.clock, SERVICE, wanted, told())
    assert resent == 2
    assert await resend(queue.engine, queue.clock, SERVICE, wanted, told()) == (entry_id, 2)
    with pytest.raises(AlreadyExists, match="for something else"):
        await resend(queue.engine, queue.clock, SERVICE, replace(wanted, header_hash=b"other"), told())
    assert await queue.counts(entry_id) == {"total": 2, "pending": 2}
    assert await queue.counts(email.entry_id) == {"total": 3, "pending": 1, "error": 2}
    (row,) = await queue.rows("SELECT resend_of::text FROM entries WHERE entry_id = :entry_id", entry_id=entry_id)
    assert row[0] == email.entry_id


@pytest.mark.accepts(308)
async def test_alerts_and_emergencies_leave_first(queue: Queue, vendors: VendorSimulator) -> None:
    for lane in (Lane.BULK, Lane.NORMAL):
        await queue.submit(draft(lane=lane), [person(1)])
    await queue.submit(draft(is_emergency=True), [person(1)])
    await queue.submit(draft(lane=Lane.ALERT), [person(1)])
    order = []
    async with transaction(queue.engine) as connection:
        for most in (1, 3):
            claimed = await batches.claim(connection, every_channel(most=most), queue.clock(), timedelta(seconds=60))
            order += [each.lane for each in claimed]
    assert order == [Lane.ALERT, Lane.EMERGENCY, Lane.NORMAL, Lane.BULK]


async def test_progress_is_coalesced_and_versions_grow(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(n) for n in range(1, 11)])
    entry_id = done.snapshot.entries[0].entry_id
    pause = timedelta(seconds=1)
    versions = []
    for number in range(1, 11):
        key = f"{entry_id}.{number}.1"
        if number == 1:
            await queue.drain(queue.dispatcher())
        queue.clock.ahead += timedelta(seconds=0.5)
        receipt = Receipt("ses", "", key, "Delivery", "", queue.clock())
        await record_receipts(queue.engine, queue.clock, [receipt])
        await upkeep.tell_progress(queue.engine, queue.clock, pause)
    queue.clock.ahead += pause
    await upkeep.tell_progress(queue.engine, queue.clock, pause)
    told = await queue.event(events_out.PROGRESSED, events.EntryProgressed)
    versions = [each.version for each in told]
    assert len(told) <= 7
    assert versions == sorted(set(versions))
    assert sum(each.sent for each in told[-1].counts) == 10
