"""Calls from submission to the end, by Twilio's own library against the vendor simulator."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.kit.auth import Caller
from services.kit.db import transaction
from services.kit.errors import Unavailable
from services.queue.actions import control, upkeep
from services.queue.actions.receipts import match_kept, record_receipts
from services.queue.actions.recover import recover_one
from services.queue.domain import Channel, Lane
from services.queue.providers import ringing
from services.queue.records import Receipt
from services.queue.store import batches, loading
from tests.integration.queue.conftest import Queue, draft, every_channel, person
from tests.support.eventually import eventually
from tests.support.vendors import Receiver, VendorSimulator

TTS = [("tts", "School is closed.")]
BUSY, NOBODY, MACHINE = "+16465550192", "+16465550191", "+16465550194"
WRONG, ABROAD = "+15005550001", "+15005550003"
"""Twilio's own: no number at all, and one in a country that is not switched on."""
SERVICE = Caller("test", frozenset())


async def may_begin(_number: int) -> bool:
    return True


async def _round(queue: Queue, dispatcher: Any, vendors: VendorSimulator, receiver: Receiver) -> None:
    """Make the calls that are due and take what their receipts say."""
    await queue.drain(dispatcher)
    await asyncio.to_thread(vendors.wait_quiet)
    received, receiver.requests = receiver.requests, []
    await queue.receive(received)
    await match_kept(queue.engine, queue.clock)


@pytest.mark.accepts(40, 58, 62)
async def test_one_message_reaches_by_text_and_call_and_each_is_confirmed(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    channels = [("email", ""), ("sms", "Closed."), ("tts", "School is closed.")]
    done = await queue.submit(draft(channels=channels), [person(1), person(3, phones=MACHINE)])
    assert [each.channel for each in done.snapshot.entries] == [Channel.EMAIL, Channel.SMS, Channel.TTS]
    call = done.snapshot.entries[2]
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert await queue.counts(call.entry_id) == {"total": 2, "pending": 2}
    await _round(queue, dispatcher, vendors, receiver)
    assert await queue.counts(call.entry_id) == {"total": 2, "sent": 2}
    heard = vendors.arrivals(channel="voice")
    assert {each["to"]: each["text"] for each in heard} == {
        person(1).mobile: "School is closed.",
        MACHINE: "School is closed.",
    }
    assert all(each["details"]["machine_detection"] == "DetectMessageEnd" for each in heard)


async def test_a_batch_of_calls_is_small(queue: Queue) -> None:
    people = [person(n, school_id="school-1") for n in range(1, 251)]
    await queue.submit(draft(channels=[("tts", ""), ("sms", "")]), people)
    rows = await queue.rows("SELECT channel, cardinality(numbers) FROM batches ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [("sms", 250), ("tts", 50), ("tts", 100), ("tts", 100)]


@pytest.mark.accepts(61, 63)
@pytest.mark.parametrize(("number", "code"), [(BUSY, "busy"), (NOBODY, "no-answer"), ("+16465550193", "failed")])
async def test_a_call_that_nobody_takes_is_made_three_times_and_then_an_error(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, number: str, code: str
) -> None:
    done = await queue.submit(draft(channels=TTS), [person(1, mobile=number)])
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher()
    # After 5 and after 15 minutes, each at most a tenth later.
    for minutes, calls in ((0, 1), (4, 1), (5.6, 2), (14, 2), (23, 3)):
        queue.clock.ahead = timedelta(minutes=minutes)
        await _round(queue, dispatcher, vendors, receiver)
        assert len(vendors.arrivals(channel="voice")) == calls
        if calls < 3:
            assert await queue.counts(entry_id) == {"total": 1, "pending": 1}
            await queue.assert_true()
    assert await queue.counts(entry_id) == {"total": 1, "error": 1}
    (row,) = await queue.rows("SELECT error_code, provider, attempt FROM outcomes")
    assert tuple(row) == (code, "twilio_voice", 3)
    assert vendors.counts()["reached"] == 0


async def test_the_next_number_of_the_same_person_is_rung_soon(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    refused, good = "+16465550189", "+16465550111"
    people = [person(1, phones=f"{BUSY},{good}"), person(3, phones=f"{refused},+16465550112")]
    done = await queue.submit(draft(channels=TTS), people)
    dispatcher = queue.dispatcher()
    await _round(queue, dispatcher, vendors, receiver)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "pending": 1, "sent": 1}
    queue.clock.ahead = timedelta(seconds=35)
    await _round(queue, dispatcher, vendors, receiver)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "sent": 2}
    assert sorted(each["to"] for each in vendors.arrivals(channel="voice")) == sorted([BUSY, good, "+16465550112"])


async def test_a_country_that_is_not_switched_on_costs_no_family_its_other_numbers(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    people = [person(1, phones=f"{ABROAD},{MACHINE}"), person(3, phones=f"{ABROAD},{WRONG}"), person(5, phones=ABROAD)]
    done = await queue.submit(draft(channels=TTS, is_emergency=True), people)
    await _round(queue, queue.dispatcher(), vendors, receiver)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "sent": 1, "error": 2}
    assert [each["to"] for each in vendors.arrivals(channel="voice")] == [MACHINE]
    rows = await queue.rows("SELECT number, error_code, attempt FROM outcomes ORDER BY number")
    assert [tuple(row) for row in rows] == [(1, "", 2), (2, "21211", 1), (3, "21215", 1)]


async def test_a_number_that_is_refused_late_leaves_its_turn_to_the_next_call(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringing, "QUICK_SECONDS", -1.0)
    people = [
        person(1, phones=f"{WRONG},{ABROAD},{MACHINE}"),
        person(3, phones=f"{ABROAD},{WRONG}"),
        person(5, phones=WRONG),
    ]
    done = await queue.submit(draft(channels=TTS), people)
    await _round(queue, queue.dispatcher(), vendors, receiver)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "sent": 1, "error": 2}
    assert [each["to"] for each in vendors.arrivals(channel="voice")] == [MACHINE]
    rows = await queue.rows("SELECT number, error_code, attempt FROM outcomes ORDER BY number")
    # Nobody knows of the second family which numbers were refused before: each has its three turns.
    assert [tuple(row) for row in rows] == [(1, "", 3), (2, "21211", 6), (3, "21211", 1)]


