"""What was being written when a session ended is shown again to whoever wrote it, and is never sent by that."""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from protos.directory.v1 import directory_pb2_grpc
from services.gateway.sessions import IDLE
from services.kit.ids import new_id
from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Browser, Stack, away
from tests.integration.gateway.telling import SCARY, student_message, tell_withheld
from tests.support.eventually import eventually_sync

SERVICES = (*USUAL, "moderation")
TEXT = 'School closes at noon.\r\nBuses leave "early".'
WRITTEN: dict[str, Any] = {
    "subject": "Storm", "body": TEXT, "audience": "directory", "role": "parent", "channel": ["email", "push"],
}  # fmt: skip
RULE: dict[str, Any] = {
    "name": "Absent today", "codes": "UNX", "subject": "{student}", "channel": "email", "text_email": "He was absent.",
    "send_time": "10:30",
}  # fmt: skip
POLICY = {"blocked_phrases": "night riders", "note": "A trial.", "step": "save"}
PERIOD = {"first": "2026-01-01", "last": "2026-01-02", "reason": "New phrases."}
RENEWED = "This page was open for too long, you signed in again, or Lantern did not answer meanwhile. Nothing was sent"


def token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def open_form(browser: Browser, address: str) -> dict[str, str]:
    """Return the hidden fields of a form that is open in a tab."""
    page = browser.get(address).get_data(as_text=True)
    key = re.search(r'name="key" value="([^"]+)"', page)
    owner = re.search(r'name="opened_by" value="([^"]+)"', page)
    return {"csrf_token": token(page), "opened_by": owner[1] if owner else "", "key": key[1] if key else new_id()}


def sign_in_anew(browser: Browser, username: str) -> None:
    """Sign out and in, as in another tab."""
    assert browser.post("/sign-out").status_code == 303
    assert browser.sign_in(username).status_code == 303


