"""The composer's editor of polls and sign-ups: nothing is lost, with and without script, and what it makes is sent."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.directory.v1 import directory_pb2 as directory
from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack

FORM: dict[str, Any] = {
    "subject": "Winter concert", "body": "Please help.", "audience": "directory", "role": "parent", "channel": "email",
    "ask": "signup", "question-1": "Cakes", "option-1-1": "Friday", "capacity-1-1": "2", "option-1-2": "Saturday",
    "capacity-1-2": "30", "close_date": f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}", "close_time": "18:30",
    "text_email": "Please help, families.",
}  # fmt: skip


def fields(page: str) -> dict[str, str]:
    """The editor's fields with their values."""
    names = r"(?:question|option|capacity)-[\d-]+|close_\w+"
    return dict(re.findall(rf'name="({names})" value="([^"]*)"', page))


def post(browser: Browser, address: str = "/compose", **changes: Any) -> Any:
    return browser.post(address, {**FORM, **changes}, page="/compose")


@pytest.mark.parametrize("address", ["/compose", "/compose/survey"])
def test_a_button_keeps_what_was_filled_in(stack: Stack, address: str) -> None:
    page = post(stack.browser("pri"), address, edit="add-option-1")
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    kept = {name: value for name, value in FORM.items() if re.match(r"question|option|capacity|close", name)}
    assert fields(text) == {**kept, "option-1-3": "", "capacity-1-3": ""}
    assert re.search(r'name="option-1-3"[^>]*autofocus', text)
    assert re.search(r'name="ask" value="signup" checked', text)
    if address == "/compose":
        assert 'value="Winter concert"' in text
        assert ">Please help.</textarea>" in text
        assert ">Please help, families.</textarea>" in text
        assert re.search(r'name="channel" value="email" checked', text)


def test_an_error_comes_back_at_its_field_without_loss(stack: Stack) -> None:
    page = post(stack.browser("pri"), **{"capacity-1-2": "many"})
    text = page.get_data(as_text=True)
    assert page.status_code == 400
    assert fields(text)["capacity-1-2"] == "many"
    assert re.search(r'name="capacity-1-2"[^>]*aria-describedby="error-survey-questions-0-options-1-capacity"', text)
    assert 'id="error-survey-questions-0-options-1-capacity"' in text


def test_the_preview_says_which_ways_carry_the_link(stack: Stack) -> None:
    page = post(stack.browser("pri"), channel=["email", "sms", "push"]).get_data(as_text=True)
    assert "SMS: each recipient's own link to answer stands below the text." in html.unescape(page)
    assert "Push notifications: a tap opens each recipient's own link to answer." in html.unescape(page)


def test_a_text_beside_a_poll_leaves_room_for_the_link(stack: Stack) -> None:
    browser, ways = stack.browser("pri"), ["email", "sms"]
    page = post(browser, channel=ways, text_sms="x" * 1_301)
    text = page.get_data(as_text=True)
    assert page.status_code == 400
    assert "SMS takes 1,300 characters beside the link to answer. Write a shorter text for it." in text
    assert 'id="error-texts-sms"' in text
    assert 'name="text_sms" rows="3" maxlength="1300"' in text
    fits = post(browser, channel=ways, text_sms="x" * 1_300)
    assert (fits.status_code, "data-previewed" in fits.get_data(as_text=True)) == (200, True)
    alone = post(browser, channel=ways, text_sms="x" * 1_301, ask="")
    assert alone.status_code == 200
    assert 'name="text_sms" rows="3" maxlength="1600"' in alone.get_data(as_text=True)


def test_what_is_previewed_is_sent_once_as_a_sign_up_and_no_e_mail(stack: Stack) -> None:
    browser = stack.browser("pri")
    preview = post(browser).get_data(as_text=True)
    assert re.search(r'<th scope="row">Sign-up</th><td class="number">\d', preview)
    assert '<th scope="row">E-mail</th>' not in preview
    key = re.search(r'name="key" value="([^"]+)"', preview)
    assert key
    for _ in range(2):
        sent = post(browser, step="send", key=key[1])
        assert sent.status_code == 200
    rows = browser.get("/api/v1/sent").get_json()["items"]
    (row,) = [each for each in rows if each["subject"] == "Winter concert"]
    assert row["survey_channel"] == "CHANNEL_SIGNUP"
    (item,) = [each for each in stack.browser("mum").get("/api/v1/inbox").get_json()["items"]
               if each["message_id"] == row["message_id"]]  # fmt: skip
    assert item["survey_channel"] == "CHANNEL_SIGNUP"


