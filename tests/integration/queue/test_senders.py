"""Messages go out from the sender of their school and type, as it was when they were sent."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from services.kit.auth import Caller, Viewer
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.queue.actions import sending_as
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.actions.sending_as import Senders
from services.queue.actions.standing import KnownSchool
from services.queue.domain import Channel, Source, State
from services.queue.message_types import MessageType
from services.queue.providers.base import QUICK_SECONDS
from services.queue.senders import Identity, Way
from tests.integration.queue.conftest import KNOWN, Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.support.vendors import FROM_NUMBER, VendorSimulator

NEWS = Identity("", None, Way.EMAIL, "News@Example.org", "Lincoln County")
SCHOOL = Identity("school-1", None, Way.EMAIL, "", "Lincoln High office")
TEXTS = Identity("school-1", MessageType.ANNOUNCEMENT, Way.SMS, "+12125550188")
NOT_OURS = "+15005550007"
"""Twilio's own number for "not yours to send from"."""
NOT_TWILIOS, TEXTS_NOT = "+15005550059", "+15005550061"
"""Our simulator's for a number that Twilio does not know, and for one of ours that sends no texts."""
CALLS = Identity("", MessageType.EMERGENCY, Way.CALL, "+12125550911")


def _admin(*schools: str, permissions: frozenset[str] = frozenset({"manage_directory"})) -> Caller:
    viewer = Viewer("off", "Ada North", "admin", permissions, frozenset(schools), all_users=True)
    return Caller("off", frozenset(), viewer)


OFFICER = _admin("*")
SCHOOLS = {**KNOWN.schools, "school-2": KnownSchool("Grant Middle", is_excluded=False)}


def _senders(queue: Queue) -> Senders:
    return Senders(queue.engine, queue.clock, ["example.org", "example.com"])


async def _put(queue: Queue, *identities: Identity) -> None:
    for each in identities:
        await _senders(queue).put(OFFICER, each, SCHOOLS)


def _from(vendors: VendorSimulator) -> list[str]:
    """Return where the latest messages came from, oldest first."""
    return [each["sender"] for each in vendors.arrivals()[::-1]]


@pytest.mark.accepts(229, 230, 234)
async def test_each_message_goes_out_from_the_sender_that_stood_when_it_was_sent(
    queue: Queue, vendors: VendorSimulator
) -> None:
    both = draft(channels=[("email", ""), ("sms", "Bus 4.")])
    before = await queue.submit(both, [person(1)])
    await _put(queue, NEWS, SCHOOL, TEXTS, CALLS)
    await queue.drain(queue.dispatcher())
    assert sorted(_from(vendors)) == [FROM_NUMBER, "Lincoln High <office@example.org>"]
    vendors.reset()
    await queue.submit(replace(both, idempotency_key="school"), [person(1)])
    await queue.submit(draft(source=Source.DISTRICT), [person(2)])
    await queue.submit(draft(in_reply_to=await queue.written_by(3)), [person(3)])
    calls = draft(channels=[("tts", "Stay inside."), ("sms", "Stay inside.")], is_emergency=True)
    await queue.submit(calls, [person(4)])
    await queue.drain(queue.dispatcher())
    assert sorted(_from(vendors)) == [
        FROM_NUMBER,
        "+12125550188",
        "+12125550911",
        "Lincoln County <news@example.org>",
        "Lincoln High <news@example.org>",
        "Lincoln High office <news@example.org>",
    ]
    message_id = before.snapshot.message.message_id
    rows = await queue.rows("SELECT DISTINCT from_address FROM entries WHERE message_id = :id", id=message_id)
    assert [row[0] for row in rows] == [""]


@pytest.mark.accepts(229)
async def test_a_name_and_domains_in_other_letters_arrive(queue: Queue, vendors: VendorSimulator) -> None:
    await _put(queue, replace(SCHOOL, name="Escuela José Martí"))
    await queue.submit(draft(), [person(1, email="ana@ñandú.example")])
    await queue.drain(queue.dispatcher())
    (arrived,) = vendors.arrivals(channel="email")
    assert (arrived["sender"], arrived["to"]) == (
        "Escuela José Martí <office@example.org>",
        "ana@xn--and-6ma2c.example",
    )


@pytest.mark.accepts(234, 305)
async def test_what_is_sent_again_goes_out_from_the_sender_of_now(queue: Queue, vendors: VendorSimulator) -> None:
    landline = person(1, mobile="+16465550187")
    failed = await queue.submit(draft(channels=[("sms", "Bus 4.")]), [landline, person(2)])
    await queue.drain(queue.dispatcher())
    await queue.rows("DELETE FROM suppressions RETURNING destination")
    await _put(queue, TEXTS)
    wanted = Resend("again", b"h", failed.snapshot.entries[0].entry_id, [State.ERROR], None)
    entry_id, _ = await resend(queue.engine, queue.clock, Caller("test", frozenset()), wanted, told())
    rows = await queue.rows("SELECT from_address FROM entries WHERE entry_id = :entry_id", entry_id=entry_id)
    assert rows[0][0] == "+12125550188"


