"""Amazon Translate through boto3: a visible, repeatable translation, and its errors."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.vendors.shapes import Checked
from tests.support.vendors import VendorSimulator


def translated(client: Any, text: str, target: str, source: str = "en") -> dict[str, Any]:
    return dict(client.translate_text(Text=text, SourceLanguageCode=source, TargetLanguageCode=target))


def test_answers_fit_the_service_model(translate: Any) -> None:
    checked = Checked(translate)
    answer = translated(translate, "School is closed today.", "es")
    assert answer["TranslatedText"] == "La escuela está cerrada hoy."
    assert checked.operations == ["TranslateText"]


@pytest.mark.parametrize(
    ("text", "target", "wanted"),
    [
        ("Bus 12 is late, {name}.", "ht", "[ht] Bus 12 is late, {name}."),
        ("Please call the office.", "fr", "Appelez le bureau."),
        ("Two\nlines", "pt-PT", "[pt-PT] Two\nlines"),
        ("Same", "en", "Same"),
    ],
)
def test_an_unknown_text_is_marked_with_its_language(translate: Any, text: str, target: str, wanted: str) -> None:
    assert translated(translate, text, target)["TranslatedText"] == wanted


def test_the_source_language_can_be_detected(translate: Any) -> None:
    answer = translated(translate, "Mi hijo no va a la escuela, porque el bus no llega y que la calle…", "en", "auto")
    assert (answer["SourceLanguageCode"], answer["TargetLanguageCode"]) == ("es", "en")


def test_an_unknown_pair_is_refused_in_amazons_shape(translate: Any) -> None:
    with pytest.raises(translate.exceptions.UnsupportedLanguagePairException) as refused:
        translated(translate, "x", "xx")
    assert refused.value.response["SourceLanguageCode"] == "en"
    assert refused.value.response["TargetLanguageCode"] == "xx"


def test_too_long_a_text_is_refused(translate: Any) -> None:
    with pytest.raises(translate.exceptions.TextSizeLimitExceededException):
        translated(translate, "é" * 5001, "es")


@pytest.mark.parametrize(("mode", "code"), [("429", "ThrottlingException"), ("500", "InternalServerException")])
def test_outages_have_amazons_names(translate: Any, vendors: VendorSimulator, mode: str, code: str) -> None:
    vendors.modes(translate={"mode": mode})
    with pytest.raises(ClientError) as refused:
        translated(translate, "x", "es")
    assert refused.value.response["Error"]["Code"] == code
