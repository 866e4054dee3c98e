"""Each recipient in their language: translated once, decided once, screened before it leaves."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from services.kit.auth import Caller, Viewer, set_caller
from services.kit.db import transaction
from services.queue.actions import previewing, reading, upkeep
from services.queue.actions.dispatch import claim
from services.queue.actions.reading import Paging
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.actions.standing import Standing
from services.queue.actions.submit import Submission
from services.queue.actions.translating import Translating
from services.queue.domain import Lane, State
from services.queue.inviting import Invitations
from services.queue.links import Links
from services.queue.preview_words import Prices, channel_preview
from services.queue.providers.amazon_translate import AmazonTranslate
from services.queue.providers.aws import AwsSettings
from services.queue.records import Addressee, Addressees
from services.queue.store import translations
from services.queue.store.deliveries import Seen
from tests.integration.queue.conftest import ANSWERS_SECRET, Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.integration.queue.test_processes import Processes, address, processes
from tests.support.eventually import eventually
from tests.support.postgres import Database
from tests.support.vendors import AWS_KEY, AWS_SECRET, Receiver, VendorSimulator

__all__ = ["address", "processes"]
SERVICE = Caller("test", frozenset())
PAGE = Paging("", descending=False, window=lambda _: (20, 0))
CLOSED = "School is closed today."
SPANISH, CREOLE = "La escuela está cerrada hoy.", "Lekòl la fèmen jodi a."
INVITATIONS = Invitations("https://lantern.example.org/answer", Links(ANSWERS_SECRET), "America/New_York")
Translator = Callable[..., Translating]


@pytest.fixture
async def translator(queue: Queue, vendors: VendorSimulator) -> AsyncIterator[Translator]:
    """Makes what translates the queue's messages, with the simulator of Amazon Translate."""
    settings = AwsSettings("us-east-1", AWS_KEY, AWS_SECRET, vendors.url, timeout_seconds=2.0, concurrency=4)
    provider = AmazonTranslate(settings)

    def make(*, is_urgent: bool = False, is_set_up: bool = True) -> Translating:
        return Translating(
            queue.engine, queue.clock, provider if is_set_up else None, INVITATIONS.around, is_urgent=is_urgent
        )

    yield make
    await provider.close()


def family(*languages: str) -> list[Addressee]:
    """Parents who prefer these languages, of one school."""
    return [person(n, language=each, school_id="school-1") for n, each in enumerate(languages, 1)]


async def stages(queue: Queue) -> dict[str, tuple[str, str]]:
    rows = await queue.rows("SELECT language, stage, reason FROM translations ORDER BY language")
    return {row[0]: (row[1], row[2]) for row in rows}


def texts(vendors: VendorSimulator, channel: str) -> list[str]:
    return sorted(each["text"] for each in vendors.arrivals(channel=channel))


@pytest.mark.accepts(82)
async def test_each_recipient_gets_the_message_in_their_language(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    people = family("en", "es", "es-US", "ht", "tlh", "")
    done = await queue.submit(
        draft(subject="Closed", body=CLOSED, is_translated=True, channels=[("email", "")]), people
    )
    dispatcher = queue.dispatcher()
    # Whoever reads the message as it is does not wait for the others.
    await queue.drain(dispatcher)
    assert texts(vendors, "email") == [CLOSED] * 3
    assert await translator().step() == 2
    await queue.drain(dispatcher)
    mails = {each["to"]: (each["subject"], each["text"]) for each in vendors.arrivals(channel="email")}
    assert mails["parent2@example.org"] == mails["parent3@example.org"] == ("[es] Closed", SPANISH)
    assert mails["parent4@example.org"] == ("[ht] Closed", CREOLE)
    assert await stages(queue) == {"es": ("translated", ""), "ht": ("translated", "")}
    kept = await queue.rows("SELECT language, text FROM translated_texts ORDER BY language, text")
    assert [tuple(row) for row in kept] == [
        ("es", SPANISH), ("es", "[es] Closed"), ("ht", CREOLE), ("ht", "[ht] Closed"),
    ]  # fmt: skip
    assert await queue.rows("SELECT provider, decided_at FROM translations WHERE provider <> 'amazon_translate'") == []
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 6, "pending": 6}


