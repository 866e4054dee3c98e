"""Editing an attendance rule loses nothing that the district switched off or excluded meanwhile; on real services."""

from collections.abc import Iterator
from typing import Any

import pytest

from protos.directory.v1 import directory_pb2 as directory
from services.kit.ids import new_id
from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import Browser, Stack, switch_call_out
from tests.integration.gateway.test_attendance_rules import FIELDS
from tests.support.eventually import eventually_sync

INFO = "/schools/info"
EXCLUDED = "excluded from communication: tells nobody"


@pytest.fixture
def ridge(stack: Stack) -> Iterator[str]:
    """The excluded school's id while it is none; excluded again afterwards."""
    found = stack.gateway.clients.directory.ListSchools(directory.ListSchoolsRequest(), metadata=stack.operator).schools
    school_id = next(each.school_id for each in found if each.sourced_id == "s2")
    exclude(stack, school_id, "")
    yield school_id
    exclude(stack, school_id, "1")


def exclude(stack: Stack, school_id: str, excluded: str) -> None:
    form = {"school": school_id, "excluded": excluded}
    assert stack.browser("off").post(INFO, form, page=INFO).status_code == 303


def make(browser: Browser, **changes: Any) -> str:
    """Make a rule as soon as the queue has heard what directory says; return its id."""
    form = {**FIELDS, "key": new_id(), **changes}

    def made() -> str:
        answer = browser.post("/attendance-rules", form, page="/attendance-rules/new")
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return answer.headers["Location"].rpartition("/")[2]

    return eventually_sync(made)


def content(browser: Browser, rule_id: str) -> dict[str, Any]:
    found: dict[str, Any] = browser.get(f"/api/v1/attendance-rules/{rule_id}").get_json()["rule"]["content"]
    return found


def edited(browser: Browser, rule_id: str, **changes: Any) -> dict[str, Any]:
    """Post the edit form as its page renders it but for the changes; return what is kept."""
    address = f"/attendance-rules/{rule_id}"
    form = filled(browser.get(f"{address}/edit").get_data(as_text=True), address)
    answer = browser.post(address, {**form, **changes}, page=f"{address}/edit")
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return content(browser, rule_id)


@pytest.mark.accepts(226, 235)
def test_a_rule_keeps_a_school_that_is_excluded_later(stack: Stack, ridge: str) -> None:
    browser = stack.browser("off")
    alone, both = make(browser, school=[ridge]), make(browser, school=[ridge, stack.school_id])
    exclude(stack, ridge, "1")
    page = browser.get(f"/attendance-rules/{alone}/edit").get_data(as_text=True)
    assert f"Ridge High ({EXCLUDED})" in page
    assert edited(browser, alone, send_time="11:15")["school_ids"] == [ridge]
    kept = edited(browser, both, send_time="11:20")
    assert (set(kept["school_ids"]), kept["send_time"]) == ({ridge, stack.school_id}, "11:20")
    assert EXCLUDED not in browser.get("/attendance-rules/new").get_data(as_text=True)


@pytest.mark.accepts(13)
def test_a_rule_keeps_its_texts_while_the_call_out_system_is_off(stack: Stack) -> None:
    browser = stack.browser("pri")
    rule_id = make(browser)
    switch_call_out(stack, is_on=False)
    try:
        page = browser.get(f"/attendance-rules/{rule_id}/edit").get_data(as_text=True)
        assert "switched off: it does not go out" in page
        assert "switched off" not in browser.get("/attendance-rules/new").get_data(as_text=True)
        kept = edited(browser, rule_id, send_time="11:25")
    finally:
        switch_call_out(stack, is_on=True)
    texts = {each["channel"]: each["text"] for each in kept["texts"]}
    assert texts == {"CHANNEL_EMAIL": "{student} was absent.", "CHANNEL_SMS": "{student}: {code}"}


def test_a_rule_of_the_district_stays_one_when_somebody_without_that_right_edits_it(stack: Stack) -> None:
    rule_id = make(stack.browser("off"), school=stack.school_id, source="district")
    editor = stack.browser("pri")
    assert edited(editor, rule_id, send_time="11:30")["source"] == "SOURCE_DISTRICT"
    assert edited(editor, rule_id, source="school")["source"] == "SOURCE_SCHOOL"
    own = {**FIELDS, "key": new_id(), "source": "district"}
    refused = editor.post("/attendance-rules", own, page="/attendance-rules/new")
    page = refused.get_data(as_text=True)
    assert (refused.status_code, "does not allow sending as the district" in page) == (403, True)
