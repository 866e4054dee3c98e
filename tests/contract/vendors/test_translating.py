"""The queue's adapter of Amazon Translate against the simulator: long texts, placeholders, and what it cannot do."""

from collections.abc import AsyncIterator

import pytest

from services.queue.providers.amazon_translate import AmazonTranslate, Rendered
from services.queue.providers.aws import AwsSettings
from tests.contract.vendors.shapes import Checked
from tests.support.vendors import AWS_KEY, AWS_SECRET, VendorSimulator


@pytest.fixture
async def adapter(vendors: VendorSimulator) -> AsyncIterator[AmazonTranslate]:
    made = AmazonTranslate(
        AwsSettings("us-east-1", AWS_KEY, AWS_SECRET, vendors.url, timeout_seconds=2.0, concurrency=2)
    )
    yield made
    await made.close()


async def test_what_it_asks_and_is_answered_fits_the_service_model(adapter: AmazonTranslate) -> None:
    checked = Checked(adapter._aws.client)
    assert await adapter.translate("School is closed today.", "en", "ht") == Rendered("Lekòl la fèmen jodi a.")
    assert checked.operations == ["TranslateText"]


async def test_a_long_text_goes_in_pieces_and_keeps_its_paragraphs(adapter: AmazonTranslate) -> None:
    paragraph = "The bus is late. " * 250 + "\n\n"
    answer = await adapter.translate(paragraph * 5, "en", "es")
    assert answer.code == ""
    assert answer.text.count("[es] The bus is late.") > 1
    assert answer.text.count("\n\n") == 5
    assert answer.text.replace("[es] ", "") == paragraph * 5


async def test_placeholders_and_signs_of_html_survive(adapter: AmazonTranslate) -> None:
    answer = await adapter.translate("Tom & Ana <3\n{student} was absent ({code}).\n", "en", "es")
    assert answer.text == "[es] Tom & Ana <3\n[es] {student} was absent ({code}).\n"


async def test_white_space_alone_is_not_asked_about(adapter: AmazonTranslate) -> None:
    assert await adapter.translate(" \n ", "en", "es") == Rendered(" \n ")


@pytest.mark.parametrize(
    ("mode", "code"), [("429", "ThrottlingException"), ("500", "InternalServerException"), ("hang", "ReadTimeoutError")]
)
async def test_what_passes_is_no_refusal(
    adapter: AmazonTranslate, vendors: VendorSimulator, mode: str, code: str
) -> None:
    vendors.modes(translate={"mode": mode})
    assert await adapter.translate("x", "en", "es") == Rendered(code=code)


async def test_an_unknown_language_is_refused_for_good(adapter: AmazonTranslate) -> None:
    refused = await adapter.translate("x", "en", "xx")
    assert refused == Rendered(code="UnsupportedLanguagePairException", is_refused=True)