@pytest.mark.parametrize(
    ("phones", "rung"), [(f"{WRONG},{BUSY}", (1, 1, 2, 3)), (f"{NOBODY},{WRONG},{BUSY}", (1, 2, 4, 6))]
)
async def test_a_number_that_stands_in_for_a_refused_one_has_had_its_turn_of_the_round(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, phones: str, rung: tuple[int, ...]
) -> None:
    done = await queue.submit(draft(channels=TTS), [person(1, phones=phones)])
    dispatcher = queue.dispatcher()
    for seconds, calls in zip((0, 35, 420, 1500), rung, strict=True):
        for extra in (0, 35):
            # A round is over when the second call of it was made, half a minute after the first.
            queue.clock.ahead = timedelta(seconds=seconds + (extra if seconds > 35 else 0))
            await _round(queue, dispatcher, vendors, receiver)
        assert len(vendors.arrivals(channel="voice")) == calls
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "error": 1}
    assert await queue.rows("SELECT error_code FROM outcomes") == [("busy",)]


@pytest.mark.accepts(308)
async def test_an_emergency_call_leaves_first_and_waits_a_tenth(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    await queue.submit(draft(channels=TTS), [person(5)])
    done = await queue.submit(draft(channels=TTS, is_emergency=True), [person(1, mobile=BUSY)])
    async with transaction(queue.engine) as connection:
        (first,) = await batches.claim(connection, every_channel(), queue.clock(), timedelta(seconds=60))
        assert first.entry_id == done.snapshot.entries[0].entry_id
        await batches.give_back(connection, first, queue.clock(), queue.clock())
    dispatcher = queue.dispatcher()
    await _round(queue, dispatcher, vendors, receiver)
    (due,) = await queue.rows("SELECT due_at, lane, attempt FROM batches")
    assert timedelta(seconds=20) < due[0] - queue.clock() <= timedelta(seconds=33)
    assert (due[1], due[2]) == (Lane.EMERGENCY, 2)


async def test_a_later_call_waits_for_a_busy_provider_no_longer_than_a_first_one(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(channels=TTS), [person(1, phones=f"{BUSY},{NOBODY},{MACHINE}")])
    dispatcher = queue.dispatcher(retry_seconds=5.0)
    for attempt in range(1, 7):
        await queue.drain(dispatcher)
        key = f"{done.snapshot.entries[0].entry_id}.1.{attempt}"
        await queue.record([Receipt("twilio_voice", "", key, "busy", "", queue.clock())])
        queue.clock.ahead += timedelta(minutes=17)
    vendors.modes(voice={"mode": "429", "retry_after_seconds": 0.05})
    await queue.drain(dispatcher)
    (row,) = await queue.rows("SELECT attempt, due_at FROM batches")
    assert row[0] == 7
    assert row[1] - queue.clock() <= timedelta(seconds=60)
    vendors.modes(voice={"mode": "ok"})
    queue.clock.ahead += timedelta(seconds=60)
    dispatcher.breakers.clear()
    await queue.drain(dispatcher)
    assert len(vendors.arrivals(channel="voice")) == 7


async def test_calls_that_fail_together_are_made_again_in_one_batch(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    people = [person(n, mobile=f"+1{200 + n}5550192", school_id="school-1") for n in range(2, 42)]
    await queue.submit(draft(channels=TTS), people)
    await _round(queue, queue.dispatcher(), vendors, receiver)
    rows = await queue.rows("SELECT cardinality(numbers) FROM batches WHERE attempt = 2")
    assert sum(row[0] for row in rows) == 40
    assert len(rows) <= 2


@pytest.mark.accepts(63)
async def test_receipts_of_an_earlier_call_change_nothing_but_prove_arrival(queue: Queue) -> None:
    done = await queue.submit(draft(channels=TTS), [person(1)])
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    await queue.drain(dispatcher)
    (row,) = await queue.rows("SELECT provider_message_id FROM outcomes")

    def receipt(status: str) -> Receipt:
        return Receipt("twilio_voice", row[0], f"{entry_id}.1.1", status, "", queue.clock())

    for _ in range(2):
        await record_receipts(queue.engine, queue.clock, [receipt("busy"), receipt("busy")])
    assert len(await queue.rows("SELECT 1 FROM batches")) == 1
    queue.clock.ahead = timedelta(minutes=6)
    await queue.drain(dispatcher)
    await match_kept(queue.engine, queue.clock)
    assert await queue.counts(entry_id) == {"total": 1, "pending": 1}
    assert (await record_receipts(queue.engine, queue.clock, [receipt("busy")])).applied == 0
    assert (await record_receipts(queue.engine, queue.clock, [receipt("completed")])).applied == 1
    assert await queue.counts(entry_id) == {"total": 1, "sent": 1}


async def test_a_cancelled_or_late_call_is_not_made_again(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(draft(channels=TTS), [person(1), person(3)])
    entry_id, message_id = done.snapshot.entries[0].entry_id, done.snapshot.message.message_id
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)

    async def busy(number: int) -> None:
        receipt = Receipt("twilio_voice", "", f"{entry_id}.{number}.1", "busy", "", queue.clock())
        await record_receipts(queue.engine, queue.clock, [receipt])

    await busy(1)
    assert await control.cancel(queue.engine, queue.clock, SERVICE, message_id) == 1
    await busy(2)
    assert await queue.counts(entry_id) == {"total": 2, "cancelled": 1, "error": 1}
    late = await queue.submit(draft(channels=TTS), [person(1)])
    await queue.drain(dispatcher)
    queue.clock.ahead = timedelta(hours=7, minutes=58)
    key = f"{late.snapshot.entries[0].entry_id}.1.1"
    await record_receipts(queue.engine, queue.clock, [Receipt("twilio_voice", "", key, "busy", "", queue.clock())])
    assert await queue.counts(late.snapshot.entries[0].entry_id) == {"total": 1, "error": 1}


@pytest.mark.accepts(65)
async def test_a_killed_dispatcher_calls_nobody_twice(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver
) -> None:
    people = [person(n, school_id="school-1") for n in range(1, 21)]
    people[19] = people[19]._replace(mobile=people[0].mobile)
    done = await queue.submit(draft(channels=TTS), people)
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    async with transaction(queue.engine) as connection:
        now = queue.clock()
        claimed = await batches.claim(connection, every_channel(slice_size=10), now, timedelta(seconds=60))
        (work,) = await loading.load(connection, claimed)
    provider = dispatcher.providers[Channel.TTS]
    assert len([one async for some in provider.hand_over(work, work.recipients[:10], may_begin) for one in some]) == 10
    queue.clock.ahead = timedelta(seconds=61)

    async def settled() -> None:
        await recover_one(dispatcher)
        await queue.drain(dispatcher)
        queue.clock.ahead += timedelta(seconds=301)
        await upkeep.ask_providers(dispatcher, 300)
        assert await queue.counts(entry_id) == {"total": 20, "sent": 20}

    await eventually(settled)
    assert vendors.counts()["total"] == 20


@pytest.mark.accepts(65)
async def test_an_earlier_call_to_a_family_is_not_taken_for_the_one_that_was_lost(
    queue: Queue, vendors: VendorSimulator
) -> None:
    family = person(1, phones=f"{BUSY},{NOBODY},{MACHINE}")
    done = await queue.submit(draft(channels=TTS, is_emergency=True), [family])
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    for attempt in (1, 2):
        await queue.drain(dispatcher)
        (row,) = await queue.rows("SELECT provider_message_id FROM outcomes")
        key = f"{done.snapshot.entries[0].entry_id}.1.{attempt}"
        await queue.record([Receipt("twilio_voice", row[0], key, "no-answer", "", queue.clock())])
        queue.clock.ahead += timedelta(seconds=4)
    async with transaction(queue.engine) as connection:
        assert await batches.claim(connection, every_channel(), queue.clock(), timedelta(seconds=60))
    queue.clock.ahead += timedelta(seconds=61)
    assert await recover_one(dispatcher)
    await queue.drain(dispatcher)
    assert {each["to"] for each in vendors.arrivals(channel="voice")} == {BUSY, NOBODY, MACHINE}
    for days, kept in ((0, 2), (8, 0)):
        queue.clock.ahead += timedelta(days=days)
        await match_kept(queue.engine, queue.clock)
        assert len(await queue.rows("SELECT 1 FROM redialled_calls")) == kept


@pytest.mark.parametrize("mode", ["429", "500", "timeout_after_accept", "hang"])
async def test_an_outage_of_voice_loses_and_doubles_nothing(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, mode: str
) -> None:
    done = await queue.submit(draft(channels=TTS), [person(n) for n in range(1, 31)])
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher(provider_timeout_seconds=0.5)
    vendors.modes(voice={"mode": mode, "retry_after_seconds": 0.05})
    await queue.drain(dispatcher)
    vendors.modes(voice={"mode": "ok"})
    assert (await queue.counts(entry_id)).get("error") is None

    async def settled() -> None:
        queue.clock.ahead += timedelta(seconds=10)
        dispatcher.breakers.clear()
        await queue.drain(dispatcher)
        await recover_one(dispatcher)
        await queue.receive(list(receiver.requests))
        assert await queue.counts(entry_id) == {"total": 30, "sent": 30}

    await eventually(settled, 60)
    assert vendors.counts()["total"] == 30


async def test_one_answer_that_does_not_come_costs_none_of_the_others(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(draft(channels=TTS), [person(n) for n in range(1, 6)])
    entry_id = done.snapshot.entries[0].entry_id
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    await queue.drain(dispatcher)
    await asyncio.to_thread(vendors.wait_quiet)
    queue.clock.ahead = timedelta(seconds=301)
    vendors.modes(voice={"mode": "429", "count": 1})
    assert await upkeep.ask_providers(dispatcher, 300) == 4
    assert await queue.counts(entry_id) == {"total": 5, "pending": 1, "sent": 4}
    queue.clock.ahead = timedelta(seconds=610)
    vendors.modes(voice={"mode": "429"})
    with pytest.raises(Unavailable):
        await upkeep.ask_providers(dispatcher, 300)


@pytest.mark.parametrize(("away", "told"), [("sms", "tts"), ("voice", "sms")])
async def test_a_provider_that_cannot_be_asked_costs_only_what_it_has_to_tell(
    queue: Queue, vendors: VendorSimulator, away: str, told: str
) -> None:
    done = await queue.submit(draft(channels=[("sms", ""), ("tts", "")]), [person(1), person(3)])
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    await queue.drain(dispatcher)
    await asyncio.to_thread(vendors.wait_quiet)
    queue.clock.ahead = timedelta(seconds=301)
    vendors.modes(**{away: {"mode": "429"}})
    assert await upkeep.ask_providers(dispatcher, 300) == 2
    for entry in done.snapshot.entries:
        state = "sent" if entry.channel is Channel(told) else "pending"
        assert await queue.counts(entry.entry_id) == {"total": 2, state: 2}
    vendors.modes(**{away: {"mode": "ok"}})
    queue.clock.ahead = timedelta(seconds=610)
    assert await upkeep.ask_providers(dispatcher, 300) == 2


@pytest.mark.accepts(72, 73, 75)
async def test_once_per_family_calls_a_number_once(queue: Queue, vendors: VendorSimulator, receiver: Receiver) -> None:
    shared = [person(1, phones="+16465550111"), person(3, phones="+16465550111,+16465550112"), person(5)]
    done = await queue.submit(draft(channels=TTS, once_per_family=True), shared)
    await _round(queue, queue.dispatcher(), vendors, receiver)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "sent": 2, "duplicate": 1}
    assert len(vendors.arrivals(channel="voice")) == 2
