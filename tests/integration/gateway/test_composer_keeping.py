"""The composer throws nothing away that was filled in: what is not chosen stays on the form, and is not sent."""

import io
import re
from typing import Any

import pytest

from services.gateway.routes import compose
from services.kit.ids import new_id
from tests.integration.gateway.filled import Fields, filled
from tests.integration.gateway.stack import Browser, Stack
from tests.support.sound import wav

FORM: dict[str, Any] = {
    "subject": "Picture day", "body": "Bring a smile.", "audience": "directory", "role": "student", "channel": "email",
}  # fmt: skip
LIST = b"name,email\nAna,ana@example.org\n"


def post(browser: Browser, **changes: Any) -> Any:
    return browser.post("/compose", {**FORM, "key": new_id(), **changes}, page="/compose")


def kept(answer: Any) -> Fields:
    """Return what the composer shows as filled in."""
    return filled(answer.get_data(as_text=True), "/compose")


def test_a_text_of_a_way_that_is_not_ticked_stays_and_is_no_change(stack: Stack) -> None:
    browser = stack.browser("pri")
    answer = post(browser, text_sms="Smile!", text_tts="Please smile.")
    form = kept(answer)
    assert (form["text_sms"], form["text_tts"], form["channel"]) == (["Smile!"], ["Please smile."], ["email"])
    assert "<details open><summary>Another text for SMS" in answer.get_data(as_text=True)
    ticked = kept(browser.post("/compose", {**form, "channel": ["email", "sms"], "step": "send"}, page="/compose"))
    assert (ticked["text_sms"], ticked["channel"]) == (["Smile!"], ["email", "sms"])
    sent = browser.post("/compose", {**form, "text_sms": "Grin!", "step": "send"}, page="/compose")
    assert "Message sent" in sent.get_data(as_text=True)


def test_a_poll_takes_the_text_of_the_e_mail_that_it_is(stack: Stack) -> None:
    asked = {"ask": "poll", "question-1": "Coming?", "option-1-1": "Yes", "option-1-2": "No"}
    form = kept(post(stack.browser("pri"), **asked, channel="push", text_email="By mail.", close_date="2099-01-01"))
    assert (form["text_email"], form["channel"]) == (["By mail."], ["email", "push"])


def test_whom_another_audience_names_stays_and_is_not_written_to(stack: Stack) -> None:
    browser, amy, tea = stack.browser("pri"), stack.people["amy"], stack.people["tea"]
    both = {"role": ["student", "teacher"], "school": stack.school_id, "grade": "09", "student": amy, "person": tea}
    listed = kept(post(browser, **both, audience="list", list=(io.BytesIO(LIST), "list.csv")))
    everything = {"role": ["student", "teacher"], "school": [stack.school_id], "grade": ["09"], "student": [amy]}
    everything |= {"person": [tea], "list_id": listed["list_id"]}
    reached = {"list": "1 recipient", "people": "2 recipients", "directory": "1 recipient"}
    assert listed["list_id"] != [""]
    for way, words in reached.items():
        answer = browser.post("/compose", {**listed, "audience": way, "step": "preview"}, page="/compose")
        form = kept(answer)
        assert re.findall("<strong>([^<]+ recipients?)</strong>", answer.get_data(as_text=True)) == [words], way
        assert (form["audience"], {name: form[name] for name in everything}) == ([way], everything)


def test_an_audience_without_anybody_stays_the_chosen_one(stack: Stack) -> None:
    answer = post(stack.browser("pri"), audience="people", role="")
    assert (answer.status_code, kept(answer)["audience"]) == (400, ["people"])
    assert "Choose who should get it" in answer.get_data(as_text=True)


@pytest.mark.parametrize("content", [b"name,email\n", b"name,email\n" + b"x" * 200])
def test_a_refused_list_shows_its_error_and_costs_no_other_upload(
    stack: Stack, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "BODY_BYTES", 100)
    files = {"list": (io.BytesIO(content), "list.csv"), "recording": (io.BytesIO(wav(1.5)), "call.wav")}
    answer = post(stack.browser("pri"), **files, audience="list", student=stack.people["amy"])
    page, form = answer.get_data(as_text=True), kept(answer)
    assert answer.status_code in {400, 413}
    assert 'id="list" type="file"' in page
    assert 'aria-invalid="true" aria-describedby="error-list"' in page
    assert form["audience"] == ["list"]
    assert (form["subject"], form["channel"]) == (["Picture day"], ["email", "recorded"])
    assert form["recording_id"] != [""]


def test_a_refused_recording_costs_no_list(stack: Stack) -> None:
    files = {"list": (io.BytesIO(LIST), "list.csv"), "recording": (io.BytesIO(b"no sound"), "call.wav")}
    answer = post(stack.browser("pri"), **files, audience="list")
    assert (answer.status_code, kept(answer)["audience"]) == (400, ["list"])
    assert "list.csv: 1 usable row." in answer.get_data(as_text=True)
