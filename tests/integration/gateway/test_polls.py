"""Polls and sign-ups: sent by the API, answered by the link of an e-mail and in the portal inbox."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from protos.queue.v1 import queue_pb2 as queue
from services.kit.ids import new_id
from services.queue.links import Link, Links
from tests.integration.gateway.stack import ANSWERS_SECRET, Browser, Stack
from tests.integration.gateway.test_referring import sheet
from tests.support.eventually import eventually_sync

LINKS = Links(ANSWERS_SECRET)
EVENINGS = {"text": "Which evening?", "options": [{"text": "Tuesday"}, {"text": "Wednesday"}]}
CAKES = {"text": "Cakes", "options": [{"text": "Friday", "capacity": 1}, {"text": "Saturday", "capacity": 5}]}


def closing(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**(later or {"days": 2}))).isoformat()


def send(browser: Browser, way: str = "poll", question: dict[str, Any] = EVENINGS, **changes: Any) -> Any:
    body = {
        "idempotency_key": new_id(),
        "subject": "Parents' evening",
        "body": "Please tell us.",
        "channels": [way],
        "audience": {"roles": ["parent"]},
        "survey": {"questions": [question], "closes_at": closing()},
    }
    return browser.send_json("POST", "/api/v1/messages", {**body, **changes})


def sent(stack: Stack, **fields: Any) -> dict[str, Any]:
    answer = send(stack.browser("pri"), **fields)
    assert answer.status_code == 200, answer.get_json()
    return dict(answer.get_json())


def link(message: dict[str, Any], number: int = 1, **life: float) -> str:
    entry_id = message["entries"][0]["entry_id"]
    until = datetime.now(UTC) + timedelta(**(life or {"days": 9}))
    return f"/answer/{LINKS.sign(Link(entry_id, number, until))}"


def checked(page: str) -> list[tuple[str, str]]:
    return re.findall(r'name="(q\d+)" value="(\d+)" checked', page)


def test_a_link_is_answered_without_an_account(stack: Stack) -> None:
    address, family = link(sent(stack)), stack.browser()
    page = family.get(address)
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "Which evening?" in text
    assert checked(text) == []
    assert not any(name in text for name in ("Rosa", "Amy", "Stone"))
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["Cache-Control"] == "no-store"
    # Mail scanners open links: once more, and nothing was answered.
    assert checked(family.get(f"{address}?q1=2").get_data(as_text=True)) == []
    done = family.client.post(address, data={"q1": "2"})
    assert (done.status_code, done.headers["Location"]) == (303, f"{address}?saved=1")
    text = family.get(done.headers["Location"]).get_data(as_text=True)
    assert "Your answer is stored." in text
    assert checked(text) == [("q1", "2")]
    family.client.post(address, data={"q1": "1"})
    assert checked(family.get(address).get_data(as_text=True)) == [("q1", "1")]


@pytest.mark.parametrize("form", [{}, {"q1": "0"}, {"q1": "9"}, {"q1": "x"}, {"q2": "1"}, {"q1": "1" * 50}])
def test_what_is_no_answer_says_so_at_the_question(stack: Stack, form: dict[str, str]) -> None:
    address, family = link(sent(stack)), stack.browser()
    page = family.client.post(address, data=form)
    assert page.status_code == 400
    assert re.search(r'class="field-error" id="q1-1-error">.*Choose', page.get_data(as_text=True))
    assert checked(family.get(address).get_data(as_text=True)) == []


def test_the_page_speaks_the_language_of_what_it_asks(stack: Stack) -> None:
    address, family = link(sent(stack, language="es", is_translated=False)), stack.browser()
    refused = family.client.post(address, data={"q1": "9"}).get_data(as_text=True)
    assert '<html lang="es"' in refused
    for said in ("Elija una de las opciones.", "Todavía no se cambió nada.", "Responder</button>", "hora de New York"):
        assert said in refused
    broken = family.client.get("/answer/x", headers={"Accept-Language": "vi, fr-CA;q=0.8, en;q=0.5"})
    assert "Ce lien ne fonctionne pas" in broken.get_data(as_text=True)


@pytest.mark.parametrize("form", [{}, {"q1": "-1"}, {"q1": "two"}, {"q1": "100"}])
def test_what_says_nothing_takes_nobody_out_of_a_sign_up(stack: Stack, form: dict[str, str]) -> None:
    address, family = link(sent(stack, way="signup", question=CAKES)), stack.browser()
    assert family.client.post(address, data={"q1": "2"}).status_code == 303
    refused = family.client.post(address, data=form)
    assert (refused.status_code, "Choose one of the options." in refused.get_data(as_text=True)) == (400, True)
    assert checked(family.get(address).get_data(as_text=True)) == [("q1", "2")]
    assert family.client.post(address, data={"q1": "0"}).status_code == 303
    assert checked(family.get(address).get_data(as_text=True)) == [("q1", "0")]


def test_a_full_slot_says_so_and_the_others_remain_open(stack: Stack) -> None:
    message = sent(stack, way="signup", question=CAKES)
    first, second = link(message, 1), link(message, 2)
    family = stack.browser()
    assert family.client.post(first, data={"q1": "1"}).status_code == 303
    page = family.client.post(second, data={"q1": "1"})
    text = page.get_data(as_text=True)
    assert page.status_code == 400
    assert "This has just been taken. Choose another one." in text
    assert re.search(r'value="1" disabled> <span dir="auto" lang="en">Friday</span> <span class="places">Full', text)
    assert "5 places left" in text
    assert family.client.post(second, data={"q1": "2"}).status_code == 303
    own = family.get(first).get_data(as_text=True)
    assert re.search(
        r'value="1" checked> <span dir="auto" lang="en">Friday</span> <span class="places">Your place', own
    )
    assert family.client.post(first, data={"q1": "0"}).status_code == 303
    assert family.client.post(second, data={"q1": "1"}).status_code == 303


@pytest.mark.parametrize("address", ["/answer/x", "/answer/" + "A" * 55, "/answer/" + "A" * 199])
def test_a_link_that_is_none_says_so(stack: Stack, address: str) -> None:
    family = stack.browser()
    for page in (family.get(address), family.client.post(address, data={"q1": "1"})):
        assert page.status_code == 404
        assert "This link does not work" in page.get_data(as_text=True)
        assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_link_ends_and_belongs_to_its_recipient_alone(stack: Stack) -> None:
    message, family = sent(stack), stack.browser()
    assert family.get(link(message, seconds=-1)).status_code == 404
    token = link(message)
    assert family.get(token[:-1] + ("A" if token[-1] != "A" else "B")).status_code == 404


def test_too_many_wrong_links_and_answers_are_refused(stack: Stack) -> None:
    family, address = stack.browser(), link(sent(stack))
    statuses = [family.client.post(address, data={"q1": "1"}).status_code for _ in range(61)]
    assert (statuses[59], statuses[60]) == (303, 429)
    stack.clock.later = timedelta(minutes=16)
    assert family.client.post(address, data={"q1": "1"}).status_code == 303
    statuses = [family.get(f"/answer/{number}").status_code for number in range(101)]
    assert (statuses[99], statuses[100]) == (404, 429)
    assert family.get(address).status_code == 200


def test_a_closed_poll_shows_the_answer(stack: Stack) -> None:
    message = sent(stack, survey={"questions": [EVENINGS], "closes_at": closing(seconds=3)})
    address, family = link(message), stack.browser()
    assert family.client.post(address, data={"q1": "2"}).status_code == 303

    def is_closed() -> str:
        text = family.get(address).get_data(as_text=True)
        assert "This poll is closed." in text
        return str(text)

    text = eventually_sync(is_closed)
    assert re.search(r"<dd[^>]*>Wednesday</dd>", text)
    assert "<form" not in text
    late = family.client.post(address, data={"q1": "1"})
    assert late.status_code == 409
    assert "It closed before your answer came. Nothing was changed." in late.get_data(as_text=True)


def test_a_cancelled_message_is_no_longer_available(stack: Stack) -> None:
    message, family = sent(stack), stack.browser()
    wanted = queue.CancelMessageRequest(message_id=message["message_id"])
    stack.gateway.clients.queue.CancelMessage(wanted, metadata=stack.operator)
    page = family.get(link(message))
    assert page.status_code == 410
    assert "no longer available" in page.get_data(as_text=True)


def test_people_answer_in_their_inbox(stack: Stack) -> None:
    message, mum = sent(stack), stack.browser("mum")
    address = f"/inbox/{message['message_id']}"
    assert '<span class="chip">Poll</span>' in mum.get("/inbox").get_data(as_text=True)
    text = mum.get(address).get_data(as_text=True)
    assert mum.client.post(f"{address}/answer", data={"q1": "2"}).status_code == 400, "a form token is needed"
    number = re.search(r'name="number" value="(\d+)"', text)
    assert number
    done = mum.post(f"{address}/answer", {"number": number[1], "q1": "2"}, page=address)
    assert done.status_code == 303
    text = mum.get(done.headers["Location"]).get_data(as_text=True)
    assert "Your answer is stored." in text
    assert checked(text) == [("q1", "2")]
    wrong = mum.post(f"{address}/answer", {"number": number[1], "q1": "7"}, page=address)
    assert (wrong.status_code, "Choose one of the options." in wrong.get_data(as_text=True)) == (400, True)
    api = mum.get(f"/api{address.replace('/inbox', '/v1/inbox')}/survey").get_json()
    assert (api["chosen"], api["is_closed"]) == ([2], False)
    changed = mum.send_json("PUT", f"/api/v1/inbox/{message['message_id']}/survey", {"chosen": [1]})
    assert changed.get_json()["chosen"] == [1]
    stranger = stack.browser("tea")
    assert stranger.get(f"/api/v1/inbox/{message['message_id']}/survey").status_code == 404
    assert stranger.post(f"{address}/answer", {"number": number[1], "q1": "1"}).status_code == 404


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"survey": None}, "/survey"),
        ({"channels": ["email"]}, "/survey"),
        ({"channels": ["poll", "signup"]}, "/survey"),
        ({"channels": ["poll", "email"]}, "/channels"),
        ({"survey": {"questions": [EVENINGS], "closes_at": closing(days=-1)}}, "/survey/closes_at"),
        ({"survey": {"questions": [EVENINGS], "closes_at": "2027-01-01T08:00:00"}}, "/survey/closes_at"),
        ({"survey": {"questions": [], "closes_at": closing()}}, "/survey/questions"),
        ({"survey": {"questions": [EVENINGS] * 11, "closes_at": closing()}}, "/survey/questions"),
        ({"survey": {"questions": [{"text": "?", "options": [{"text": "One"}]}], "closes_at": closing()}},
         "/survey/questions/0/options"),
        ({"channels": ["signup"]}, "/survey/questions/0/options/0/capacity"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(stack: Stack, changes: dict[str, Any], pointer: str) -> None:
    answer = send(stack.browser("pri"), **changes)
    assert answer.status_code == 400
    assert pointer in [each["pointer"] for each in answer.get_json()["errors"]]


def results(stack: Stack, message: dict[str, Any], username: str = "pri", **asked: Any) -> str:
    """The pop-up of the poll's message, as somebody sees it."""
    entry_id = message["entries"][0]["entry_id"]
    page = stack.browser(username).get(f"/reports/history/entries/{entry_id}/message", query_string=asked)
    assert page.status_code == 200
    return page.get_data(as_text=True)


