"""What families read of an attendance message: at the providers, in the Recipients pop-up, in the inbox."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
import sqlalchemy as sa

from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer, set_caller
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, NotFound
from services.queue.actions import reading
from services.queue.actions.reading import Paging
from services.queue.actions.resendable import FromDirectory, Resend
from services.queue.actions.resending import resend
from services.queue.actions.standing import Known
from services.queue.actions.translating import Translating
from services.queue.domain import Channel, State
from services.queue.merging import by_number
from services.queue.providers.amazon_translate import AmazonTranslate
from services.queue.providers.aws import AwsSettings
from services.queue.store import absences
from services.queue.store.deliveries import Seen
from tests.integration.directory.roster_files import switch_module
from tests.integration.queue.attended import Attended
from tests.integration.queue.conftest import Make, Queue, draft, person
from tests.integration.queue.scheduled import scheduled_queue
from tests.support.postgres import Databases
from tests.support.tokens import Tokens
from tests.support.vendors import AWS_KEY, AWS_SECRET, VendorSimulator

TEXTS = {types.CHANNEL_EMAIL: "{student} was absent ({code}).", types.CHANNEL_SMS: "{student}: {code}"}
BOTH = ({"student_sourced_id": "amy"}, {"student_sourced_id": "ben", "code": "TDY"})
PAGE = Paging("", descending=False, window=lambda _: (20, 0))


@pytest.fixture
async def attended(databases: Databases, tokens: Tokens) -> AsyncIterator[Attended]:
    async with scheduled_queue(databases, tokens) as queue:
        yield Attended.of(queue)


async def told(attended: Attended, make: Make) -> None:
    """Tell of both students, and hand everything over to the providers."""
    await attended.record(*BOTH)
    await attended.tick(hours=1)
    queue = Queue(attended.queue.engine, attended.queue.database, attended.queue.clock, make)  # type: ignore[arg-type]
    assert await queue.drain(queue.dispatcher()) == 2
    for dispatcher in queue.dispatchers:
        for provider in dispatcher.providers.values():
            await provider.close()


def admin(attended: Attended, *schools: str, role: str = "admin") -> Caller:
    """Somebody without View All Users, with these schools."""
    seen = frozenset(attended.queue.ids[each] for each in schools)
    viewer = Viewer("somebody", "Pat", role, frozenset({"communication_reports"}), seen, all_users=False)
    return Caller(viewer.person_id, frozenset(), viewer)


async def entry_of(attended: Attended, channel: str) -> str:
    rows = await attended.queue.rows("SELECT entry_id FROM entries WHERE channel = :channel", channel=channel)
    return str(rows[0][0])


async def test_each_student_is_named_to_their_own_guardian(
    attended: Attended, make_dispatcher_for: Make, vendors: VendorSimulator
) -> None:
    await attended.create(texts=TEXTS)
    await told(attended, make_dispatcher_for)
    assert sorted((each["subject"], each["text"]) for each in vendors.arrivals(channel="email")) == [
        ("Amy Stone was absent", "Amy Stone was absent (UNX)."),
        ("Ben Stone was absent", "Ben Stone was absent (TDY)."),
    ]
    assert sorted(each["text"] for each in vendors.arrivals(channel="sms")) == ["Amy Stone: UNX", "Ben Stone: TDY"]


@pytest.mark.accepts(305)
@pytest.mark.parametrize(("on_behalf_of", "resent"), [("pri", 1), ("", 1), ("cou", 0)])
async def test_it_names_the_student_also_by_a_channel_that_its_rule_never_used(
    attended: Attended, make_dispatcher_for: Make, vendors: VendorSimulator, on_behalf_of: str, resent: int
) -> None:
    await attended.create()
    await attended.record(BOTH[0])
    await attended.tick(hours=1)
    scheduled, entry_id = attended.queue, await entry_of(attended, "email")
    queue = Queue(scheduled.engine, scheduled.database, scheduled.clock, make_dispatcher_for)  # type: ignore[arg-type]
    assert await queue.expire(entry_id) == 1
    someone = scheduled.ids[on_behalf_of] if on_behalf_of else ""
    said = FromDirectory(Known(None, {}, {"call_out": True}), partial(scheduled.directory.contacts_of, someone))
    wanted = Resend("again", b"", entry_id, [State.EXPIRED], Channel.SMS)
    if resent:
        assert (await resend(queue.engine, queue.clock, Caller("sis", frozenset()), wanted, said))[1] == resent
        await queue.drain(queue.dispatcher())
    else:  # Somebody of another school reaches nobody here.
        with pytest.raises(FailedPrecondition):
            await resend(queue.engine, queue.clock, Caller("sis", frozenset()), wanted, said)
    texts = [each["text"] for each in vendors.arrivals(channel="sms")]
    assert texts == ["Amy Stone was absent from Lincoln High on 30 Oct 2026 (UNX)."] * resent
    for dispatcher in queue.dispatchers:
        for provider in dispatcher.adapters():
            await provider.close()


@pytest.mark.accepts(72, 73, 74, 129)
async def test_a_family_reads_one_message_that_names_all_of_its_students(
    attended: Attended, make_dispatcher_for: Make, vendors: VendorSimulator
) -> None:
    await attended.create(texts=TEXTS, once_per_family=True)
    await told(attended, make_dispatcher_for)
    assert [each["text"] for each in vendors.arrivals(channel="sms")] == ["Amy Stone and Ben Stone: UNX, TDY"]
    rows, total = await reading.deliveries_of(
        attended.queue.engine, admin(attended, "s1"), await entry_of(attended, "sms"), Seen(None), PAGE
    )
    assert total == 2
    assert [(each["regarding_student_name"], each["state"], each["text"]) for each in rows] == [
        ("Amy Stone", "handed_off", "Amy Stone and Ben Stone: UNX, TDY"),
        ("Ben Stone", "duplicate", "Amy Stone and Ben Stone: UNX, TDY"),
    ]


async def _written_to_rosa_in_spanish(
    attended: Attended,
    make: Make,
    vendors: VendorSimulator,
    texts: dict[types.Channel.ValueType, str],
    language: str = "",
) -> int:
    """Send a rule's message about both students, whose mother reads Spanish; return how many translations it took."""
    async with transaction(attended.queue.directory_engine) as connection:
        await connection.execute(sa.text("UPDATE people SET language = 'es' WHERE name = 'Rosa Stone'"))
    await switch_module(attended.queue.directory_engine, "translation", is_on=True)
    directory = attended.afresh()
    await attended.create(texts=texts, once_per_family=True, language=language)
    await attended.record(*BOTH)
    await attended.tick(hours=1)
    await directory.close()
    provider = AmazonTranslate(AwsSettings("us-east-1", AWS_KEY, AWS_SECRET, vendors.url, concurrency=2))
    translated = await Translating(attended.queue.engine, attended.queue.clock, provider).step()
    await provider.close()
    queue = Queue(attended.queue.engine, attended.queue.database, attended.queue.clock, make)  # type: ignore[arg-type]
    await queue.drain(queue.dispatcher())
    await queue.close()
    return translated


