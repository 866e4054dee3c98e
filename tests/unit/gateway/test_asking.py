"""The editor of polls and sign-ups: what it reads, what its buttons do, what it refuses, and what it sends."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from werkzeug.datastructures import MultiDict

from protos.types.v1 import types_pb2 as types
from services.gateway.asking import Asking, Option, Question, asking_of, edit, problems, read_asking, survey_of

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
FORM = MultiDict(
    {
        "ask": "signup", "close_date": "2026-11-05", "close_time": "18:30",
        "question-1": "Cakes", "option-1-1": "Friday", "capacity-1-1": "2", "option-1-2": "Saturday",
        "capacity-1-2": "3",
        "question-2": "Drinks", "option-2-1": "Water", "capacity-2-1": "1",
    }
)  # fmt: skip


def poll(**changes: object) -> Asking:
    values = {"kind": "poll", "questions": [Question("Which?", [Option("One"), Option("Two")])]}
    return Asking(**{**values, "close_date": "2026-11-05", "close_time": "18:30", **changes})  # type: ignore[arg-type]


def pointers(asking: Asking) -> list[str]:
    return [pointer for pointer, _ in problems(asking, ZONE, NOW)]


def test_a_form_is_read_sent_and_shown_again_without_loss() -> None:
    asking = read_asking(FORM)
    assert pointers(asking) == []
    survey = survey_of(asking, ZONE)
    assert survey.closes_at.ToDatetime(UTC) == datetime(2026, 11, 5, 23, 30, tzinfo=UTC)
    assert [(each.text, [(o.text, o.capacity) for o in each.options]) for each in survey.questions] == [
        ("Cakes", [("Friday", 2), ("Saturday", 3)]),
        ("Drinks", [("Water", 1)]),
    ]
    assert asking_of(types.CHANNEL_SIGNUP, survey, ZONE) == asking


def test_a_poll_that_was_a_sign_up_sends_no_places() -> None:
    asking = read_asking(MultiDict({**FORM.to_dict(), "ask": "poll"}))
    assert {o.capacity for each in survey_of(asking, ZONE).questions for o in each.options} == {0}
    assert asking.questions[0].options[0].capacity == "2"


@pytest.mark.parametrize(
    ("wanted", "shape", "focus"),
    [
        ("add-question", [2, 1, 2], "question-3"),
        ("remove-question-1", [1], "question-1"),
        ("remove-question-2", [2], "question-1"),
        ("add-option-2", [2, 2], "option-2-2"),
        ("remove-option-1-1", [1, 1], "option-1-1"),
        ("remove-option-1-2", [1, 1], "option-1-1"),
        ("remove-option-2-1", [2, 1], ""),
        ("remove-option-1-9", [2, 1], ""),
        ("remove-question-9", [2, 1], ""),
        ("add-option-0", [2, 1], ""),
        ("nothing", [2, 1], ""),
        ("", [2, 1], ""),
    ],
)
def test_buttons_add_and_remove(wanted: str, shape: list[int], focus: str) -> None:
    asking = read_asking(FORM)
    edit(asking, wanted)
    assert [len(each.options) for each in asking.questions] == shape
    assert asking.focus == focus


def test_there_are_never_more_than_ten() -> None:
    asking = Asking("poll")
    for _ in range(20):
        edit(asking, "add-question")
        edit(asking, "add-option-1")
    assert (len(asking.questions), len(asking.questions[0].options)) == (10, 10)


def test_lines_that_nobody_filled_in_are_not_sent() -> None:
    asking = poll(questions=[Question("Which?", [Option("One"), Option(), Option("Two")])])
    assert pointers(asking) == []
    assert [each.text for each in survey_of(asking, ZONE).questions[0].options] == ["One", "Two"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"close_date": ""}, "/survey/closes_at"),
        ({"close_date": "2026-11-01"}, "/survey/closes_at"),
        ({"close_date": "2028-01-01"}, "/survey/closes_at"),
        ({"close_time": "x"}, "/survey/closes_at"),
        ({"questions": [Question("", [Option("One"), Option("Two")])]}, "/survey/questions/0/text"),
        ({"questions": [Question("x" * 301, [Option("One"), Option("Two")])]}, "/survey/questions/0/text"),
        ({"questions": [Question("Which?", [Option("One"), Option()])]}, "/survey/questions/0/options"),
        ({"questions": [Question("Which?", [Option("One"), Option(" ONE ")])]}, "/survey/questions/0/options/1/text"),
        ({"questions": [Question("Which?", [Option("One"), Option("x" * 151)])]}, "/survey/questions/0/options/1/text"),
        ({"kind": "signup", "questions": [Question("Cakes", [Option("One", "0")])]},
         "/survey/questions/0/options/0/capacity"),
        ({"kind": "signup", "questions": [Question("Cakes", [Option("One", "1001")])]},
         "/survey/questions/0/options/0/capacity"),
        ({"kind": "signup", "questions": [Question("Cakes", [Option("", "5")])]}, "/survey/questions/0/options/0/text"),
        ({"kind": "signup", "questions": [Question("Cakes", [Option()])]}, "/survey/questions/0/options"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_field(changes: dict[str, object], pointer: str) -> None:
    assert pointers(poll(**changes)) == [pointer]