@pytest.fixture(scope="module")
def answered(stack: Stack) -> dict[str, Any]:
    """A poll of two questions that a parent answered."""
    second = {"text": "How many of you?", "options": [{"text": "One"}, {"text": "Two"}, {"text": "More"}]}
    message = sent(stack, survey={"questions": [EVENINGS, second], "closes_at": closing()})
    assert stack.browser().client.post(link(message), data={"q1": "2", "q2": "3"}).status_code == 303

    def is_there() -> None:
        assert re.search(r"<td[^>]*>Wednesday</td>", results(stack, message))

    eventually_sync(is_there)
    return message


@pytest.mark.accepts(90, 93, 318)
@pytest.mark.parametrize(("chart", "mark"), [("bar", 'class="bars"'), ("pie", 'class="pie"')])
def test_the_pop_up_draws_the_answers_so_far_and_lists_them(
    stack: Stack, answered: dict[str, Any], chart: str, mark: str
) -> None:
    text = results(stack, answered, chart=chart)
    other = {"bar": 'class="pie"', "pie": 'class="bars"'}[chart]
    assert mark in text
    assert other not in text
    assert f'aria-label="{"Bar graph" if chart == "bar" else "Pie chart"}: Tuesday 0 %, Wednesday 100 %"' in text
    assert "Wednesday: 100 %, 1 response" in text
    assert "These are the responses so far" in text
    assert "Open until <strong>" in text
    assert re.search(r"Wednesday</th><td class=\"number\">1</td><td class=\"number\">100 %", text)
    assert re.search(r"<bdi>Rosa Stone</bdi>", text)


