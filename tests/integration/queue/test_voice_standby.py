"""Calls go by the standby while Twilio has certainly made none for a while, each once (statement 311)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.local.ports import free_port
from services.kit.db import transaction
from services.queue.actions.dispatch import Dispatcher
from services.queue.actions.receipts import match_kept
from services.queue.actions.recover import recover_one
from services.queue.domain import Channel
from services.queue.providers.recordings import FolderRecordings
from services.queue.records import Receipt
from services.queue.store import batches, circuits
from tests.integration.queue.conftest import Queue, draft, every_channel, person
from tests.integration.queue.test_recordings import over, upload
from tests.support.vendors import VendorSimulator

TTS = [("tts", "Stay inside.")]
STANDBY = "+18445550123"
BUSY, NOBODY, REFUSED = "+16465550192", "+16465550191", "+16465550189"


def _dispatcher(
    queue: Queue, vendors: VendorSimulator, *, is_twilio_there: bool = False, **settings: Any
) -> Dispatcher:
    """A dispatcher with a standby for calls alone, and Twilio at an address where nobody listens unless it is there."""
    twilio = vendors.url if is_twilio_there else f"http://127.0.0.1:{free_port()}"
    standby = {"voice_standby_origin": STANDBY, "sms_standby_endpoint_url": vendors.url}
    return queue.dispatcher(twilio_base_url=twilio, sms_standby_configuration_set="texts", **standby, **settings)


async def _later(queue: Queue, dispatcher: Dispatcher, seconds: float) -> None:
    """Let time pass, and make the calls that are due."""
    dispatcher.breakers.clear()
    queue.clock.ahead += timedelta(seconds=seconds)
    await queue.drain(dispatcher)


def _called(vendors: VendorSimulator) -> list[tuple[str, str]]:
    """Return to whom and from where calls were made, oldest first."""
    return [(each["to"], each["sender"]) for each in vendors.arrivals(channel="voice")[::-1]]


async def _in_charge(queue: Queue, vendors: VendorSimulator, **settings: Any) -> Dispatcher:
    """Return a dispatcher whose standby has made one emergency call."""
    queue.clock.stop()
    dispatcher = _dispatcher(queue, vendors, **settings)
    await queue.submit(draft(channels=TTS, is_emergency=True), [person(2)])
    await queue.drain(dispatcher)
    assert _called(vendors) == []
    await _later(queue, dispatcher, 31)
    await _later(queue, dispatcher, 1)
    assert _called(vendors) == [(person(2).mobile, STANDBY)]
    return dispatcher


async def _tell(queue: Queue, vendors: VendorSimulator, kind: str) -> None:
    """Tell what became of the newest call."""
    (call, *_) = vendors.arrivals(channel="voice")
    key = call["tags"]["delivery_key"]
    await queue.record([Receipt("aws_voice", call["vendor_id"], key, kind, "", queue.clock())])


@pytest.mark.accepts(46, 311)
async def test_an_emergency_is_called_by_the_standby_until_twilio_answers(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _in_charge(queue, vendors)
    (call,) = vendors.arrivals(channel="voice")
    assert (call["text"], call["details"]["voice"]) == ("Stay inside.", "JOANNA")
    rows = await queue.rows("SELECT state, provider, provider_message_id <> '' FROM outcomes")
    assert [tuple(row) for row in rows] == [("handed_off", "aws_voice", True)]
    # Another process knows. An emergency never tries whether Twilio is back, an ordinary call does.
    other = _dispatcher(queue, vendors, is_twilio_there=True)
    queue.clock.ahead += timedelta(seconds=31)
    for number, is_emergency in ((4, True), (6, False), (8, True)):
        await queue.submit(draft(channels=TTS, is_emergency=is_emergency), [person(number)])
        await queue.drain(other)
    ways = [(to, sender == STANDBY) for to, sender in _called(vendors)]
    assert ways == [(person(number).mobile, number < 6) for number in (2, 4, 6, 8)]


@pytest.mark.accepts(311)
async def test_one_batch_of_an_emergency_tries_twilio_when_nothing_has_for_hours(
    queue: Queue, vendors: VendorSimulator
) -> None:
    failing = await _in_charge(queue, vendors)
    queue.clock.ahead += circuits.TRIED_BY_URGENT
    await queue.submit(draft(channels=TTS, is_emergency=True), [person(4), person(5)])
    await queue.drain(failing)
    assert len(_called(vendors)) == 2
    await _later(queue, failing, 1)
    assert {sender for _, sender in _called(vendors)} == {STANDBY}
    assert len(_called(vendors)) == 3
    queue.clock.ahead += circuits.TRIED_BY_URGENT
    await queue.submit(draft(channels=TTS, is_emergency=True), [person(6)])
    await queue.drain(_dispatcher(queue, vendors, is_twilio_there=True))
    assert [(to, sender == STANDBY) for to, sender in _called(vendors)[3:]] == [(person(6).mobile, False)]


@pytest.mark.accepts(311)
async def test_each_family_hears_its_language_and_a_language_without_a_voice_waits_for_twilio(
    queue: Queue, vendors: VendorSimulator
) -> None:
    dispatcher = await _in_charge(queue, vendors)
    words = {"es": "Quédese adentro.", "ht": "Rete anndan.", "pt": "Fique dentro.", "vi": "Hãy ở trong nhà."}
    for number, (language, text) in enumerate(words.items()):
        said = draft(channels=[("tts", text)], language=language, is_emergency=True)
        await queue.submit(said, [person(4 + 2 * number)])
    await queue.drain(dispatcher)
    heard = {each["text"]: each["details"]["voice"] for each in vendors.arrivals(channel="voice")[:3]}
    assert heard == {words["es"]: "LUPE", words["ht"]: "CHANTAL", words["pt"]: "CAMILA"}
    # It keeps nobody from the standby, and tries Twilio twice a minute.
    assert not dispatcher.breaker(Channel.TTS).is_open()
    ((due_at,),) = await queue.rows("SELECT due_at FROM batches")
    assert due_at - queue.clock() == circuits.TRIED_AGAIN
    await _later(queue, _dispatcher(queue, vendors, is_twilio_there=True), 31)
    assert [sender == STANDBY for _, sender in _called(vendors)] == [True] * 4 + [False]
    assert vendors.arrivals(channel="voice")[0]["text"] == words["vi"]


@pytest.mark.accepts(311)
async def test_who_waits_for_an_account_that_is_refused_waits_together(queue: Queue, vendors: VendorSimulator) -> None:
    await _in_charge(queue, vendors)
    refused = _dispatcher(queue, vendors, is_twilio_there=True, twilio_auth_token="expired", provider_concurrency=4)
    said = draft(channels=[("tts", "Hãy ở trong nhà.")], language="vi", is_emergency=True)
    await queue.submit(said, [person(number) for number in range(4, 84, 2)])
    await queue.drain(refused)
    ((due_at, waiting),) = await queue.rows("SELECT due_at, cardinality(numbers) FROM batches")
    assert (due_at - queue.clock(), waiting) == (circuits.TRIED_AGAIN, 40)


@pytest.mark.accepts(311)
async def test_a_recorded_call_waits_for_twilio(queue: Queue, vendors: VendorSimulator, tmp_path: Path) -> None:
    dispatcher = await _in_charge(queue, vendors)
    made = await upload(over(queue, FolderRecordings(tmp_path / "recordings")))
    recorded = draft(channels=[("recorded", "")], recording_id=made.recording_id, is_emergency=True)
    done = await queue.submit(recorded, [person(4)])
    await queue.drain(dispatcher)
    await _later(queue, dispatcher, 31)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "pending": 1}
    assert len(_called(vendors)) == 1
    await _later(queue, _dispatcher(queue, vendors, is_twilio_there=True), 31)
    assert [sender == STANDBY for _, sender in _called(vendors)] == [True, False]


@pytest.mark.accepts(311)
async def test_calls_without_events_are_no_standby(queue: Queue) -> None:
    with pytest.raises(ValidationError, match="SMS_STANDBY_CONFIGURATION_SET"):
        queue.dispatcher(voice_standby_origin=STANDBY)
    both = queue.dispatcher(
        voice_standby_origin=STANDBY, sms_standby_origin=STANDBY, sms_standby_configuration_set="texts"
    )
    assert set(both.standbys) == {Channel.TTS, Channel.SMS}


@pytest.mark.accepts(63, 311)
@pytest.mark.parametrize("kind", ["VOICE_BUSY", "VOICE_NO_ANSWER", "VOICE_FAILED"])
async def test_a_call_that_nobody_took_is_made_again_by_whoever_is_in_charge_then(
    queue: Queue, vendors: VendorSimulator, kind: str
) -> None:
    dispatcher = await _in_charge(queue, vendors)
    await _tell(queue, vendors, kind)
    assert await queue.rows("SELECT 1 FROM outcomes") == []
    await _later(queue, dispatcher, 34)
    assert len(_called(vendors)) == 2
    await _tell(queue, vendors, kind)
    async with transaction(queue.engine) as connection:
        await circuits.answered(connection, "twilio_voice", queue.clock())
    await _later(queue, _dispatcher(queue, vendors, is_twilio_there=True), 100)
    assert [sender == STANDBY for _, sender in _called(vendors)] == [True, True, False]
    rows = await queue.rows("SELECT attempt, provider, state FROM outcomes")
    assert [tuple(row) for row in rows] == [(3, "twilio_voice", "handed_off")]


@pytest.mark.accepts(58, 61, 311)
@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (("INITIATED", "RINGING", "ANSWERED"), "handed_off"),
        (("INITIATED", "COMPLETED", "ANSWERED"), "sent"),
        (("TTL_EXPIRED",), "expired"),
    ],
)
async def test_the_standbys_events_say_what_became_of_a_call(
    queue: Queue, vendors: VendorSimulator, kinds: tuple[str, ...], state: str
) -> None:
    await _in_charge(queue, vendors)
    for kind in kinds:
        await _tell(queue, vendors, f"VOICE_{kind}")
    rows = await queue.rows("SELECT state, provider FROM outcomes")
    assert [tuple(row) for row in rows] == [(state, "aws_voice")]


async def test_a_number_that_the_standby_refuses_leaves_its_turn_to_the_next(
    queue: Queue, vendors: VendorSimulator
) -> None:
    dispatcher = await _in_charge(queue, vendors)
    people = [person(4, phones=f"{REFUSED},{BUSY}"), person(6, phones=REFUSED)]
    done = await queue.submit(draft(channels=TTS), people)
    await queue.drain(dispatcher)
    assert _called(vendors)[1:] == [(BUSY, STANDBY)]
    rows = await queue.rows(
        "SELECT number, state, error_code FROM outcomes WHERE entry_id = :id ORDER BY number",
        id=done.snapshot.entries[0].entry_id,
    )
    assert [tuple(row) for row in rows] == [
        (1, "handed_off", ""),
        (2, "error", "ValidationException/INVALID_PARAMETER"),
    ]


@pytest.mark.accepts(65, 311)
@pytest.mark.parametrize("mode", ["429", "500", "timeout_after_accept"])
async def test_an_outage_of_the_standby_calls_nobody_twice(queue: Queue, vendors: VendorSimulator, mode: str) -> None:
    dispatcher = await _in_charge(queue, vendors, provider_timeout_seconds=0.5)
    vendors.modes(aws_voice={"mode": mode, "count": 1})
    done = await queue.submit(draft(channels=TTS, is_emergency=True), [person(4)])
    await queue.drain(dispatcher)
    if mode == "timeout_after_accept":
        await _tell(queue, vendors, "VOICE_INITIATED")
        # What may have been taken is settled by its events.
        queue.clock.ahead += timedelta(seconds=5)
        assert await recover_one(dispatcher)
        await _tell(queue, vendors, "VOICE_COMPLETED")
        await match_kept(queue.engine, queue.clock)
    else:
        await _later(queue, dispatcher, 5)
        await _tell(queue, vendors, "VOICE_COMPLETED")
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "sent": 1}
    assert len(_called(vendors)) == 2


@pytest.mark.accepts(65, 311)
async def test_a_crash_while_the_standby_is_in_charge_calls_nobody_twice(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _in_charge(queue, vendors)
    done = await queue.submit(draft(channels=TTS), [person(4), person(6)])
    async with transaction(queue.engine) as connection:
        (batch,) = await batches.claim(connection, every_channel(slice_size=2), queue.clock(), timedelta(seconds=60))
    await queue.record([Receipt("aws_voice", "v-1", str(batch.key(1)), "VOICE_RINGING", "", queue.clock())])
    queue.clock.ahead += timedelta(seconds=61)
    assert await recover_one(_dispatcher(queue, vendors, is_twilio_there=True))
    rows = await queue.rows(
        "SELECT number, state, provider, error_code FROM outcomes WHERE entry_id = :id ORDER BY number",
        id=done.snapshot.entries[0].entry_id,
    )
    assert [tuple(row) for row in rows] == [
        (1, "handed_off", "aws_voice", ""),
        (2, "error", "lantern", "UNKNOWN_OUTCOME"),
    ]
    assert len(_called(vendors)) == 1


@pytest.mark.accepts(63, 65, 311)
async def test_what_events_prove_of_a_lost_batch_need_not_wait_for_twilio(
    queue: Queue, vendors: VendorSimulator
) -> None:
    dispatcher = await _in_charge(queue, vendors)
    emergency = draft(channels=TTS, is_emergency=True)
    done = await queue.submit(emergency, [person(number) for number in (4, 6, 8)])
    entry_id = done.snapshot.entries[0].entry_id
    async with transaction(queue.engine) as connection:
        (batch,) = await batches.claim(connection, every_channel(slice_size=3), queue.clock(), timedelta(seconds=60))
    for number, kind in ((1, "VOICE_COMPLETED"), (2, "VOICE_BUSY")):
        told = Receipt("aws_voice", f"v-{number}", str(batch.key(number)), kind, "", queue.clock())
        await queue.record([told])
    queue.clock.ahead += timedelta(seconds=61)
    assert await recover_one(dispatcher)
    await match_kept(queue.engine, queue.clock)
    assert await queue.counts(entry_id) == {"total": 3, "sent": 1, "pending": 2}
    # The busy one is called again, the third is asked about until Twilio answers: perhaps it was rung.
    await _later(queue, dispatcher, 34)
    assert [to for to, _ in _called(vendors)[1:]] == [person(6).mobile]
    while await recover_one(dispatcher):
        pass
    queue.clock.ahead += timedelta(seconds=61)
    twilio = _dispatcher(queue, vendors, is_twilio_there=True)
    assert await recover_one(twilio)
    await _later(queue, twilio, 31)
    assert [to for to, _ in _called(vendors)[2:]] == [person(8).mobile]


@pytest.mark.accepts(308, 311)
async def test_the_standbys_calls_share_its_rate(queue: Queue, vendors: VendorSimulator) -> None:
    dispatcher = await _in_charge(queue, vendors, voice_standby_calls_per_second=50)
    assert dispatcher.rates["aws_voice"] == 50
    await queue.submit(draft(channels=TTS, is_emergency=True), [person(number) for number in range(4, 12, 2)])
    await queue.drain(dispatcher)
    assert len(_called(vendors)) == 5
    rows = await queue.rows("SELECT provider FROM budgets")
    assert [row[0] for row in rows] == ["aws_voice"]
