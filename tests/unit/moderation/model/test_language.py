"""The language decides which networks read a message, so a wrong setting must not hide a plain sentence."""

import pytest

from services.moderation.model.language import identify, is_plain_english


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("i will see you at the game tonight", None, "en"),
        ("mañana no voy a la escuela porque estoy enfermo", None, "es"),
        ("demain je ne vais pas à l'école", None, "fr"),
        ("hoje eu não vou pra escola com você", None, "pt"),
        ("mwen pa vle al lekòl jodi a", None, "ht"),
        ("mañana no voy a la escuela porque estoy enfermo", "en", "es"),
        ("ok gracias", "es-MX", "es"),
        ("oui merci", "en", "en"),
        ("привет как дела", "en", "ru"),
        ("xqzt", None, "en"),
    ],
)
def test_language_is_told_by_words(text: str, told: str | None, code: str) -> None:
    assert identify(text, told, {}).code == code


def test_a_language_it_does_not_know_lowers_confidence() -> None:
    assert identify("waan ku dilayaa berri markaad iskuulka", "so", {}).confidence < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "see you at practice. ya no quiero vivir. bring the ball",
        "lol ok. je veux plus être là. see you monday",
        "thanks for the notes. eu quero morrer hoje. bye",
        "hi miss. mwen pa vle viv ankò. thank you",
        "see you at lunch 我不想活了",
    ],
)
def test_one_foreign_sentence_among_english_ones_is_noticed(text: str) -> None:
    assert not is_plain_english(text)


@pytest.mark.parametrize(
    "text", ["see you at practice tomorrow, bring the ball", "can we come on monday? no, tuesday. 3pm"]
)
def test_ordinary_english_is_plain(text: str) -> None:
    assert is_plain_english(text)