@pytest.mark.accepts(91)
def test_arrows_move_between_questions(stack: Stack, answered: dict[str, Any]) -> None:
    first, second = results(stack, answered), results(stack, answered, question=2)
    assert re.search(r'question=2[^"]*"[^>]*data-arrow="next" aria-label="Next question"', first)
    assert 'data-arrow="previous"' not in first
    assert re.search(r'question=1[^"]*"[^>]*data-arrow="previous" aria-label="Previous question"', second)
    assert 'data-arrow="next"' not in second
    assert "How many of you?" in second
    assert re.search(r"<td[^>]*>More</td>", second)


@pytest.mark.accepts(90, 213, 223)
def test_who_answered_what_is_a_table_and_so_is_who_did_not(stack: Stack, answered: dict[str, Any]) -> None:
    browser, entry_id = stack.browser("pri"), answered["entries"][0]["entry_id"]
    base = f"/reports/history/entries/{entry_id}"

    def ruled(value: str) -> str:
        return urlencode({"rrule_column": "response", "rrule_operator": "equals", "rrule_value": value})

    api = f"/api/v1/entries/{entry_id}/survey"
    found = [len(browser.get(f"{api}?{ruled(each)}").get_json()["answers"]) for each in ("wednesday", "tuesday")]
    assert found == [1, 0]
    text = browser.get(f"{base}/message?{ruled('tuesday')}").get_data(as_text=True)
    assert "No answer fits the rules" in text
    assert "Wednesday 100 %" in text
    following = re.search(r'href="([^"]*)"[^>]*data-arrow="next"', text)
    assert following
    assert "rrule_value" not in following[1]
    wrong = urlencode({"rrule_column": "answered", "rrule_operator": "less", "rrule_value": "soon"})
    assert "Answered: Write a date" in browser.get(f"{base}/message?{wrong}").get_data(as_text=True)
    assert browser.get(f"{api}?{wrong}").status_code == 400
    book = sheet(browser.get(f"{base}/message/excel?question=2").data)
    assert len(re.findall("<row", book)) == 2
    assert [each in book for each in ("How many of you?", "Wednesday", "More", "Rosa Stone")] == [True] * 4
    others = f"{base}/recipients?state=unanswered"
    assert f'href="{others}"' in results(stack, answered)
    page = browser.get(others).get_data(as_text=True)
    assert re.search(r'Not answered yet <span class="quiet">· 1<', page)
    assert len(re.findall("<row", sheet(browser.get(f"{base}/recipients/excel?state=unanswered").data))) == 2
    assert [stack.browser(each).get(f"{base}/message/excel").status_code for each in ("tea", "mum")] == [404, 403]


