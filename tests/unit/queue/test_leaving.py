"""What the end of an e-mail says, in the language of its text."""

import pytest

from services.queue.leaving import line
from services.queue.message_types import LISTED, MessageType


@pytest.mark.accepts(306)
@pytest.mark.parametrize(
    ("language", "begins"),
    [("en", "To get no more "), ("es-MX", "Para no recibir más "), ("ht", "Pou w pa "), ("so", "To get no more ")],
)
def test_the_line_is_in_the_language_of_the_text(language: str, begins: str) -> None:
    for each in LISTED:
        text = line(each, "https://example.org/u/x", language)
        assert text.startswith(f"\n\n{begins}")
        assert text.endswith(":\nhttps://example.org/u/x")


def test_the_line_names_the_type() -> None:
    assert "announcements" in line(MessageType.ANNOUNCEMENT, "", "en")
    assert "encuestas e inscripciones" in line(MessageType.SURVEY, "", "es")