def test_a_poll_that_is_sent_later_is_edited_as_it_was(stack: Stack) -> None:
    browser = stack.browser("pri")
    day = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    kept = post(browser, ask="poll", step="send", when="later", start_date=day, send_time="08:00")
    assert kept.status_code == 303
    text = browser.get(f"{kept.headers['Location']}/edit").get_data(as_text=True)
    assert fields(text)["option-1-2"] == "Saturday"
    assert fields(text)["close_time"] == "18:30"
    assert re.search(r'name="ask" value="poll" checked', text)
    early = post(browser, ask="poll", step="send", when="later", start_date=FORM["close_date"], send_time="23:00")
    assert early.status_code == 400
    assert "Choose a time after it is sent" in early.get_data(as_text=True)


def test_families_who_write_to_staff_have_no_editor(stack: Stack) -> None:
    browser = stack.browser("mum")
    assert "survey-editor" not in browser.get("/compose").get_data(as_text=True)
    assert browser.post("/compose/survey", FORM, page="/compose").status_code == 403
    assert browser.post("/compose", {**FORM, "person": stack.people["tea"]}, page="/compose").status_code == 403


@pytest.mark.accepts(90, 163)
def test_a_student_asks_a_teacher_and_sees_what_is_chosen(stack: Stack) -> None:
    student, form = stack.browser("amy"), {
        "subject": "Interview", "body": "For the paper.", "person": stack.people["tea"], "ask": "poll", "step": "send",
        "question-1": "When?", "option-1-1": "Monday", "close_date": FORM["close_date"], "close_time": "18:30",
    }  # fmt: skip
    assert 'id="survey-editor"' in student.get("/compose").get_data(as_text=True)
    edited = student.post("/compose/survey", {**form, "edit": "add-option-1"}, page="/compose")
    assert "option-1-2" in fields(edited.get_data(as_text=True))
    few = student.post("/compose", form, page="/compose")
    assert (few.status_code, "Give at least two answers" in few.get_data(as_text=True)) == (400, True)
    page = student.post("/compose", {**form, "option-1-2": "Tuesday"}, page="/compose").get_data(as_text=True)
    assert "Message sent" in page
    item = student.get("/api/v1/sent").get_json()["items"][0]
    assert (item["subject"], item["survey_channel"]) == ("Interview", "CHANNEL_POLL")
    sent = student.get(f"/sent/{item['message_id']}").get_data(as_text=True)
    assert "Answers so far" in sent
    assert re.search(r'Tuesday</th><td class="number">0<', sent)
    address = f"/api/v1/sent/{item['message_id']}/survey"
    assert student.get(address).get_json()["questions"] == [{"counts": ["0", "0"]}]
    assert [stack.browser(each).get(address).status_code for each in ("tea", "mum")] == [404, 404]


@pytest.mark.accepts(163)
def test_a_student_asks_several_teachers_at_once(stack: Stack) -> None:
    student, chosen = stack.browser("amy"), [stack.people["tea"], stack.people["pri"]]
    form: dict[str, Any] = {
        "subject": "For the paper", "body": "A short one.", "person": chosen, "ask": "poll", "step": "send",
        "question-1": "Coffee?", "option-1-1": "Yes", "option-1-2": "No",
        "close_date": FORM["close_date"], "close_time": "18:30",
    }  # fmt: skip
    draft = student.post("/compose", {**form, "edit": "add-option-1"}, page="/compose").get_data(as_text=True)
    assert re.findall(r'name="person" value="([^"]+)" checked', draft) == chosen
    offered = re.findall(r'type="checkbox" name="person" value="([^"]+)"', draft)
    assert len(offered) == len(set(offered)) > len(chosen)
    page = student.post("/compose", form, page="/compose").get_data(as_text=True)
    assert "Tom Reed, Ida Cole" in page or "Ida Cole, Tom Reed" in page
    item = student.get("/api/v1/sent").get_json()["items"][0]
    assert item["subject"] == "For the paper"


def test_a_student_names_twenty_members_of_staff_at_most_and_nobody_else(stack: Stack) -> None:
    student, form = stack.browser("amy"), {"subject": "Hello", "body": "All of you.", "step": "send"}
    many = student.post("/compose", {**form, "person": [new_id() for _ in range(21)]}, page="/compose")
    assert (many.status_code, "Choose at most 20 people." in many.get_data(as_text=True)) == (400, True)
    none = student.post("/compose", form, page="/compose")
    assert (none.status_code, "Choose whom to write to." in none.get_data(as_text=True)) == (400, True)
    for other in (stack.people["mum"], new_id(), "nobody"):
        named = {**form, "person": [stack.people["tea"], other]}
        assert student.post("/compose", named, page="/compose").status_code == 403


def test_a_long_list_of_staff_says_that_it_is_not_all(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    student = stack.browser("amy")
    assert "These are the first ones." not in student.get("/people").get_data(as_text=True)
    found = [directory.Person(person_id=new_id(), name=f"Teacher {number}", is_active=True) for number in range(50)]
    monkeypatch.setattr("services.gateway.choosing.search", lambda *_: found)
    for address in ("/people", "/compose"):
        assert "These are the first ones." in student.get(address).get_data(as_text=True)
