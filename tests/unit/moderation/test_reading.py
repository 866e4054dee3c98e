"""What is read of a message, however it is laid out."""

import pytest

from protos.events.v1 import queue_pb2 as requests
from services.moderation.reading import as_one, texts_of


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"])
def test_a_body_that_begins_with_much_white_space_goes_on_with_its_subject(space: str) -> None:
    assert as_one(["I will", space * 2000 + "shoot them"]) == "I will\nshoot them"


def test_only_the_beginning_of_a_long_body_goes_on_with_its_subject_and_ends_with_a_whole_word() -> None:
    assert as_one(["I will", "shoot " * 400]) == "I will\n" + " ".join(["shoot"] * 333)


@pytest.mark.parametrize("said", [["\n" * 2001 + "x"], ["", "\n" * 2001 + "x"], ["Hi", " " * 5000], [" " * 5000]])
def test_every_layout_leaves_something_to_judge(said: list[str]) -> None:
    assert texts_of(requests.ScreeningRequested(texts=said), said)