@pytest.mark.accepts(81)
async def test_a_family_reads_of_its_students_in_its_language(
    attended: Attended, make_dispatcher_for: Make, vendors: VendorSimulator
) -> None:
    assert await _written_to_rosa_in_spanish(attended, make_dispatcher_for, vendors, TEXTS) == 1
    assert [each["text"] for each in vendors.arrivals(channel="sms")] == ["[es] Amy Stone, Ben Stone: UNX, TDY"]
    rows, _ = await reading.deliveries_of(
        attended.queue.engine, admin(attended, "s1"), await entry_of(attended, "sms"), Seen(None), PAGE
    )
    assert {(each["text"], each["original_text"]) for each in rows} == {
        ("[es] Amy Stone, Ben Stone: UNX, TDY", "Amy Stone and Ben Stone: UNX, TDY")
    }


@pytest.mark.accepts(81)
async def test_a_rule_that_is_written_in_spanish_is_translated_into_english_alone(
    attended: Attended, make_dispatcher_for: Make, vendors: VendorSimulator
) -> None:
    texts = dict.fromkeys((types.CHANNEL_EMAIL, types.CHANNEL_SMS), "{student}, {date}: {code}")
    assert await _written_to_rosa_in_spanish(attended, make_dispatcher_for, vendors, texts, "es") == 0
    said = "Amy Stone, Ben Stone, 2026-10-30: UNX, TDY"
    assert [each["text"] for each in vendors.arrivals(channel="sms")] == [said]
    mum = Viewer(attended.queue.ids["mum"], "Rosa", "parent", frozenset(), frozenset(), all_users=False)
    set_caller(Caller(mum.person_id, frozenset(), mum))
    rows, _, _ = await reading.inbox_of(
        attended.queue.engine, attended.queue.clock(), "", lambda _: (20, 0), is_unread=False
    )
    assert [each["preview"] for each in rows] == [said]


