"""A fault of our account costs nobody a message: all waits until the account is in order, and leaves once then."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import queue_pb2 as pb
from services.queue import events_out, metrics
from services.queue.actions import upkeep
from services.queue.actions.accounts import Refusal, note_refusal
from services.queue.actions.dispatch import Dispatcher
from services.queue.clients import Directory
from services.queue.domain import Channel
from services.queue.providers.base import Answer, Handed, MayContinue, Provider
from services.queue.records import Receipt
from services.queue.rpc import QueueServicer
from services.queue.work import Delivery, Work
from tests.integration.queue.conftest import Clock, Queue, draft, person
from tests.support.vendors import Receiver, VendorSimulator

TEXT = [("sms", "School is closed.")]
CHANNELS = [("email", ""), *TEXT, ("tts", "School is closed."), ("push", "School is closed.")]
WRONG_KEYS = [
    {"aws_access_key_id": "AKIAEXPIRED000000001", "twilio_auth_token": "expired"},
    {"aws_secret_access_key": "expired", "twilio_auth_token": "expired"},
]
STANDBY = "+18445550123"


async def _later(queue: Queue, dispatcher: Dispatcher, seconds: float = 60) -> None:
    """Let time pass, and send what is due."""
    dispatcher.breakers.clear()
    queue.clock.ahead += timedelta(seconds=seconds)
    await queue.drain(dispatcher)


async def _mail_arrives(queue: Queue, vendors: VendorSimulator) -> None:
    arrived = vendors.arrivals(channel="email")
    keys = [(each["vendor_id"], each["tags"]["delivery_key"]) for each in arrived]
    await queue.record([Receipt("ses", vendor_id, key, "Delivery", "", queue.clock()) for vendor_id, key in keys])


@pytest.mark.accepts(58, 65, 311)
@pytest.mark.parametrize("wrong", WRONG_KEYS, ids=["unknown key", "wrong secret"])
async def test_with_a_wrong_key_all_wait_and_with_the_right_one_all_are_reached_once(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, wrong: dict[str, Any]
) -> None:
    people = [person(number, devices=f"normal-{number}") for number in range(1, 21)]
    done = await queue.submit(draft(channels=CHANNELS), people)
    refused = queue.dispatcher(**wrong)
    await queue.drain(refused)
    assert await queue.rows("SELECT provider, error_code FROM outcomes") == []
    assert {each for each in Channel if refused.breaker(each).is_open()} == {"email", "sms", "tts", "push"}
    for _ in range(6):
        # More often than a temporary failure is tried.
        await _later(queue, refused)
    entries = [each.entry_id for each in done.snapshot.entries]
    assert [await queue.counts(each) for each in entries] == [{"total": 20, "pending": 20}] * 4
    assert vendors.counts()["total"] == 0
    await _later(queue, queue.dispatcher())
    await asyncio.to_thread(vendors.wait_quiet)
    await queue.receive(list(receiver.requests))
    await _mail_arrives(queue, vendors)
    assert [await queue.counts(each) for each in entries] == [{"total": 20, "sent": 20}] * 4
    assert (vendors.counts()["total"], vendors.counts()["doubles"]) == (80, 0)


class Watched:
    """A real adapter whose answers are kept."""

    def __init__(self, provider: Provider) -> None:
        self._provider, self.answers = provider, Counter[Answer]()
        self.name, self.channel, self.tells = provider.name, provider.channel, provider.tells
        self.slice_size = provider.slice_size
        self.trace, self.ask, self.close = provider.trace, provider.ask, provider.close

    async def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Hand over, and count the answers."""
        async for some in self._provider.hand_over(work, recipients, may_continue):
            self.answers.update(each.answer for each in some)
            yield some


