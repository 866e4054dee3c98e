"""Texts go by the standby while Twilio has certainly taken none for a while, each once (statement 311)."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.ports import free_port
from services.kit.db import transaction
from services.queue.actions.consenting import record_inbound
from services.queue.actions.dispatch import Dispatcher
from services.queue.actions.recover import recover_one
from services.queue.domain import Channel, Lane
from services.queue.records import Receipt
from services.queue.store import batches, circuits
from tests.integration.queue.conftest import Queue, dispatch_one, draft, every_channel, person
from tests.support.vendors import VendorSimulator

TEXT = [("sms", "School is closed.")]
STANDBY = "+18445550123"
AFTER = timedelta(seconds=30)


def _dispatcher(
    queue: Queue, vendors: VendorSimulator, *, is_twilio_there: bool = False, **settings: Any
) -> Dispatcher:
    """A dispatcher with a standby, and Twilio at an address where nobody listens unless it is there."""
    twilio = vendors.url if is_twilio_there else f"http://127.0.0.1:{free_port()}"
    standby = {"sms_standby_origin": STANDBY, "sms_standby_endpoint_url": vendors.url}
    return queue.dispatcher(twilio_base_url=twilio, sms_standby_configuration_set="texts", **standby, **settings)


async def _later(queue: Queue, dispatcher: Dispatcher, seconds: float = 31) -> None:
    """Let time pass, and send what is due."""
    dispatcher.breakers.clear()
    queue.clock.ahead += timedelta(seconds=seconds)
    await queue.drain(dispatcher)


def _texted(vendors: VendorSimulator) -> Sequence[tuple[str, str]]:
    """Return to whom and from where texts arrived, oldest first."""
    return [(each["to"], each["sender"]) for each in vendors.arrivals(channel="sms")[::-1]]


async def _fail_until_the_standby_is_in_charge(queue: Queue, vendors: VendorSimulator) -> Dispatcher:
    queue.clock.stop()
    dispatcher = _dispatcher(queue, vendors)
    await queue.submit(draft(channels=TEXT), [person(2)])
    await queue.drain(dispatcher)
    assert _texted(vendors) == []
    await _later(queue, dispatcher)
    await _later(queue, dispatcher, 1)
    return dispatcher


@pytest.mark.accepts(311)
async def test_the_standby_takes_over_and_is_relieved_in_every_dispatcher(
    queue: Queue, vendors: VendorSimulator
) -> None:
    failing = await _fail_until_the_standby_is_in_charge(queue, vendors)
    assert _texted(vendors) == [(person(2).mobile, STANDBY)]
    rows = await queue.rows("SELECT state, provider, provider_message_id <> '' FROM outcomes")
    assert [tuple(row) for row in rows] == [("handed_off", "aws_sms", True)]
    # Another process knows at once. Emergencies never try whether Twilio is back; after a while an ordinary batch does.
    other = _dispatcher(queue, vendors, is_twilio_there=True)
    await queue.submit(draft(channels=TEXT), [person(4)])
    await queue.drain(other)
    queue.clock.ahead += timedelta(seconds=31)
    await queue.submit(draft(channels=[("tts", "Stay inside."), *TEXT], is_emergency=True), [person(6)])
    await queue.drain(other)
    await queue.submit(draft(channels=TEXT), [person(8)])
    await queue.drain(other)
    await queue.submit(draft(channels=TEXT), [person(10)])
    await queue.drain(other)
    ways = {to: sender == STANDBY for to, sender in _texted(vendors)}
    assert [ways[person(number).mobile] for number in (2, 4, 6, 8, 10)] == [True, True, True, False, False]
    assert len(_texted(vendors)) == 5
    assert failing.standbys


@pytest.mark.accepts(311)
async def test_a_trial_that_fails_costs_nothing(queue: Queue, vendors: VendorSimulator) -> None:
    dispatcher = await _fail_until_the_standby_is_in_charge(queue, vendors)
    await queue.submit(draft(channels=TEXT), [person(number) for number in range(4, 24, 2)])
    await _later(queue, dispatcher)
    assert len(_texted(vendors)) == 1
    await _later(queue, dispatcher, 1)
    assert len(_texted(vendors)) == 11
    assert {sender for _, sender in _texted(vendors)} == {STANDBY}


@pytest.mark.accepts(308, 311)
async def test_the_standby_takes_over_however_long_twilio_asks_us_to_wait(
    queue: Queue, vendors: VendorSimulator
) -> None:
    queue.clock.stop()
    dispatcher = _dispatcher(queue, vendors, is_twilio_there=True)
    vendors.modes(sms={"mode": "429", "retry_after_seconds": 180})
    await queue.submit(draft(channels=[("tts", "Stay inside."), *TEXT], is_emergency=True), [person(2)])
    await queue.drain(dispatcher)
    assert dispatcher.breaker(Channel.SMS).until - time.monotonic() <= AFTER.total_seconds()
    await _later(queue, dispatcher)
    await _later(queue, dispatcher, 1)
    assert _texted(vendors) == [(person(2).mobile, STANDBY)]


@pytest.mark.accepts(65, 311)
async def test_what_twilio_may_have_taken_is_never_given_to_the_standby(queue: Queue, vendors: VendorSimulator) -> None:
    dispatcher = _dispatcher(queue, vendors, is_twilio_there=True, sms_standby_after_seconds=0)
    vendors.modes(sms={"mode": "timeout_after_accept"})
    await queue.submit(draft(channels=TEXT), [person(2), person(4)])
    await queue.drain(dispatcher)
    dispatcher.breakers.clear()
    await queue.submit(draft(channels=TEXT), [person(6)])
    assert await dispatch_one(dispatcher, list(Lane))
    async with transaction(queue.engine) as connection:
        assert await circuits.is_open(connection, "twilio")
    vendors.modes(sms={"mode": "ok"})
    dispatcher.breakers.clear()
    queue.clock.ahead += timedelta(seconds=1)
    while await recover_one(dispatcher):
        pass
    await queue.drain(dispatcher)
    assert sorted(to for to, _ in _texted(vendors)) == sorted(person(number).mobile for number in (2, 4, 6))
    assert {row[0] for row in await queue.rows("SELECT provider FROM outcomes")} == {"twilio"}


@pytest.mark.accepts(65, 311)
async def test_a_crash_while_the_standby_is_in_charge_texts_nobody_twice(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _fail_until_the_standby_is_in_charge(queue, vendors)
    done = await queue.submit(draft(channels=TEXT), [person(4), person(6)])
    async with transaction(queue.engine) as connection:
        (batch,) = await batches.claim(connection, every_channel(slice_size=2), queue.clock(), timedelta(seconds=60))
    told = Receipt("aws_sms", "a-1", str(batch.key(1)), "TEXT_SUCCESSFUL", "", queue.clock())
    await queue.record([told])
    queue.clock.ahead += timedelta(seconds=61)
    assert await recover_one(_dispatcher(queue, vendors, is_twilio_there=True))
    rows = await queue.rows(
        "SELECT number, state, provider, error_code FROM outcomes WHERE entry_id = :entry_id ORDER BY number",
        entry_id=done.snapshot.entries[0].entry_id,
    )
    assert [tuple(row) for row in rows] == [
        (1, "handed_off", "aws_sms", ""),
        (2, "error", "lantern", "UNKNOWN_OUTCOME"),
    ]
    assert len(_texted(vendors)) == 1


@pytest.mark.accepts(58, 306, 311)
async def test_the_standbys_events_say_what_became_of_a_text(queue: Queue, vendors: VendorSimulator) -> None:
    dispatcher = await _fail_until_the_standby_is_in_charge(queue, vendors)
    stopped = person(3, mobile="+16465550188")
    done = await queue.submit(draft(channels=TEXT), [stopped, person(4), person(6)])
    await queue.drain(dispatcher)
    entry_id = done.snapshot.entries[0].entry_id
    sent = {each["to"]: each for each in vendors.arrivals(channel="sms")}
    for number, kinds in ((4, ("TEXT_SUCCESSFUL",)), (6, ("TEXT_SUCCESSFUL", "TEXT_DELIVERED"))):
        text = sent[person(number).mobile]
        for kind in kinds:
            key = text["tags"]["delivery_key"]
            await queue.record([Receipt("aws_sms", text["vendor_id"], key, kind, "", queue.clock())])
    assert await queue.counts(entry_id) == {"total": 3, "opted_out": 1, "pending": 1, "sent": 1}
    rows = await queue.rows("SELECT destination FROM consent WHERE is_stopped")
    assert [row[0] for row in rows] == [stopped.mobile]


@pytest.mark.accepts(306, 311)
async def test_what_the_standby_remembers_takes_back_no_start(queue: Queue, vendors: VendorSimulator) -> None:
    dispatcher = await _fail_until_the_standby_is_in_charge(queue, vendors)
    stopped = person(3, mobile="+16465550188")
    await queue.submit(draft(channels=TEXT), [stopped])
    await queue.drain(dispatcher)
    stands = "SELECT is_stopped FROM consent WHERE destination = :destination"
    assert (await queue.rows(stands, destination=stopped.mobile))[0][0]
    # Texted to the usual number, of which the standby's list of opt-outs knows nothing.
    queue.clock.ahead += timedelta(seconds=1)
    await record_inbound(queue.engine, queue.clock, "SM1", stopped.mobile, "START")
    queue.clock.ahead += timedelta(seconds=1)
    again = await queue.submit(draft(channels=TEXT), [stopped])
    await queue.drain(dispatcher)
    assert await queue.counts(again.snapshot.entries[0].entry_id) == {"total": 1, "opted_out": 1}
    assert not (await queue.rows(stands, destination=stopped.mobile))[0][0]


@pytest.mark.accepts(311)
async def test_failures_a_long_time_apart_are_no_failing_for_a_long_time(queue: Queue) -> None:
    lull = timedelta(minutes=2)

    async def failed(after_seconds: float) -> tuple[bool, bool]:
        async with transaction(queue.engine) as connection:
            now = start + timedelta(seconds=after_seconds)
            return await circuits.failed(connection, "twilio", now, after=AFTER, lull=lull)

    start = queue.clock()
    assert [await failed(each) for each in (0, 29, 400, 429, 430, 431)] == [
        *[(False, False)] * 4,
        (True, True),
        (True, False),
    ]
    async with transaction(queue.engine) as connection:
        ended = start + timedelta(seconds=500)
        assert await circuits.answered(connection, "twilio", ended)
        assert not await circuits.answered(connection, "twilio", ended)
        assert await circuits.was_open(connection, "twilio", ended)
        assert not await circuits.was_open(connection, "twilio", ended + AFTER)
