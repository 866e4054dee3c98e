"""What polls and sign-ups may ask, how answers change, and links that nobody else can make."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import InvalidArgument, NotFound
from services.queue.domain import Channel
from services.queue.links import Link, Links
from services.queue.surveys import Option, Question, Survey, asked_words, check_answer, check_closing, moves, problems

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
EVENINGS = Question("Which evening?", [Option("Tuesday"), Option("Wednesday")])
POLL = Survey(Channel.POLL, [EVENINGS], NOW + timedelta(days=3))
CAKES = Question("Cakes", [Option("Friday", 2), Option("Saturday", 1)])
SIGNUP = Survey(Channel.SIGNUP, [CAKES, CAKES], NOW + timedelta(days=3))
LINKS = Links("a secret of thirty-two characters")
LINK = Link("0192d1f0-0000-7000-8000-00000000002a", 1_000_000, NOW + timedelta(days=33))


def _pointers(channels: list[str], survey: Survey | None) -> list[str]:
    return [pointer for pointer, _ in problems(channels, survey)]


def test_a_poll_and_a_sign_up_are_in_order() -> None:
    assert _pointers(["sms", "poll"], POLL) == []
    assert _pointers(["signup"], SIGNUP) == []
    assert _pointers(["email"], None) == []


@pytest.mark.parametrize(
    ("channels", "survey", "pointer"),
    [
        (["poll"], None, "/channels/0/survey"),
        (["email", "poll"], POLL, "/channels/0/channel"),
        (["poll", "signup"], POLL, "/channels/1/channel"),
        (["poll"], replace(POLL, closes_at=None), "/channels/0/survey/closes_at"),
        (["poll"], replace(POLL, questions=[]), "/channels/0/survey/questions"),
        (["poll"], replace(POLL, questions=[EVENINGS] * 11), "/channels/0/survey/questions"),
        (["poll"], replace(POLL, questions=[Question("", EVENINGS.options)]), "/channels/0/survey/questions/0/text"),
        (["poll"], replace(POLL, questions=[Question("x" * 301, EVENINGS.options)]),
         "/channels/0/survey/questions/0/text"),
        (["poll"], replace(POLL, questions=[Question("?", [Option("One")])]), "/channels/0/survey/questions/0/options"),
        (["poll"], replace(POLL, questions=[Question("?", [Option(str(n)) for n in range(11)])]),
         "/channels/0/survey/questions/0/options"),
        (["poll"], replace(POLL, questions=[Question("?", [Option("One"), Option("ONE")])]),
         "/channels/0/survey/questions/0/options/1/text"),
        (["poll"], replace(POLL, questions=[Question("?", [Option("One"), Option("x" * 151)])]),
         "/channels/0/survey/questions/0/options/1/text"),
        (["poll"], replace(POLL, questions=[Question("?", [Option("One"), Option("T\x00o")])]),
         "/channels/0/survey/questions/0/options/1/text"),
        (["poll"], replace(POLL, questions=[Question("?", [Option("One", 3), Option("Two")])]),
         "/channels/0/survey/questions/0/options/0/capacity"),
        (["signup"], replace(SIGNUP, questions=[Question("Cakes", [Option("Friday")])]),
         "/channels/0/survey/questions/0/options/0/capacity"),
        (["signup"], replace(SIGNUP, questions=[Question("Cakes", [Option("Friday", 1_001)])]),
         "/channels/0/survey/questions/0/options/0/capacity"),
    ],
)  # fmt: skip
def test_each_limit_names_its_place(channels: list[str], survey: Survey | None, pointer: str) -> None:
    assert _pointers(channels, survey) == [pointer]


@pytest.mark.parametrize("closes_at", [NOW, NOW - timedelta(1), NOW + timedelta(days=367)])
def test_it_closes_after_it_is_sent_and_within_a_year(closes_at: datetime) -> None:
    check_closing(POLL, NOW)
    check_closing(None, NOW)
    with pytest.raises(InvalidArgument) as caught:
        check_closing(replace(POLL, closes_at=closes_at), NOW)
    assert caught.value.reason == "SURVEY_CLOSING_INVALID"


@pytest.mark.accepts(163)
def test_all_words_are_said() -> None:
    assert asked_words(replace(POLL, questions=[EVENINGS, CAKES])) == (
        "1. Which evening?\n   - Tuesday\n   - Wednesday\n\n2. Cakes\n   - Friday\n   - Saturday"
    )


@pytest.mark.parametrize("chosen", [[], [1, 1], [3], [-1], [0]])
def test_an_answer_to_something_else_is_refused(chosen: list[int]) -> None:
    check_answer(POLL, [2])
    check_answer(SIGNUP, [0, 0])
    with pytest.raises(InvalidArgument):
        check_answer(POLL, chosen)


CHOSEN = st.lists(st.integers(0, 3), min_size=3, max_size=3)


@given(CHOSEN, CHOSEN)
def test_moves_lead_from_one_answer_to_the_other_in_one_order(before: list[int], after: list[int]) -> None:
    found = moves(before, after)
    assert found == sorted(found)
    held = {(question, option) for question, option in enumerate(before, 1) if option}
    for question, option, step in found:
        if step > 0:
            held.add((question, option))
        else:
            held.remove((question, option))
    assert held == {(question, option) for question, option in enumerate(after, 1) if option}


def test_a_link_is_read_as_it_was_signed_until_its_time() -> None:
    text = LINKS.sign(LINK)
    assert LINKS.read(text, NOW) == LINK
    assert (len(text), LINKS.sign(LINK)) == (55, text)
    with pytest.raises(NotFound):
        LINKS.read(text, LINK.expires_at)


def test_no_other_text_is_a_link() -> None:
    text = LINKS.sign(LINK)
    raw = base64.urlsafe_b64decode(text + "=")
    other = [
        text[:-1], text + "=", text + "A", "", "é", "%00", raw.hex(), text.swapcase(),
        *(base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).rstrip(b"=").decode()
          for at in range(len(raw))),
        Links("another secret of thirty-two characters").sign(LINK),
    ]  # fmt: skip
    for each in other:
        with pytest.raises(NotFound):
            LINKS.read(each, NOW)
