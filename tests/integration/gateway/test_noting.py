"""Noted messages in the browser: what screening let go, and students of whom there is much; on real services."""

import re

import pytest

from tests.integration.gateway.policy_pages import DANGER, send, write
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Stack
from tests.support.eventually import eventually_sync

SERVICES = (*USUAL, "moderation")
NOTED = "/reports/threats/noted"


def test_what_is_noted_is_listed_with_its_student_and_closed_with_a_word(stack: Stack) -> None:
    district = stack.browser("off")
    page = district.get("/policy").get_data(as_text=True)
    everything = {"district.insult.hold": "1", "district.insult.watch": "0"}
    tried = send(district, page, "try", **everything).get_data(as_text=True)
    assert send(district, tried, "save", note="Note everything.").status_code == 303
    for text in ("Thanks for the book.", "See you on Monday.", "Is the gym open?"):
        write(stack.browser("amy"), text, stack.people["tea"])

    def is_listed() -> str:
        assert "1 student to keep an eye on" in district.get("/reports/threats").get_data(as_text=True)
        return str(district.get(NOTED).get_data(as_text=True))

    shown = eventually_sync(is_listed, 30)
    assert "3 noted messages" in shown
    assert '<p dir="auto">See you on Monday.</p>' in shown
    assert re.search(r'<span class="chip" title="Watched">Insult 0[.]\d\d</span>', shown)
    assert "Amy Stone" in stack.browser("pri").get(NOTED).get_data(as_text=True)
    assert "Saw which students were noted" in district.get("/audit?action=noted.viewed").get_data(as_text=True)
    assert "Amy Stone" not in stack.browser("cou").get(NOTED).get_data(as_text=True)
    assert stack.browser("tea").get(NOTED).status_code == 403
    by_rest = district.get("/api/v1/threats/noted").get_json()
    assert [each["name"] for each in by_rest["rows"]] == ["Amy Stone"] * 3
    student = district.get("/api/v1/threats/noted/students").get_json()["senders"][0]
    out_of_range = {"through": "9999-12-31T23:59:59-12:00", "reason": "A word."}
    closing = {name: student[name] for name in ("sender_id", "school_id")} | {"reason": "A word."}
    for wrong in ({}, {"through": "2026-01-01T00:00:00Z", "reason": " "}, {"through": "soon"}, out_of_range):
        assert district.send_json("POST", "/api/v1/threats/noted/close", {**closing, **wrong}).status_code == 400
    for address in ("/api/v1/threats/noted", "/api/v1/threats/noted/students"):
        assert stack.browser("tea").get(address).status_code == 403
    form = dict(re.findall(r'name="(sender|school|through)" value="([^"]+)"', shown))
    empty = district.post(f"{NOTED}/close", {**form, "reason": " "}, page=NOTED)
    assert (empty.status_code, "Say why in 1 to 500" in empty.get_data(as_text=True)) == (400, True)
    for through in ("x", "9999-12-31T23:59:59-12:00"):
        refused = {**form, "through": through, "reason": "A word."}
        assert district.post(f"{NOTED}/close", refused, page=NOTED).status_code == 400
    closed = district.post(f"{NOTED}/close", {**form, "reason": "We talked <twice>."}, page=NOTED)
    assert (closed.status_code, closed.headers["Location"]) == (303, NOTED)
    after = district.get(NOTED).get_data(as_text=True)
    assert "Nobody at the moment" in after
    assert "We talked &lt;twice&gt;." in after
    assert "to keep an eye on" not in district.get("/reports/threats").get_data(as_text=True)
    assert "Closed what was noted of a student" in district.get("/audit?action=noted.closed").get_data(as_text=True)


@pytest.mark.accepts(304)
def test_what_shadow_mode_let_go_is_listed_apart(stack: Stack) -> None:
    district = stack.browser("off")
    page = district.get("/policy").get_data(as_text=True)
    tried = send(district, page, "try", shadow="on").get_data(as_text=True)
    assert send(district, tried, "save", note="A trial.").status_code == 303
    write(stack.browser("amy"), DANGER, stack.people["tea"])

    def is_listed() -> str:
        shown = str(district.get(f"{NOTED}?held=1").get_data(as_text=True))
        assert 'Would have been withheld</span> <span class="quiet">Most urgent</span>' in shown
        return shown

    shown = eventually_sync(is_listed, 30)
    assert "Withheld but for shadow mode (1)" in shown
    assert re.search(r'<span class="chip bad" title="Held">Self-harm [01][.]\d\d</span>', shown)
    assert "end my life" in shown
    assert "<strong>0 threats</strong>" in district.get("/reports/threats").get_data(as_text=True)
