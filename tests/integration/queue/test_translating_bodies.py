"""A body that no channel says is translated for resends, and keeps nothing and nobody waiting."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.kit.db import transaction
from services.queue.actions import previewing, reading
from services.queue.actions.resendable import Resend
from services.queue.actions.submit import Submitted
from services.queue.domain import Channel, Lane, State
from services.queue.providers.amazon_translate import AmazonTranslate, Rendered
from services.queue.records import Addressee
from services.queue.store import batches
from services.queue.store.deliveries import Seen
from tests.integration.queue.conftest import Queue, draft
from tests.integration.queue.from_directory import told
from tests.integration.queue.test_resending_elsewhere import again
from tests.integration.queue.test_translating import (
    CLOSED,
    PAGE,
    SERVICE,
    SPANISH,
    Translator,
    family,
    stages,
    texts,
    translator,
)
from tests.support.eventually import eventually
from tests.support.vendors import VendorSimulator

__all__ = ["translator"]
Answering = Callable[[Rendered | None], None]
AWAY = Rendered(code="500")
CALL, SPANISH_CALL = "Please call the office.", "Por favor llame a la oficina."


async def _emergency(queue: Queue, *people: Addressee) -> Submitted:
    called = draft(body=CLOSED, is_emergency=True, is_translated=True, channels=[("tts", CALL)])
    return await queue.submit(called, people)


@pytest.mark.accepts(82)
@pytest.mark.parametrize("failed", [Rendered(code="InvalidRequestException", is_refused=True), Rendered(code="500")])
async def test_a_body_that_nobody_reads_does_not_leave_a_call_as_it_was_written(
    queue: Queue, translator: Translator, vendors: VendorSimulator, monkeypatch: pytest.MonkeyPatch, failed: Rendered
) -> None:
    translate = AmazonTranslate.translate

    async def without_body(self: AmazonTranslate, text: str, source: str, target: str) -> Rendered:
        return failed if text == CLOSED else await translate(self, text, source, target)

    monkeypatch.setattr(AmazonTranslate, "translate", without_body)
    await _emergency(queue, *family("es"))
    await translator(is_urgent=True).step()
    assert await stages(queue) == {"es": ("translated", "")}
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "voice") == [SPANISH_CALL]


@pytest.mark.accepts(82)
async def test_a_call_leaves_while_its_body_is_translated_for_those_to_whom_it_is_sent_again(
    queue: Queue, translator: Translator, vendors: VendorSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    translate, may_answer = AmazonTranslate.translate, asyncio.Event()

    async def body_last(self: AmazonTranslate, text: str, source: str, target: str) -> Rendered:
        if text == CLOSED:
            await may_answer.wait()
        return await translate(self, text, source, target)

    monkeypatch.setattr(AmazonTranslate, "translate", body_last)
    done = await _emergency(queue, *(each._replace(mobile="") for each in family("es")))
    step = asyncio.create_task(translator(is_urgent=True).step())

    async def is_decided() -> None:
        assert await stages(queue) == {"es": ("translated", "")}

    await eventually(is_decided)
    may_answer.set()
    await step
    await again(queue, done, Channel.SMS, told(*family("es")))
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [SPANISH]


@pytest.fixture
async def body_is(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Sets what Amazon Translate answers to the body; None: its translation."""
    translate = AmazonTranslate.translate
    answer: list[Rendered | None] = [None]

    async def asked(self: AmazonTranslate, text: str, source: str, target: str) -> Rendered:
        return (answer[0] if text == CLOSED else None) or await translate(self, text, source, target)

    monkeypatch.setattr(AmazonTranslate, "translate", asked)
    return lambda found: answer.__setitem__(0, found)


async def _called(queue: Queue, translator: Translator, *people: Addressee) -> Submitted:
    """A call of which nobody could be rung, and whose body was not translated."""
    message = draft(body=CLOSED, is_translated=True, channels=[("tts", CALL)])
    done = await queue.submit(message, [each._replace(mobile="") for each in people])
    await translator().step()
    assert await stages(queue) == {"es": ("translated", "")}
    return done