class AllButOneForOurAccount(Watched):
    """A provider that finds the first number wrong, and takes nothing from our account."""

    async def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Refuse all."""
        wrong, *others = [each.number for each in recipients]
        unreachable = [Handed(each, Answer.UNREACHABLE, code="20003") for each in others]
        yield [Handed(wrong, Answer.REFUSED, code="21211"), *unreachable]


async def test_a_wrong_number_beside_refusals_of_our_account_does_not_bring_the_rest_back_at_once(queue: Queue) -> None:
    await queue.submit(draft(channels=TEXT), [person(2 * number) for number in range(1, 11)])
    dispatcher = queue.dispatcher()
    dispatcher.providers = {
        **dispatcher.providers,
        Channel.SMS: AllButOneForOurAccount(dispatcher.providers[Channel.SMS]),
    }
    await queue.drain(dispatcher)
    assert dispatcher.breaker(Channel.SMS).is_open()
    (batch,) = await queue.rows("SELECT cardinality(numbers), due_at > now() FROM batches")
    assert tuple(batch) == (9, True)


async def test_a_provider_that_refuses_our_account_is_asked_for_few_of_a_batch(queue: Queue) -> None:
    await queue.submit(draft(channels=TEXT), [person(2 * number) for number in range(1, 101)])
    dispatcher = queue.dispatcher(twilio_auth_token="expired", provider_concurrency=4)
    watched = Watched(dispatcher.providers[Channel.SMS])
    dispatcher.providers = {**dispatcher.providers, Channel.SMS: watched}
    await queue.drain(dispatcher)
    assert 0 < watched.answers[Answer.UNREACHABLE] <= 12
    assert watched.answers.total() == 100
    (batch,) = await queue.rows("SELECT cardinality(numbers), due_at > now() FROM batches")
    assert tuple(batch) == (100, True)


@pytest.mark.accepts(311)
async def test_the_standby_takes_texts_while_twilio_does_not_take_our_account(
    queue: Queue, vendors: VendorSimulator
) -> None:
    standby = {"sms_standby_origin": STANDBY, "sms_standby_endpoint_url": vendors.url}
    dispatcher = queue.dispatcher(twilio_auth_token="expired", sms_standby_configuration_set="texts", **standby)
    queue.clock.stop()
    await queue.submit(draft(channels=TEXT), [person(2), person(4)])
    await queue.drain(dispatcher)
    await _later(queue, dispatcher, 31)
    await _later(queue, dispatcher, 1)
    assert [each["sender"] for each in vendors.arrivals(channel="sms")] == [STANDBY] * 2
    assert vendors.counts()["doubles"] == 0


async def _told(queue: Queue) -> list[str]:
    """Return what administrators were told, and no others."""
    needed = await queue.event(events_out.ATTENTION_NEEDED, events.AttentionNeeded)
    assert {each.kind for each in needed} == {events.ATTENTION_KIND_ACCOUNT_REFUSED}
    assert {each.owner_id for each in needed} == {""}
    return [each.reason for each in needed]


@pytest.mark.accepts(311)
async def test_administrators_are_told_once_that_an_account_is_refused_and_again_after_hours(queue: Queue) -> None:
    one, other = (queue.dispatcher(twilio_auth_token="expired") for _ in range(2))
    await queue.submit(draft(channels=[*TEXT, ("tts", "Closed.")]), [person(2), person(4)])
    for dispatcher in (one, other, one):
        await _later(queue, dispatcher)
    mend = "The provider did not accept our key. Ask the operator to check the Twilio account and its key. 20003"
    assert sorted(await _told(queue)) == [f"Calls by Twilio wait. {mend}", f"Texts by Twilio wait. {mend}"]
    for _ in range(24):
        await _later(queue, one, 600)
    assert len(await _told(queue)) == 4


@pytest.mark.accepts(311)
async def test_they_are_told_anew_when_an_account_that_was_mended_is_refused_again(queue: Queue) -> None:
    refused = queue.dispatcher(twilio_auth_token="expired")
    await queue.submit(draft(channels=TEXT), [person(2)])
    await queue.drain(refused)
    await _later(queue, queue.dispatcher(), 600)
    await queue.submit(draft(channels=TEXT), [person(2)])
    await _later(queue, refused, 3000)
    assert len(await _told(queue)) == 2


@pytest.mark.accepts(311)
async def test_they_are_told_at_once_that_an_emergency_waits_too(queue: Queue) -> None:
    refused = queue.dispatcher(twilio_auth_token="expired")
    await queue.submit(draft(channels=TEXT), [person(2)])
    await queue.drain(refused)
    await queue.submit(draft(channels=TEXT, is_emergency=True), [person(2)])
    await _later(queue, refused)
    await _later(queue, refused)
    assert [each.partition(" The provider")[0] for each in await _told(queue)] == [
        "Texts by Twilio wait.",
        "Texts by Twilio wait. An emergency is among them.",
    ]
    for _ in range(3):
        await _later(queue, refused, 600)
    assert len(await _told(queue)) == 3


async def _fail(queue: Queue, code: str, *, is_emergency: bool = False) -> list[str]:
    """Let two texts leave and fail by receipts of this code; return the keys of their deliveries."""
    done = await queue.submit(draft(channels=TEXT, is_emergency=is_emergency), [person(2), person(4)])
    await queue.drain(queue.dispatcher())
    keys = [f"{done.snapshot.entries[0].entry_id}.{number}.1" for number in (1, 2)]
    await queue.record([Receipt("twilio", "", key, "undelivered", code, queue.clock()) for key in keys])
    return keys


@pytest.mark.accepts(311)
async def test_administrators_are_told_once_of_a_refusal_that_receipts_tell_and_at_once_of_an_emergencys(
    queue: Queue,
) -> None:
    for _ in range(2):
        await _fail(queue, "30002")
        queue.clock.ahead += timedelta(minutes=16)
    await _fail(queue, "30034", is_emergency=True)
    assert await _told(queue) == [
        "Texts by Twilio fail. The provider suspended our account. Ask the operator to check the Twilio account. 30002",
        "Texts by Twilio fail. An emergency is among them. Our sending number is not registered with the carriers."
        " Ask the operator to register the number for A2P 10DLC. 30034",
    ]


async def test_failures_that_receipts_tell_are_counted_by_class_also_those_of_deliveries_not_known_yet(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counter[str]()
    add = SimpleNamespace(add=lambda how_many, labels: counted.update({" ".join(labels.values()): how_many}))
    monkeypatch.setattr(metrics, "failed", add)
    (key, _) = await _fail(queue, "30005")
    early = Receipt("twilio", "", key.replace(".1.1", ".9.1"), "undelivered", "30002", queue.clock())
    sent = Receipt("ses", "", key.replace(".1.1", ".8.1"), "Delivery", "", queue.clock())
    await queue.record([early, sent])
    assert counted == {"twilio permanent": 2, "twilio account": 1}


async def test_receipts_that_tell_the_same_one_by_one_are_noted_together_but_an_emergencys_at_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[tuple[str, int]] = []

    async def counting(engine: AsyncEngine, clock: Clock, refusal: Refusal) -> None:
        noted.append((refusal.code, refusal.deliveries))
        await note_refusal(engine, clock, refusal)

    monkeypatch.setattr("services.queue.actions.receipts.note_refusal", counting)
    queue.clock.stop()
    plain, emergency = await _fail(queue, "30005"), await _fail(queue, "30005", is_emergency=True)
    directory = Directory("127.0.0.1:1", "")
    served = QueueServicer(queue.engine, queue.clock, directory, "UTC", redial_seconds=300.0)
    for key, seconds in [*((key, 0) for key in plain * 5), *((key, 0) for key in emergency * 5), (plain[0], 10)]:
        queue.clock.ahead += timedelta(seconds=seconds)
        told = pb.Receipt(provider="twilio", delivery_key=key, status="undelivered", error_code="30002")
        await served.RecordReceipts(pb.RecordReceiptsRequest(receipts=[told]), None)
    await directory.close()
    assert noted == [("30002", 1), ("30002", 10), ("30002", 10)]
    assert [each.partition(" The provider")[0] for each in await _told(queue)] == [
        "Texts by Twilio fail.",
        "Texts by Twilio fail. An emergency is among them.",
    ]


@pytest.mark.accepts(58, 311)
async def test_what_waits_for_our_account_expires_at_its_time(queue: Queue) -> None:
    asked = queue.clock() + timedelta(minutes=2)
    done = await queue.submit(draft(channels=TEXT, expires_at=asked), [person(2)])
    dispatcher = queue.dispatcher(twilio_auth_token="expired")
    await queue.drain(dispatcher)
    await _later(queue, dispatcher, 180)
    await upkeep.expire(queue.engine, queue.clock)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "expired": 1}


@pytest.mark.accepts(58, 65, 311)
async def test_while_our_only_number_is_refused_all_wait_and_leave_once_by_the_right_one(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await queue.submit(draft(channels=[*TEXT, ("tts", "Closed.")]), [person(2), person(4)])
    wrong = queue.dispatcher(twilio_from_number="+15005550001")
    await queue.drain(wrong)
    assert await queue.rows("SELECT 1 FROM outcomes") == []
    needed = await queue.event(events_out.ATTENTION_NEEDED, events.AttentionNeeded)
    assert sorted(each.reason.partition(" Ask")[0] for each in needed) == [
        "Calls by Twilio wait. Our calling number is not valid.",
        "Texts by Twilio wait. Our sending number is not valid.",
    ]
    await _later(queue, queue.dispatcher())
    assert {row[0] for row in await queue.rows("SELECT state FROM outcomes")} == {"handed_off"}
    assert (vendors.counts()["total"], vendors.counts()["doubles"]) == (4, 0)


@pytest.mark.accepts(58, 65, 311)
async def test_while_our_sender_is_not_verified_all_wait_and_leave_once_when_it_is(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(), [person(number) for number in range(1, 6)])
    await queue.drain(queue.dispatcher(ses_from_address="office@example.com"))
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 5, "pending": 5}
    assert await _told(queue) == [
        "E-mail by Amazon SES waits. The address that we send from is not verified. Ask the operator to verify its"
        " domain at SES in every region that we use. MessageRejected/NotVerified"
    ]
    await _later(queue, queue.dispatcher())
    assert {row[0] for row in await queue.rows("SELECT state FROM outcomes")} == {"handed_off"}
    assert (vendors.counts()["total"], vendors.counts()["doubles"]) == (5, 0)


@pytest.mark.accepts(58, 65)
async def test_what_a_full_queue_of_the_provider_does_not_take_waits_and_leaves_once(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(channels=TEXT), [person(2), person(4)])
    full = queue.dispatcher(twilio_from_number="+15005550008")
    await queue.drain(full)
    for _ in range(6):
        await _later(queue, full)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "pending": 2}
    await _later(queue, queue.dispatcher())
    assert {row[0] for row in await queue.rows("SELECT state FROM outcomes")} == {"handed_off"}
    assert (vendors.counts()["total"], vendors.counts()["doubles"]) == (2, 0)