@pytest.mark.accepts(92)
def test_a_sign_up_has_no_chart(stack: Stack) -> None:
    message = sent(stack, way="signup", question=CAKES)
    assert stack.browser().client.post(link(message), data={"q1": "1"}).status_code == 303

    def is_there() -> str:
        text = results(stack, message)
        assert re.search(r"<td[^>]*>Friday</td>", text)
        return text

    text = eventually_sync(is_there)
    assert 'class="bars"' not in text
    assert 'class="pie"' not in text
    assert "chart=" not in re.sub(r"chart=bar", "", text)
    assert re.search(r'Friday</th><td class="number">1</td><td class="number">1 <span class="quiet">full', text)


@pytest.mark.accepts(24)
def test_the_history_finds_polls_and_sign_ups_by_type(stack: Stack, answered: dict[str, Any]) -> None:
    browser = stack.browser("pri")
    found = browser.get("/api/v1/reports/history?searched=1&type=poll").get_json()["rows"]
    assert answered["entries"][0]["entry_id"] in [row["entry_id"] for row in found]
    assert {row["channel"] for row in found} == {"CHANNEL_POLL"}
    page = browser.get("/reports/history").get_data(as_text=True)
    assert re.search(r'name="type" value="poll"> Poll</label>', page)
    assert re.search(r'name="type" value="signup"> Sign up</label>', page)


def test_only_those_who_see_the_message_see_its_answers(stack: Stack, answered: dict[str, Any]) -> None:
    address = f"/api/v1/entries/{answered['entries'][0]['entry_id']}/survey"
    own = stack.browser("pri").get(address).get_json()
    assert (own["counts"], [each["name"] for each in own["answers"]]) == (["0", "1"], ["Rosa Stone"])
    assert stack.browser("tea").get(address).status_code == 404
    assert stack.browser("mum").get(address).status_code == 403
