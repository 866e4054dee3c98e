"""The page of an e-mail's unsubscribing link, in each language of its catalogue."""

import string

import pytest

from protos.queue.v1 import contacts_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway.unsubscribe_words import CATALOGUE, words_of


def test_every_language_says_everything_with_the_same_gaps() -> None:
    def gaps(sentences: dict[str, str]) -> dict[str, set[str]]:
        return {key: {part[1] for part in string.Formatter().parse(text) if part[1]} for key, text in sentences.items()}

    assert set(CATALOGUE) == {"en", "es", "fr", "ht", "pt"}
    assert [language for language, said in CATALOGUE.items() if gaps(said) != gaps(CATALOGUE["en"])] == []
    assert [said for said in CATALOGUE.values() if not all(text.strip() for text in said.values())] == []


@pytest.mark.accepts(306)
@pytest.mark.parametrize(
    ("language", "shown", "title", "button"),
    [
        ("es-MX", "es", "¿Dejar de recibir encuestas e inscripciones?", "Cancelar la suscripción"),
        ("FR-CA", "fr", "Ne plus recevoir les sondages et les inscriptions ?", "Se désinscrire"),
        ("vi", "en", "Unsubscribe from polls and sign-ups?", "Unsubscribe"),
        ("", "en", "Unsubscribe from polls and sign-ups?", "Unsubscribe"),
    ],
)
def test_the_recipients_language_is_spoken_where_it_is_known(
    language: str, shown: str, title: str, button: str
) -> None:
    asked = pb.Subscription(
        masked_address="<r•••@example.org", message_type=types.MESSAGE_TYPE_SURVEY, is_wanted=True, language=language
    )
    said = words_of(asked, is_changed=False)
    assert (said.language, said.title, said.button) == (shown, title, button)
    assert "<bdi>&lt;r•••@example.org</bdi>" in said.text


def test_each_step_has_words_of_its_own() -> None:
    asked = pb.Subscription(message_type=types.MESSAGE_TYPE_ATTENDANCE, is_wanted=True, language="pt")
    stopped = pb.Subscription(message_type=types.MESSAGE_TYPE_ATTENDANCE, language="pt")
    said = [
        words_of(each, is_changed=is_changed)
        for each, is_changed in ((asked, False), (asked, True), (stopped, False), (stopped, True))
    ]
    assert len({each.title for each in said}) == 3
    assert [each.button for each in said] == ["Cancelar a inscrição"] * 2 + ["Inscrever-se de novo"] * 2
