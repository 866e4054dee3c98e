"""Who wants which messages: the ledger by destination and type of message (statement 306)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from protos.events.v1 import settings_pb2 as settings
from services.kit.auth import Caller, Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.kit.ids import new_id
from services.queue.actions import contacting
from services.queue.actions.consenting import record_inbound
from services.queue.actions.contacting import Wish
from services.queue.actions.dispatch import claim, send
from services.queue.actions.recover import recover_one
from services.queue.actions.unsubscribing import Unsubscribing
from services.queue.domain import Channel, Lane
from services.queue.leaving import PURPOSE
from services.queue.links import Links
from services.queue.message_types import MessageType
from services.queue.records import KIND_ALERT, KIND_ATTENDANCE, ROLE_PARENT, Draft, Receipt, Sender, type_of
from services.queue.settings_out import SETTING_CHANGED
from tests.integration.queue.conftest import PUPIL, SENDER, Queue, draft, person
from tests.support.vendors import VendorSimulator

ADDRESS, NUMBER = "rosa@example.org", "+12125550100"
TEXT = [("sms", "Picture day is on Friday.")]
BOTH = [("email", ""), *TEXT]


def _officer(*permissions: str) -> Caller:
    viewer = Viewer("off", "Ada North", "admin", frozenset(permissions), frozenset({"*"}), all_users=True)
    return Caller("off", frozenset(), viewer)


OFFICER = _officer("manage_directory")


def _wish(channel: Channel = Channel.EMAIL, to: str = ADDRESS, **changes: object) -> Wish:
    values: dict[str, object] = {"stop": [], "start": [], "reason": "She rang the office.", **changes}
    return Wish(channel, to, **values)  # type: ignore[arg-type]


async def _states(queue: Queue, message: Draft, **settings: object) -> list[str]:
    """Send a message to Rosa; return the state of each of its entries."""
    done = await queue.submit(message, [person(1, email=ADDRESS, mobile=NUMBER)])
    await queue.drain(queue.dispatcher(**settings))
    found = [await queue.counts(each.entry_id) for each in done.snapshot.entries]
    return [next(name for name in counts if name != "total") for counts in found]


@pytest.mark.accepts(306)
async def test_a_type_that_is_not_wanted_is_opted_out_and_the_others_go_on(
    queue: Queue, vendors: VendorSimulator
) -> None:
    waiting = await queue.submit(draft(), [person(1, email=ADDRESS)])
    stop = _wish(stop=[MessageType.ANNOUNCEMENT, MessageType.SURVEY])
    for _ in range(2):
        await contacting.set_consent(queue.engine, queue.clock, OFFICER, stop)
    before = vendors.counts()["total"]
    await queue.drain(queue.dispatcher())
    assert await queue.counts(waiting.snapshot.entries[0].entry_id) == {"total": 1, "opted_out": 1}
    assert vendors.counts()["total"] == before
    assert await _states(queue, draft(channels=BOTH)) == ["opted_out", "pending"]
    assert await _states(queue, draft(channels=BOTH, kind=KIND_ATTENDANCE)) == ["pending", "pending"]
    assert await _states(queue, draft(sender=Sender("p", "Pat", ROLE_PARENT, "school-1"))) == ["pending"]
    found = await contacting.standing(queue.engine, OFFICER, ADDRESS)
    assert [(each[0], each[2], set(each[3])) for each in found.stopped] == [
        ("email", False, {"announcement", "survey"})
    ]
    told = ("stopped", "She rang the office.", "Ada North")
    assert [(each.action, each.reason, each.person_name) for each in found.changes] == [told, told]
    await contacting.set_consent(queue.engine, queue.clock, OFFICER, _wish(start=[MessageType.ANNOUNCEMENT]))
    assert await _states(queue, draft()) == ["pending"]


@pytest.mark.accepts(306)
async def test_stop_ends_every_type_and_only_start_takes_it_back(queue: Queue) -> None:
    await contacting.set_consent(
        queue.engine, queue.clock, OFFICER, _wish(Channel.SMS, NUMBER, stop=[MessageType.ATTENDANCE])
    )
    await record_inbound(queue.engine, queue.clock, "SM1", NUMBER, "Stop")
    emergency = draft(channels=[("tts", "Stay inside."), ("sms", "Stay inside.")], is_emergency=True)
    for message in (draft(channels=BOTH), draft(channels=BOTH, kind=KIND_ATTENDANCE), emergency):
        assert await _states(queue, message) == ["pending", "opted_out"]
    with pytest.raises(FailedPrecondition):
        wish = _wish(Channel.SMS, NUMBER, start=[MessageType.ATTENDANCE])
        await contacting.set_consent(queue.engine, queue.clock, OFFICER, wish)
    await record_inbound(queue.engine, queue.clock, "SM2", NUMBER, "START")
    assert await _states(queue, draft(channels=BOTH, kind=KIND_ATTENDANCE)) == ["pending", "pending"]


@pytest.mark.accepts(306)
@pytest.mark.parametrize("comes", ["after its outcome", "before its outcome", "after its dispatcher died"])
async def test_a_stop_that_the_provider_tells_by_receipt_enters_the_ledger(
    queue: Queue, vendors: VendorSimulator, comes: str
) -> None:
    rosa = person(1, mobile=NUMBER)
    done = await queue.submit(draft(channels=TEXT), [rosa])
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    key = f"{done.snapshot.entries[0].entry_id}.1.1"
    stopped = Receipt("twilio", "", key, "failed", "21610", queue.clock())
    claimed = await claim(dispatcher, list(Lane), 1)
    if comes == "after its outcome":
        await send(dispatcher, claimed.works[0], claimed.until)
    for _ in range(2):
        await queue.record([stopped])
    if comes == "before its outcome":
        await send(dispatcher, claimed.works[0], claimed.until)
    queue.clock.ahead = timedelta(seconds=61)
    assert await recover_one(dispatcher) == (comes == "after its dispatcher died")
    before = vendors.counts()["total"]
    again = await queue.submit(draft(channels=TEXT), [rosa])
    await queue.drain(dispatcher)
    for each in (done, again):
        assert await queue.counts(each.snapshot.entries[0].entry_id) == {"total": 1, "opted_out": 1}
    assert vendors.counts()["total"] == before
    rows = await queue.rows("SELECT channel, destination, action, origin FROM consent_changes")
    assert [tuple(row) for row in rows] == [("sms", NUMBER, "stopped", "provider")]
    (told,) = await queue.event(SETTING_CHANGED, settings.SettingChanged)
    assert (told.action, told.changed_by_name) == ("consent.changed", "The provider")


@pytest.mark.accepts(306)
async def test_a_stop_that_the_provider_tells_late_takes_back_no_later_start(queue: Queue) -> None:
    done = await queue.submit(draft(channels=TEXT), [person(1, mobile=NUMBER)])
    await record_inbound(queue.engine, queue.clock, "SM1", NUMBER, "START")
    queue.clock.ahead = timedelta(seconds=1)
    await queue.drain(queue.dispatcher(twilio_status_callback_url=""))
    entry_id = done.snapshot.entries[0].entry_id
    queue.clock.ahead = timedelta(minutes=1)
    for identity, word in (("SM2", "STOP"), ("SM3", "START")):
        await record_inbound(queue.engine, queue.clock, identity, NUMBER, word)
    queue.clock.ahead = timedelta(minutes=2)
    await queue.record([Receipt("twilio", "", f"{entry_id}.1.1", "failed", "21610", queue.clock())])
    assert await queue.counts(entry_id) == {"total": 1, "opted_out": 1}
    assert await _states(queue, draft(channels=TEXT)) == ["pending"]


@pytest.mark.accepts(306)
@pytest.mark.parametrize("comes", ["before its outcome", "after its outcome"])
async def test_a_start_that_came_before_the_text_was_settled_is_later_than_it(queue: Queue, comes: str) -> None:
    done = await queue.submit(draft(channels=TEXT), [person(1, mobile=NUMBER)])
    dispatcher = queue.dispatcher(twilio_status_callback_url="")
    claimed = await claim(dispatcher, list(Lane), 1)
    entry_id = done.snapshot.entries[0].entry_id
    queue.clock.ahead = timedelta(seconds=1)
    stopped = Receipt("twilio", "", f"{entry_id}.1.1", "failed", "21610", queue.clock())
    if comes == "before its outcome":
        await queue.record([stopped])
    await record_inbound(queue.engine, queue.clock, "SM1", NUMBER, "START")
    queue.clock.ahead = timedelta(seconds=2)
    await send(dispatcher, claimed.works[0], claimed.until)
    if comes == "after its outcome":
        await queue.record([stopped])
    assert await queue.counts(entry_id) == {"total": 1, "opted_out": 1}
    assert await _states(queue, draft(channels=TEXT)) == ["pending"]


@pytest.mark.accepts(306)
async def test_emergencies_ignore_a_wish_only_where_the_district_says_so(queue: Queue) -> None:
    wish = _wish(Channel.SMS, NUMBER, stop=[MessageType.EMERGENCY, MessageType.ANNOUNCEMENT])
    await contacting.set_consent(queue.engine, queue.clock, OFFICER, wish)
    emergency = draft(channels=[("tts", "Stay inside."), ("sms", "Stay inside.")], is_emergency=True)
    assert await _states(queue, emergency) == ["pending", "opted_out"]
    with pytest.raises(InvalidArgument):
        await contacting.set_exemption(queue.engine, queue.clock, OFFICER, to=True, reason=" ")
    with pytest.raises(PermissionDenied):
        await contacting.set_exemption(queue.engine, queue.clock, _officer("send_messages"), to=True, reason="I may.")
    for _ in range(2):
        await contacting.set_exemption(queue.engine, queue.clock, OFFICER, to=True, reason="Board policy 8410.")
    assert await _states(queue, replace(emergency, idempotency_key="exempt")) == ["pending", "pending"]
    assert await _states(queue, draft(channels=[("sms", "Bus 4.")], kind=KIND_ATTENDANCE)) == ["pending"]
    assert await _states(queue, draft(channels=[("sms", "Bus 4.")])) == ["opted_out"]
    await contacting.set_exemption(queue.engine, queue.clock, OFFICER, to=False, reason="Revoked.")
    assert await _states(queue, replace(emergency, idempotency_key="again")) == ["pending", "opted_out"]
    said = await contacting.exemption(queue.engine, OFFICER)
    assert [(each.is_on, each.reason, each.person_name) for each in said] == [
        (False, "Revoked.", "Ada North"),
        (True, "Board policy 8410.", "Ada North"),
    ]
    with pytest.raises(IntegrityError):
        await queue.rows("DELETE FROM emergency_exemptions")


@pytest.mark.accepts(306)
@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        (_wish(), "/types"),
        (_wish(stop=[MessageType.ALERT]), "/types"),
        (_wish(stop=[MessageType.SURVEY], start=[MessageType.SURVEY]), "/types"),
        (_wish(stop=[MessageType.SURVEY], reason=" "), "/reason"),
        (_wish(Channel.SMS, stop=[MessageType.SURVEY]), "/channel"),
        (_wish(Channel.TTS, NUMBER, stop=[MessageType.SURVEY]), "/channel"),
    ],
)
async def test_a_change_that_is_not_in_order_changes_nothing(queue: Queue, wish: Wish, pointer: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await contacting.set_consent(queue.engine, queue.clock, OFFICER, wish)
    assert pointer in [each.pointer for each in refused.value.violations]
    with pytest.raises(PermissionDenied):
        await contacting.set_consent(queue.engine, queue.clock, _officer("send_messages"), wish)
    assert await queue.rows("SELECT 1 FROM consent_changes") == []


@pytest.mark.accepts(306)
async def test_the_ledger_is_only_added_to(queue: Queue) -> None:
    await record_inbound(queue.engine, queue.clock, "SM1", NUMBER, "Stop")
    for statement in ("UPDATE consent_changes SET action = 'started'", "DELETE FROM consent_changes"):
        with pytest.raises(IntegrityError):
            await queue.rows(statement)


@pytest.mark.accepts(306)
async def test_mails_to_many_carry_the_headers_of_one_click_and_its_link_works(
    queue: Queue, vendors: VendorSimulator
) -> None:
    secret, url = "an-unsubscribe-secret-of-32-chars", "https://lantern.example.org/unsubscribe"
    await queue.submit(draft(), [person(1, email=ADDRESS, language="es-MX")])
    await queue.submit(draft(kind=KIND_ALERT), [person(2)])
    await queue.submit(draft(in_reply_to=await queue.written_by(3)), [person(3)])
    await queue.drain(queue.dispatcher(unsubscribe_url=url, unsubscribe_secret=secret))
    arrived = {each["to"]: each for each in vendors.arrivals(channel="email")}
    headers = {each["name"]: each["value"] for each in arrived[ADDRESS]["headers"]}
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = headers["List-Unsubscribe"].strip("<>")
    assert address.startswith(f"{url}/")
    assert arrived[ADDRESS]["text"].endswith(f"To get no more announcements by e-mail:\n{address}")
    for other in ("parent2@example.org", "parent3@example.org"):
        assert (arrived[other]["headers"], url in arrived[other]["text"]) == ([], False)
    unsubscribing = Unsubscribing(queue.engine, queue.clock, Links(secret, PURPOSE))
    link = address.rpartition("/")[2]
    found_by_link = await unsubscribing.show(link)
    assert (found_by_link.is_wanted, found_by_link.language) == (True, "es-MX")
    await unsubscribing.change(link, is_wanted=False)
    assert not (await unsubscribing.show(link)).is_wanted
    assert await _states(queue, draft()) == ["opted_out"]
    found = await contacting.standing(queue.engine, OFFICER, ADDRESS)
    assert [(each.action, each.reason, each.message_type) for each in found.changes] == [
        ("stopped", "unsubscribe", "announcement")
    ]
    queue.clock.ahead = timedelta(days=401)
    with pytest.raises(NotFound):
        await unsubscribing.show(link)


@pytest.mark.accepts(306)
async def test_only_an_answer_to_who_wrote_is_personal(queue: Queue) -> None:
    await contacting.set_consent(queue.engine, queue.clock, OFFICER, _wish(stop=[MessageType.ANNOUNCEMENT]))
    rosa = person(1, email=ADDRESS)
    answered = await queue.written_by(1)
    others = await queue.submit(draft(sender=PUPIL), [person(2)])
    for wrong in (new_id(), others.snapshot.message.message_id):
        with pytest.raises(InvalidArgument) as refused:
            await queue.submit(draft(in_reply_to=wrong), [rosa])
        assert refused.value.reason == "ANSWERED_UNKNOWN"
    for people in ([rosa, person(2)], [person(2)], [rosa._replace(person_id="")]):
        with pytest.raises(InvalidArgument) as refused:
            await queue.submit(draft(in_reply_to=answered), people)
        assert refused.value.reason == "ANSWER_TO_OTHERS"
    assert await _states(queue, draft()) == ["opted_out"]
    assert await _states(queue, draft(in_reply_to=answered)) == ["pending"]


def test_every_message_has_a_type() -> None:
    personal = draft(in_reply_to="m")
    assert [
        type_of(Channel.EMAIL, each, SENDER.role)
        for each in (draft(kind=KIND_ALERT), draft(is_emergency=True), draft(kind=KIND_ATTENDANCE), personal, draft())
    ] == [
        MessageType.ALERT,
        MessageType.EMERGENCY,
        MessageType.ATTENDANCE,
        MessageType.PERSONAL,
        MessageType.ANNOUNCEMENT,
    ]
    assert type_of(Channel.POLL, draft(), SENDER.role) is MessageType.SURVEY
    assert type_of(Channel.EMAIL, draft(), ROLE_PARENT) is MessageType.PERSONAL
