"""Phrases of the screening policy are tried on what students wrote, which the queue has; on real services."""

import re
from typing import Any

import pytest

from protos.queue.v1 import queue_pb2_grpc
from services.gateway import trying
from tests.integration.gateway.policy_pages import send, write
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Browser, Stack, away
from tests.integration.gateway.test_policy import principals_manage_the_policy
from tests.support.eventually import eventually_sync

SERVICES = (*USUAL, "moderation")
SONG = "i want to kill myself"


def tried(browser: Browser, **changed: str) -> str:
    """Return the page that shows what a change would have done."""
    page = browser.get("/policy").get_data(as_text=True)
    answer = send(browser, page, "try", **changed)
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def screened(stack: Stack, messages: int) -> None:
    """Wait until screening has decided about so many messages of students."""
    district = stack.browser("off")

    def are_decided() -> None:
        assert "Phrases were tried on every message" in (page := tried(district, blocked_phrases="zebra"))
        assert f"Of {messages} message" in page

    eventually_sync(are_decided, 30)


@pytest.mark.accepts(304)
def test_a_phrase_is_tried_on_what_students_wrote_and_examples_are_shown_to_whom_may_see_them(stack: Stack) -> None:
    student, district = stack.browser("amy"), stack.browser("off")
    write(student, "He took a sh0t at the goal", stack.people["tea"], subject="The game")
    write(student, f"{SONG} is the song, see you at noon", stack.people["tea"], subject="The band")
    screened(stack, 2)
    page = tried(district, blocked_phrases="shot")
    assert (
        "Of 2 messages of students in the last 30 days, <strong>2</strong> would have been withheld instead of 1"
        in page
    )
    assert "that went out would have been withheld." in page
    assert "Phrases were tried on every message." in page
    assert "Not in these counts" not in page
    example = page.partition("Show examples that you may see (1)")[2]
    assert re.search(r"Would have been withheld</strong>.*“shot”</span>.*Open</a>", example)
    assert "He took a sh0t at the goal" in example
    page = tried(district, allowed_phrases=f"{SONG} is the song")
    assert "Judged again by the embedded model, for an allowed phrase that comes or goes: 1 message." in page
    assert "<strong>0</strong> would have been withheld instead of 1" in page
    assert "that was withheld would have gone out." in page
    page = tried(district, shadow="on")
    assert "Phrases were tried" not in page, "none comes or goes"


def test_it_says_how_many_were_tried_of_how_many(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue answers one page, and then no more."""
    asked: list[str] = []
    whole = trying._page

    def first_alone(clients: Any, texts: Any) -> Any:
        asked.append("")
        return whole(clients, texts)[:1] if len(asked) == 1 else []

    monkeypatch.setattr(trying, "_page", first_alone)
    page = tried(stack.browser("off"), blocked_phrases="shot")
    assert "Phrases were tried on the newest 1 of 2 messages." in page


def test_while_the_queue_is_away_the_page_shows_what_the_scores_say_and_that_phrases_were_not_tried(
    stack: Stack,
) -> None:
    with away(stack, queue=queue_pb2_grpc.QueueServiceStub):
        page = tried(stack.browser("off"), blocked_phrases="shot", allowed_phrases="old mill")
    assert "By their scores alone, no message would have fared differently." in page
    assert (
        "<strong>Not in these counts:</strong> 1 new blocked phrase and 1 allowed phrase added or removed. Phrases"
        " could not be tried on the past now" in page
    )


def test_who_sees_one_school_is_told_of_its_students_alone(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    whole = trying._page

    def noted(clients: Any, texts: Any) -> Any:
        asked.append(list(texts.school_ids))
        return whole(clients, texts)

    monkeypatch.setattr(trying, "_page", noted)
    principal = stack.browser("pri")
    with principals_manage_the_policy(stack):
        added = send(principal, principal.get("/policy").get_data(as_text=True), "exception").get_data(as_text=True)
        page = send(principal, added, "try", **{"0.blocked_phrases": "shot"}).get_data(as_text=True)
    assert "Of 2 messages of students of your schools" in page
    assert "that went out would have been withheld." in page
    assert "Your profile shows you none of these messages." not in page
    assert asked
    assert all(schools == [stack.school_id] for schools in asked)


def test_a_form_of_an_earlier_version_is_not_tried(stack: Stack) -> None:
    """It would be compared with a policy that it does not show; saving refuses it, too."""
    district = stack.browser("off")
    page = district.get("/policy").get_data(as_text=True)
    shown = send(district, page, "try", allowed_phrases="old mill").get_data(as_text=True)
    assert send(district, shown, "save", note="A trial.").status_code == 303
    answer = send(district, page, "try", shadow="on")
    late = answer.get_data(as_text=True)
    assert (answer.status_code, "Somebody else changed the policy meanwhile." in late) == (409, True)
    assert "could not be read in time" not in late
    assert "What this would have done" not in late
    assert send(district, shown, "save", note="").status_code == 409, "also when it is to be saved, and lacks its note"
