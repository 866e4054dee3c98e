"""A body that no channel says is translated for resends, and keeps nothing and nobody waiting."""

import asyncio

import pytest

from services.queue.actions.submit import Submitted
from services.queue.domain import Channel
from services.queue.providers.amazon_translate import AmazonTranslate, Rendered
from services.queue.records import Addressee
from tests.integration.queue.conftest import Queue, draft
from tests.integration.queue.from_directory import told
from tests.integration.queue.test_resending_elsewhere import again
from tests.integration.queue.test_translating import (
    CLOSED,
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
