"""Errors say what is wrong, in a sentence of their own or by their fields."""

import pytest

from services.kit.errors import InvalidArgument, NotFound


@pytest.mark.parametrize(
    ("message", "details", "said"),
    [
        ("", ["Send 1 to 200 items."], "Send 1 to 200 items."),
        ("", ["Too long.", "Too long.", "Name it.", "And more."], "Too long. Name it."),
        ("Some fields are wrong.", ["Too long."], "Some fields are wrong."),
    ],
)
def test_an_error_without_a_sentence_says_what_its_fields_say(message: str, details: list[str], said: str) -> None:
    problem = InvalidArgument("TOO_MANY", message, violations=[(f"/{each}", each) for each in details])
    assert (problem.message, str(problem)) == (said, said)


def test_an_error_without_any_words_is_shown_by_its_reason() -> None:
    assert str(NotFound("NO_SUCH_THING")) == "NO_SUCH_THING"