async def _record(queue: Queue, entry_id: str) -> dict[str, str]:
    (row,), _ = await reading.deliveries_of(queue.engine, SERVICE, entry_id, Seen(None), PAGE)
    return {name: row.get(name, "") for name in ("text", "language", "untranslated")}


@pytest.mark.accepts(82, 305)
async def test_a_resend_asks_again_for_a_body_that_was_not_translated_and_waits_for_it(
    queue: Queue, translator: Translator, vendors: VendorSimulator, body_is: Answering
) -> None:
    body_is(AWAY)
    done = await _called(queue, translator, *family("es"))
    queue.clock.ahead = timedelta(weeks=2)
    entry_id, _ = await again(queue, done, Channel.SMS, told(*family("es")))
    for seconds in (0, 1):
        queue.clock.ahead += timedelta(seconds=seconds)
        assert await translator().step() == 1, "it is asked again after a pause"
        assert await queue.drain(queue.dispatcher()) == 0
    assert await _record(queue, entry_id) == {"text": "", "language": "", "untranslated": ""}
    body_is(None)
    queue.clock.ahead += timedelta(seconds=2)
    assert await translator().step() == 1
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [SPANISH]
    assert await _record(queue, entry_id) == {"text": SPANISH, "language": "es", "untranslated": ""}
    queue.clock.ahead += timedelta(hours=1)
    assert await translator().step() == 0


async def test_a_resend_has_waited_since_it_was_asked_for_and_not_since_the_message_was_first_sent(
    queue: Queue, translator: Translator, body_is: Answering
) -> None:
    queue.clock.stop()
    body_is(AWAY)
    done = await _called(queue, translator, *family("es"))
    body_is(None)
    queue.clock.ahead = timedelta(weeks=2)
    await again(queue, done, Channel.SMS, told(*family("es")))
    queue.clock.ahead += timedelta(seconds=1)
    assert await translator().step() == 1
    async with transaction(queue.engine) as connection:
        assert await batches.ages(connection, queue.clock()) == {Lane.NORMAL: (1, 1.0)}


@pytest.mark.accepts(82, 305)
@pytest.mark.parametrize("failed", [AWAY, Rendered(code="InvalidRequestException", is_refused=True)])
async def test_what_was_sent_again_without_its_translation_says_so_also_when_a_later_resend_has_it(
    queue: Queue, translator: Translator, vendors: VendorSimulator, body_is: Answering, failed: Rendered
) -> None:
    first, second = family("es", "es")
    body_is(failed)
    done = await _called(queue, translator, first, second)
    early, _ = await again(queue, done, Channel.SMS, told(first))
    await translator().step()
    if not failed.is_refused:
        assert await queue.drain(queue.dispatcher()) == 0
        queue.clock.ahead += timedelta(minutes=16)
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [CLOSED]
    body_is(None)
    assert await translator().step() == 0, "it is asked for once a resend"
    late, count = await again(queue, done, Channel.SMS, told(first, second))
    assert (count, await translator().step()) == (1, 1)
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [SPANISH, CLOSED]
    why = "It went out as it was written: Amazon Translate had not translated its text by then."
    assert await _record(queue, early) == {"text": "", "language": "", "untranslated": why}
    assert await _record(queue, late) == {"text": SPANISH, "language": "es", "untranslated": ""}


@pytest.mark.accepts(82, 305)
async def test_a_body_as_it_was_written_is_read_aloud_and_previewed_in_its_own_language(
    queue: Queue, translator: Translator, vendors: VendorSimulator, body_is: Answering
) -> None:
    body_is(Rendered(code="InvalidRequestException", is_refused=True))
    texted = draft(body=CLOSED, is_translated=True, channels=[("sms", CALL)])
    done = await queue.submit(texted, [each._replace(mobile="") for each in family("es")])
    await translator().step()
    wanted = Resend("", b"", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.TTS)
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, told(*family("es")))
    assert (preview.goes_out, preview.translations) == (1, {})
    await again(queue, done, Channel.TTS, told(*family("es")))
    await translator().step()
    await queue.drain(queue.dispatcher())
    (call,) = vendors.arrivals(channel="voice")
    assert call["text"] == CLOSED
    assert 'language="en-US"' in call["details"]["twiml"]