def kept_fields(page: str) -> dict[str, list[str]]:
    """Return what Try again sends from a page that keeps a form."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def told_threat(stack: Stack, browser: Browser) -> str:
    """Return the id of a withheld message whose page is there."""
    threat = student_message(stack, body=SCARY)
    tell_withheld(stack, threat)

    def is_listed() -> None:
        assert browser.get(f"/reports/threats/{threat.message_id}").status_code == 200

    eventually_sync(is_listed)
    return threat.message_id


def sent(browser: Browser) -> list[str]:
    return [each["subject"] for each in browser.get("/api/v1/sent").get_json()["items"]]


@pytest.mark.parametrize("username", ["pri", "amy"])
def test_a_composer_of_an_earlier_session_is_drawn_again_and_sends_nothing(stack: Stack, username: str) -> None:
    browser = stack.browser(username)
    form = WRITTEN | open_form(browser, "/compose") | {"person": stack.people["tea"], "step": "send"}
    sign_in_anew(browser, username)
    before = sent(browser)
    answer = browser.client.post("/compose", data=form)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, RENEWED in page) == (400, True)
    assert 'value="Storm"' in page
    assert TEXT.replace("\r\n", "\n") in html.unescape(page)
    assert f'name="key" value="{form["key"]}"' in page
    assert sent(browser) == before
    # What is drawn has a token that is good.
    again = browser.client.post("/compose", data=form | {"csrf_token": token(page)})
    assert "Message sent" in again.get_data(as_text=True)
    assert sent(browser) == ["Storm", *before]


def test_a_session_that_ended_keeps_what_was_written_until_one_signs_in_again(stack: Stack) -> None:
    browser = stack.browser("pri")
    form = WRITTEN | open_form(browser, "/compose") | {"step": "send"}
    before = sent(browser)
    stack.clock.later = IDLE + timedelta(minutes=5)
    answer = browser.client.post("/compose", data=form)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (401, "no-store")
    kept = kept_fields(page)
    assert (kept["subject"], kept["body"], kept["channel"]) == (["Storm"], [TEXT], ["email", "push"])
    assert re.search(r'<a [^>]*href="/sign-in"[^>]*target="_blank"', page)
    # Too early: it is kept once more.
    early = browser.client.post("/compose", data=kept)
    assert (early.status_code, kept_fields(early.get_data(as_text=True))) == (401, kept)
    browser.sign_in("pri")
    drawn = browser.client.post("/compose", data=kept)
    assert (drawn.status_code, sent(browser)) == (400, before)
    page = drawn.get_data(as_text=True)
    assert RENEWED in page
    assert 'value="Storm"' in page
    assert len(re.findall(r'name="channel" value="(?:email|push)" checked', page)) == 2


def test_signed_out_in_another_tab_keeps_what_was_written(stack: Stack) -> None:
    browser = stack.browser("amy")
    form = WRITTEN | open_form(browser, "/compose")
    browser.post("/sign-out")
    answer = browser.client.post("/compose", data=form)
    assert answer.status_code == 401
    assert kept_fields(answer.get_data(as_text=True))["subject"] == ["Storm"]
    assert "Storm" not in browser.get("/sign-in").get_data(as_text=True)
    # Somebody else, who may not write the policy, is shown no form of it.
    refused = stack.browser("amy").client.post("/policy", data={"note": "Storm"})
    assert (refused.status_code, "Storm" in refused.get_data(as_text=True)) == (400, False)


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_a_file_cannot_be_kept_and_the_page_says_so(stack: Stack, is_signed_in: bool) -> None:
    browser = stack.browser("pri")
    form = WRITTEN | open_form(browser, "/compose")
    browser.post("/sign-out")
    if is_signed_in:
        browser.sign_in("pri")
    file = {"audience": "list", "list": (io.BytesIO(b"name,email\nA,a@example.org\n"), "families.csv")}
    page = browser.client.post("/compose", data=form | file).get_data(as_text=True)
    assert "families.csv cannot be kept: choose it again." in page


def test_a_part_of_the_composer_says_how_to_keep_the_whole(stack: Stack) -> None:
    browser = stack.browser("pri")
    form = WRITTEN | open_form(browser, "/compose")
    sign_in_anew(browser, "pri")
    part = browser.client.post("/compose/survey", data=form, headers={"HX-Request": "true"})
    page = part.get_data(as_text=True)
    assert (part.status_code, part.headers["HX-Retarget"]) == (400, "#notice")
    assert "Send the form" in page
    assert "Load the page again" not in page
    browser.post("/sign-out")
    out = browser.client.post("/compose/survey", data=form, headers={"HX-Request": "true"})
    assert out.status_code == 401
    assert 'target="_blank"' in out.get_data(as_text=True)


@pytest.mark.parametrize(
    ("username", "opened", "address", "written", "shown"),
    [
        ("pri", "/attendance-rules/new", "/attendance-rules", RULE, ["Absent today", "He was absent."]),
        ("off", "/policy", "/policy", POLICY, ["night riders", 'value="A trial."']),
        ("off", "/policy", "/policy/rescreenings", PERIOD, ["New phrases."]),
    ],
)
def test_a_form_of_an_earlier_session_is_drawn_again_and_not_taken(
    stack: Stack, username: str, opened: str, address: str, written: dict[str, Any], shown: list[str]
) -> None:
    browser = stack.browser(username)
    form = filled(browser.get(opened).get_data(as_text=True), address) | written
    sign_in_anew(browser, username)
    answer = browser.client.post(address, data=form)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, RENEWED in page) == (400, True)
    assert [each in page for each in shown] == [True] * len(shown)
    now = browser.get(opened.removesuffix("/new")).get_data(as_text=True)
    assert [each in now for each in shown] == [False] * len(shown)


def test_an_edited_rule_is_kept_without_a_session_and_drawn_again_in_the_next(stack: Stack) -> None:
    browser = stack.browser("pri")
    form = RULE | open_form(browser, "/attendance-rules/new")
    address = browser.client.post("/attendance-rules", data=form).headers["Location"]
    browser.post("/sign-out")
    kept = browser.client.post(address, data=form | {"version": "1", "name": "Tardy"})
    assert (kept.status_code, kept_fields(kept.get_data(as_text=True))["name"]) == (401, ["Tardy"])
    browser.sign_in("pri")
    changed = browser.client.post(address, data=form | {"version": "1", "name": "Tardy"})
    assert (changed.status_code, 'value="Tardy"' in changed.get_data(as_text=True)) == (400, True)
    assert "Tardy" not in browser.get(address).get_data(as_text=True)


def test_a_large_file_without_a_session_is_refused_in_words(stack: Stack) -> None:
    browser = stack.browser()
    kind = "multipart/form-data; boundary=edge"
    answer = browser.client.post("/compose", data=b"x" * 2_000_000, content_type=kind)
    assert (answer.status_code, "too large to be kept" in answer.get_data(as_text=True)) == (401, True)


def test_a_decision_and_a_referral_of_an_earlier_session_are_drawn_again(stack: Stack) -> None:
    browser = stack.browser("pri")
    message_id = told_threat(stack, browser)
    address = f"/reports/threats/{message_id}"
    decision = {"decision": "keep", "seen": "0", "reason": "He meant it.", **open_form(browser, "/inbox")}
    referral = {"message": message_id, "reason": "threat", "notes": "Call his mother.", **decision}
    sign_in_anew(browser, "pri")
    for path, form, text in ((f"{address}/decide", decision, "He meant it."), ("/referrals", referral, "his mother")):
        answer = browser.client.post(path, data=form)
        page = answer.get_data(as_text=True)
        assert (answer.status_code, RENEWED in page, text in page) == (400, True, True), path
    assert "Keep it withheld" in browser.get(address).get_data(as_text=True)
    assert "his mother" not in browser.get("/referrals").get_data(as_text=True)


@pytest.mark.parametrize("is_kept_first", [True, False])
def test_what_somebody_else_wrote_in_this_browser_is_shown_to_nobody(stack: Stack, is_kept_first: bool) -> None:
    browser = stack.browser("pri")
    message_id, own = told_threat(stack, browser), open_form(browser, "/compose")
    decide = f"/reports/threats/{message_id}/decide"
    forms: dict[str, dict[str, Any]] = {
        "/compose": WRITTEN | own,
        decide: {**own, "decision": "keep", "seen": "0", "reason": "Storm"},
        "/referrals": {**own, "message": message_id, "reason": "threat", "notes": "Storm"},
    }
    browser.post("/sign-out")
    if is_kept_first:
        forms = {
            each: kept_fields(browser.client.post(each, data=forms[each]).get_data(as_text=True)) for each in forms
        }
    for username in ("tea", "off"):
        browser.sign_in(username)
        for address, form in forms.items():
            answer = browser.client.post(address, data=form)
            assert (answer.status_code, "Storm" in answer.get_data(as_text=True)) == (400, False), address
        page = browser.client.post("/compose", data=forms["/compose"]).get_data(as_text=True)
        assert "This form was opened by somebody else." in page
        browser.post("/sign-out")


@pytest.mark.parametrize("username", ["pri", ""])
@pytest.mark.parametrize("headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_form_of_another_site_is_not_taken_in(stack: Stack, username: str, headers: dict[str, str]) -> None:
    browser = stack.browser(username)
    answer = browser.client.post("/compose", data=WRITTEN, headers=headers)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, "FORM_EXPIRED" in page, "Storm" in page) == (400, True, False)
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    form = WRITTEN | open_form(stack.browser("pri"), "/compose")
    assert "Storm" in browser.client.post("/compose", data=form, headers=own).get_data(as_text=True)


@contextmanager
def directory_away(stack: Stack) -> Iterator[None]:
    """Let directory answer nobody, so that it is not known who is asking."""
    with pytest.MonkeyPatch.context() as patch, away(stack, directory=directory_pb2_grpc.DirectoryServiceStub):
        patch.setattr(stack.gateway.viewers, "_clients", stack.gateway.clients)
        yield


@pytest.mark.parametrize(("address", "form"), [("/compose", WRITTEN), ("/attendance-rules", RULE)])
def test_what_was_written_stays_while_it_is_not_known_who_is_asking(
    stack: Stack, address: str, form: dict[str, Any]
) -> None:
    browser = stack.browser("pri")
    form = form | open_form(browser, "/compose") | {"step": "send"}
    before = sent(browser)
    with directory_away(stack):
        answer = browser.client.post(address, data=form)
        part = browser.client.post(address, data=form, headers={"HX-Request": "true"})
        large = browser.client.post(address, data={"body": "x" * 2_000_000})
        shown = browser.get("/inbox").get_data(as_text=True)
    page = answer.get_data(as_text=True)
    kept = kept_fields(page)
    assert (answer.status_code, "What you wrote is kept on this page" in page) == (503, True)
    assert (kept["subject"], kept["opened_by"]) == ([form["subject"]], [form["opened_by"]])
    assert "csrf_token" not in kept
    stays = "What you see on this page stays"
    assert (part.status_code, stays in part.get_data(as_text=True)) == (503, True)
    assert large.status_code == (503 if address == "/compose" else 413)
    assert stays not in shown
    # Directory is back: it is shown, and sent when the person says so.
    drawn = browser.client.post(address, data=kept)
    page = drawn.get_data(as_text=True)
    assert (drawn.status_code, RENEWED in page, sent(browser)) == (400, True, before)
    assert f'value="{form["subject"]}"' in page
