"""The pages of a poll's or a sign-up's link, in each language of their catalogue."""

import string
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from protos.queue.v1 import surveys_pb2 as pb
from services.gateway.answer_words import CATALOGUE, answer_words, browser_words
from services.kit.dates import SPOKEN

ZONE = ZoneInfo("America/New_York")


def test_every_language_says_everything_with_the_same_gaps() -> None:
    def gaps(sentences: dict[str, str]) -> dict[str, set[str]]:
        return {key: {part[1] for part in string.Formatter().parse(text) if part[1]} for key, text in sentences.items()}

    assert set(CATALOGUE) == SPOKEN
    for said in CATALOGUE.values():
        assert gaps(said) == gaps(CATALOGUE["en"])
        assert all(text.strip() for text in said.values())


@pytest.mark.parametrize(
    ("language", "shown", "end"),
    [
        ("", "en", "until Thursday, 4 March 2027, 12:05 am, New York time."),
        ("vi", "en", "until Thursday, 4 March 2027, 12:05 am, New York time."),
        (
            "es-MX",
            "es",
            "hasta el jueves, 4 de marzo de 2027, 12:05 a. m., hora de New York.",
        ),
        (
            "FR",
            "fr",
            "jusqu'au jeudi 4 mars 2027 à 0 h 05, heure de New York.",
        ),
        ("ht", "ht", "jiska jedi 4 mas 2027, 12:05 am, lè New York."),
        (
            "pt",
            "pt",
            "até quinta-feira, 4 de março de 2027, 0:05, horário de New York.",
        ),
    ],
)
def test_a_form_is_shown_in_its_own_language_where_that_is_known(language: str, shown: str, end: str) -> None:
    form = pb.SurveyForm(language=language)
    form.survey.closes_at.FromDatetime(datetime(2027, 3, 4, 5, 5, tzinfo=UTC))
    said = answer_words(language, ZONE)
    assert said.language == shown
    assert said.closing(form).endswith(f" {end}")


def test_a_link_that_cannot_be_used_speaks_the_browsers_language() -> None:
    assert browser_words(["vi", "es-US", "en"], ZONE).language == "es"
    assert browser_words(["vi"], ZONE).language == browser_words([], ZONE).language == "en"