async def test_texts_calls_and_pushes_are_translated_too(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    channels = [("sms", CLOSED), ("tts", "Please call the office."), ("push", "Short")]
    people = [each._replace(devices="normal-1") for each in family("es", "am")]
    await queue.submit(draft(is_translated=True, channels=channels), people)
    await translator().step()
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [SPANISH, "[am] School is closed today."]
    assert texts(vendors, "push") == ["[am] Short", "[es] Short"]
    calls = {each["text"]: each["details"]["twiml"] for each in vendors.arrivals(channel="voice")}
    # No voice of Twilio's reads Amharic aloud: that call stays as it was written.
    assert 'language="es-US"' in calls["Por favor llame a la oficina."]
    assert 'language="en-US"' in calls["Please call the office."]


@pytest.fixture
def database(queue: Queue) -> Database:
    """The one in which the queue's processes work."""
    return queue.database


async def test_what_a_killed_process_was_translating_is_taken_up_by_another(
    queue: Queue, processes: Processes, vendors: VendorSimulator
) -> None:
    await queue.submit(draft(body=CLOSED, is_translated=True), family("es", "es"))
    doomed = processes.start("dispatch", STOP_AT="before_translation_commit", TRANSLATE_REGION="us-east-1")
    assert await asyncio.to_thread(doomed.wait, 20) == -signal.SIGKILL
    assert await stages(queue) == {"es": ("wanted", "")}
    assert await queue.rows("SELECT 1 FROM translated_texts") == []
    processes.start("dispatch", TRANSLATE_REGION="us-east-1")

    async def is_sent() -> None:
        assert texts(vendors, "email") == [SPANISH, SPANISH]

    await eventually(is_sent)


@pytest.mark.accepts(82)
async def test_what_was_translated_is_sent_again_as_it_was(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    broken = [each._replace(mobile="+16465550191") for each in family("es")]
    done = await queue.submit(draft(body=CLOSED, is_translated=True, channels=[("sms", "")]), broken)
    await translator().step()
    vendors.modes(translate={"mode": "500"})
    entry_id = done.snapshot.entries[0].entry_id
    await queue.rows("UPDATE batches SET expires_at = now() RETURNING 1")
    assert await upkeep.expire(queue.engine, queue.clock)
    wanted = Resend("again", b"hash", entry_id, [State.EXPIRED], None)
    await resend(queue.engine, queue.clock, SERVICE, wanted, told())
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [SPANISH]


async def test_a_call_that_nobody_took_is_made_again_in_the_same_language(
    queue: Queue, translator: Translator, vendors: VendorSimulator, receiver: Receiver
) -> None:
    busy = [each._replace(mobile=f"+120{each.person_id[-1]}5550192") for each in family("es", "en")]
    await queue.submit(draft(is_translated=True, channels=[("tts", CLOSED)]), busy)
    await translator().step()
    dispatcher = queue.dispatcher()
    for minutes in (0, 6):
        queue.clock.ahead = timedelta(minutes=minutes)
        await queue.drain(dispatcher)
        await asyncio.to_thread(vendors.wait_quiet)
        await queue.receive(list(receiver.requests))
    assert texts(vendors, "voice") == [SPANISH, SPANISH, CLOSED, CLOSED]


@pytest.mark.parametrize("mode", ["500", "429"])
async def test_without_a_translation_in_time_it_goes_out_as_it_was_written(
    queue: Queue, translator: Translator, vendors: VendorSimulator, mode: str
) -> None:
    vendors.modes(translate={"mode": mode})
    done = await queue.submit(draft(body=CLOSED, is_translated=True), family("es"))
    translating, dispatcher = translator(), queue.dispatcher()
    await translating.step()
    assert await translating.step() == 0  # It waits before it asks again.
    assert await queue.drain(dispatcher) == 0
    queue.clock.ahead = timedelta(minutes=14)
    await translating.step()
    assert await queue.drain(dispatcher) == 0
    queue.clock.ahead = timedelta(minutes=15, seconds=1)
    await queue.drain(dispatcher)
    assert texts(vendors, "email") == [CLOSED]
    assert await stages(queue) == {"es": ("original", "TOO_LATE")}
    vendors.modes(translate={"mode": "ok"})
    assert await translating.step() == 0
    (row,), _ = await reading.deliveries_of(queue.engine, SERVICE, done.snapshot.entries[0].entry_id, Seen(None), PAGE)
    assert (row.get("text", ""), row["untranslated"]) == (
        "", "It went out as it was written: Amazon Translate did not answer in time.",
    )  # fmt: skip


async def test_an_emergency_waits_five_seconds_at_most(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    vendors.modes(translate={"mode": "500"})
    await queue.submit(draft(body=CLOSED, is_emergency=True, is_translated=True, channels=[("tts", "")]), family("es"))
    assert await translator().step() == 0  # What is urgent is not in one line with the rest.
    assert await translator(is_urgent=True).step() == 1
    dispatcher = queue.dispatcher()
    assert await queue.drain(dispatcher) == 0
    queue.clock.ahead = timedelta(seconds=5)
    await queue.drain(dispatcher)
    assert texts(vendors, "voice") == [CLOSED]


async def test_an_answer_that_hangs_is_waited_for_until_the_deadline_and_no_longer(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    vendors.modes(translate={"mode": "hang"})
    await queue.submit(draft(body=CLOSED, is_emergency=True, is_translated=True, channels=[("tts", "")]), family("es"))
    queue.clock.ahead = timedelta(seconds=4.5)
    await translator(is_urgent=True).step()
    assert await stages(queue) == {"es": ("original", "TOO_LATE")}
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "voice") == [CLOSED]


async def test_who_waited_for_a_translation_is_not_behind_all_who_did_not(queue: Queue, translator: Translator) -> None:
    many = [person(n, school_id="school-1") for n in range(1, 602)]
    last = person(602, school_id="school-1", language="es")
    await queue.submit(draft(channels=[("sms", CLOSED)], is_translated=True), [*many, last])
    dispatcher = queue.dispatcher()
    first = await claim(dispatcher, list(Lane), 1)
    await translator().step()
    second = await claim(dispatcher, list(Lane), 1)
    assert [each.works[0].batch.translated_into for each in (first, second)] == ["", "es"]


async def test_a_language_that_amazon_refuses_stays_as_it_was_written_at_once(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    await queue.submit(draft(body=CLOSED, is_translated=True), family("es"))
    await queue.rows("UPDATE translations SET language = 'xx' RETURNING 1")
    await queue.rows("UPDATE batches SET translated_into = 'xx' RETURNING 1")
    await translator().step()
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "email") == [CLOSED]
    assert await stages(queue) == {"xx": ("original", "REFUSED")}


async def test_without_an_account_nothing_waits(queue: Queue, translator: Translator, vendors: VendorSimulator) -> None:
    await queue.submit(draft(body=CLOSED, is_translated=True), family("es"))
    await translator(is_set_up=False).step()
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "email") == [CLOSED]
    assert await stages(queue) == {"es": ("original", "NOT_SET_UP")}


async def test_the_first_decision_stands(queue: Queue, translator: Translator, vendors: VendorSimulator) -> None:
    """Two processes translate at the same time, after a lease that was too short, and a third gives up."""
    await queue.submit(draft(body=CLOSED, is_translated=True), family("es", "es"))
    async with transaction(queue.engine) as connection:
        (claimed,) = await translations.claim(connection, queue.clock(), 5, timedelta(), is_urgent=False)
    one, other = translator(), translator()
    await asyncio.gather(one._settle(claimed), other._settle(claimed))
    await one._leave(claimed, "TOO_LATE")
    assert await stages(queue) == {"es": ("translated", "")}
    assert len(await queue.rows("SELECT 1 FROM translated_texts")) == 2
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "email") == [SPANISH, SPANISH]


@pytest.mark.accepts(81, 82)
async def test_recipients_and_inboxes_show_the_translation_and_what_was_written(
    queue: Queue, translator: Translator
) -> None:
    done = await queue.submit(draft(body=CLOSED, is_translated=True), family("es", "en"))
    await translator().step()
    await queue.drain(queue.dispatcher())
    rows, _ = await reading.deliveries_of(queue.engine, SERVICE, done.snapshot.entries[0].entry_id, Seen(None), PAGE)
    assert (rows[0]["text"], rows[0]["original_text"], rows[0]["language"]) == (SPANISH, CLOSED, "es")
    assert (rows[0]["subject"], rows[0]["original_subject"]) == ("[es] Picture day", "Picture day")
    assert (rows[1].get("text"), rows[1]["language"]) == (None, "")
    for number, wanted in ((1, (SPANISH, "es")), (2, (CLOSED, ""))):
        viewer = Viewer(f"parent-{number}", "Pat", "parent", frozenset(), frozenset(), all_users=False)
        set_caller(Caller(viewer.person_id, frozenset(), viewer))
        (item,), _, _ = await reading.inbox_of(queue.engine, queue.clock(), "", lambda _: (20, 0), is_unread=False)
        assert (item["preview"], item.get("language", "")) == wanted
        found, _, _ = await reading.inbox_of(queue.engine, queue.clock(), "escuela", lambda _: (20, 0), is_unread=False)
        assert len(found) == (number == 1)
        opened = await reading.inbox_message(queue.engine, queue.clock(), done.snapshot.message.message_id)
        assert (opened["body"], opened.get("original_body", CLOSED)) == (wanted[0], CLOSED)


@pytest.mark.parametrize(
    ("mode", "segments", "cents"), [("ok", {"ht": 2, "es": 2}, 700), ("500", {"ht": 0, "es": 0}, 500)]
)
async def test_a_preview_counts_the_segments_of_the_translations(
    queue: Queue, translator: Translator, vendors: VendorSimulator, mode: str, segments: dict[str, int], cents: int
) -> None:
    vendors.modes(translate={"mode": mode})
    message = draft(channels=[("sms", "x" * 158), ("email", "")], is_translated=True)
    standing = Standing(message.sender, "", is_excluded=False, is_screened=False, is_translated=True)

    async def pieces() -> AsyncIterator[Addressees]:
        yield Addressees.of(family("en", "ht", "en", "es", "tlh"))

    found = await previewing.preview(
        queue.engine, queue.clock, Submission(message, "test", standing), pieces(), translator().provider
    )
    sms, email = (channel_preview(each, Prices(1.0, 0.0)) for each in found)
    assert {each.language: each.segments for each in sms.languages} == segments
    assert (sms.segments, sms.price_cents) == (1, cents)
    assert {each.language: (each.goes_out, each.segments) for each in email.languages} == {"es": (1, 0), "ht": (1, 0)}