@pytest.mark.accepts(308)
@pytest.mark.parametrize(
    ("channel", "way", "number"),
    [
        ("sms", Way.SMS, NOT_OURS),
        ("sms", Way.SMS, NOT_TWILIOS),
        ("sms", Way.SMS, TEXTS_NOT),
        ("tts", Way.CALL, NOT_OURS),
    ],
)
async def test_a_number_that_is_not_ours_costs_no_delivery(
    queue: Queue, vendors: VendorSimulator, channel: str, way: Way, number: str
) -> None:
    await _put(queue, Identity("", None, way, number))
    done = await queue.submit(draft(channels=[(channel, "Bus 4.")]), [person(1)])
    await queue.drain(queue.dispatcher())
    assert _from(vendors) == [FROM_NUMBER]
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "pending": 1}


@pytest.mark.accepts(308)
async def test_a_number_that_is_not_ours_costs_no_delivery_while_twilio_is_slow(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _put(queue, Identity("", None, Way.SMS, NOT_OURS))
    done = await queue.submit(draft(channels=[("sms", "Bus 4.")]), [person(1)])
    vendors.modes(sms={"mode": "ok", "delay_seconds": QUICK_SECONDS + 0.05})
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert _from(vendors) == [FROM_NUMBER]
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "pending": 1}
    assert not dispatcher.breaker(Channel.SMS).is_open(), "one school's number is not the account"


@pytest.mark.accepts(308)
@pytest.mark.parametrize("address", ["denied@example.org", "news@example.com"], ids=["no right", "not verified"])
async def test_an_address_that_our_key_may_not_use_costs_no_delivery(
    queue: Queue, vendors: VendorSimulator, address: str
) -> None:
    await _put(queue, replace(NEWS, school_id="school-1", address=address))
    done = await queue.submit(draft(), [person(number) for number in range(1, 4)])
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert _from(vendors) == ["Lincoln County <office@example.org>"] * 3
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "pending": 3}
    assert not dispatcher.breaker(Channel.EMAIL).is_open()
    assert await queue.rows("SELECT 1 FROM refused_accounts") == [], "one address is not the account"


async def test_a_recipient_whom_an_account_in_the_sandbox_may_not_write_to_holds_nobody_up(
    queue: Queue, vendors: VendorSimulator
) -> None:
    people = [person(1), person(2, email="unverified@example.org"), person(3)]
    done = await queue.submit(draft(), people)
    await queue.drain(queue.dispatcher())
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "pending": 2, "error": 1}
    assert await queue.rows("SELECT 1 FROM refused_accounts") == []


@pytest.mark.accepts(308)
async def test_an_address_that_is_not_verified_costs_no_delivery_while_amazon_is_slow(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _put(queue, replace(NEWS, school_id="school-1", address="news@example.com"))
    done = await queue.submit(draft(), [person(number) for number in range(1, 4)])
    vendors.modes(ses={"mode": "ok", "delay_seconds": QUICK_SECONDS + 0.05})
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert _from(vendors) == ["Lincoln County <office@example.org>"] * 3
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 3, "pending": 3}
    assert not dispatcher.breaker(Channel.EMAIL).is_open(), "one school's address is not the account"
    assert await queue.rows("SELECT 1 FROM refused_accounts") == []


@pytest.mark.parametrize(
    ("identity", "pointer"),
    [
        (replace(NEWS, address="news@elsewhere.org"), "/address"),
        (replace(NEWS, address="news"), "/address"),
        (replace(NEWS, address="", name=" "), "/address"),
        (replace(NEWS, name="x" * 101), "/name"),
        (replace(NEWS, name="a\x00b"), "/name"),
        (replace(TEXTS, address=""), "/address"),
        (replace(TEXTS, name="Lincoln"), "/name"),
        (replace(CALLS, address="911"), "/address"),
        (replace(SCHOOL, school_id="school-9"), "/school_id"),
    ],
)
async def test_what_is_no_sender_says_so_and_changes_nothing(queue: Queue, identity: Identity, pointer: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await _put(queue, identity)
    assert pointer in [each.pointer for each in refused.value.violations]
    assert await sending_as.listed(queue.engine, OFFICER) == ([], [])


async def test_a_schools_administrator_sets_that_schools_senders_alone(queue: Queue) -> None:
    principal, senders = _admin("school-1"), _senders(queue)
    await _put(queue, NEWS, replace(NEWS, school_id="school-2", name="Grant"))
    await senders.put(principal, SCHOOL, SCHOOLS)
    for identity in (NEWS, replace(SCHOOL, school_id="school-2")):
        with pytest.raises(PermissionDenied):
            await senders.put(principal, identity, SCHOOLS)
        with pytest.raises(PermissionDenied):
            await senders.remove(principal, identity)
    with pytest.raises(PermissionDenied):
        await sending_as.listed(queue.engine, _admin("*", permissions=frozenset({"send_messages"})))
    identities, changes = await sending_as.listed(queue.engine, principal)
    assert [each.name for each in identities] == ["Lincoln County", "Lincoln High office"]
    assert [(each.identity.name, each.action, each.person_name) for each in changes] == [
        ("Lincoln High office", "set", "Ada North"),
        ("Lincoln County", "set", "Ada North"),
    ]


async def test_every_change_is_kept(queue: Queue) -> None:
    await _put(queue, NEWS, NEWS)
    await _senders(queue).remove(OFFICER, NEWS)
    with pytest.raises(NotFound):
        await _senders(queue).remove(OFFICER, NEWS)
    identities, changes = await sending_as.listed(queue.engine, OFFICER)
    assert (identities, [each.action for each in changes]) == ([], ["removed", "set"])
    assert changes[0].identity.address == "news@example.org"
    with pytest.raises(IntegrityError):
        await queue.rows("DELETE FROM sender_changes")