@pytest.mark.accepts(72, 74)
async def test_it_names_together_the_students_of_those_who_count_as_one_family(queue: Queue) -> None:
    phones = ["+12125550100,+12125550101", "+12125550100,+12125550102", "none", "none"]
    people = [person(number, phones=each) for number, each in enumerate(phones, 1)]
    message = draft(channels=[("tts", "{student} was absent.")], once_per_family=True)
    snapshot = (await queue.submit(message, people)).snapshot
    async with transaction(queue.engine) as connection:
        told_of = await absences.told(connection, snapshot.message.message_id)
    named = by_number(told_of, snapshot.entries[0].entry_id, once_per_family=True)
    # Two families with nothing but a word in place of a number are not one.
    assert [named[number]["student"] for number in range(1, 5)] == [*["Child 1 and Child 2"] * 2, "Child 3", "Child 4"]


@pytest.mark.accepts(124, 129)
async def test_recipients_are_shown_to_admins_of_the_school_each_with_what_they_read(
    attended: Attended, make_dispatcher_for: Make
) -> None:
    await attended.create(texts=TEXTS)
    await told(attended, make_dispatcher_for)
    entry_id = await entry_of(attended, "email")
    rows, _ = await reading.deliveries_of(
        attended.queue.engine, admin(attended, "s1"), entry_id, Seen(None, number=2), PAGE
    )
    assert [(each["number"], each["subject"], each["text"]) for each in rows] == [
        (2, "Ben Stone was absent", "Ben Stone was absent (TDY).")
    ]
    for caller in (admin(attended, "s2"), admin(attended, "s1", role="teacher")):
        with pytest.raises(NotFound):
            await reading.deliveries_of(attended.queue.engine, caller, entry_id, Seen(None), PAGE)


async def test_the_inbox_names_all_students_of_the_reader(attended: Attended) -> None:
    await attended.create(texts=TEXTS)
    await attended.record(*BOTH)
    await attended.tick(hours=1)
    mum = Viewer(attended.queue.ids["mum"], "Rosa", "parent", frozenset(), frozenset(), all_users=False)
    set_caller(Caller(mum.person_id, frozenset(), mum))
    engine, now = attended.queue.engine, attended.queue.clock()
    rows, total, unread = await reading.inbox_of(engine, now, "amy", lambda _: (20, 0), is_unread=False)
    assert (total, unread) == (1, 1)
    expected = "Amy Stone and Ben Stone was absent (UNX, TDY)."
    assert (rows[0]["subject"], rows[0]["preview"]) == ("Amy Stone and Ben Stone was absent", expected)
    assert (await reading.inbox_message(engine, now, str(rows[0]["message_id"])))["body"] == expected
