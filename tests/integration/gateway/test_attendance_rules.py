"""Communication › Settings › Attendance, and what families read in the report's dialogs; on real services."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.kit.clock import utc_now
from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack
from tests.support.eventually import eventually_sync
from tests.support.tokens import Tokens

FIELDS: dict[str, Any] = {
    "name": "Absent today", "codes": "unx, TDY", "subject": "{student}", "channel": ["email", "sms"],
    "text_email": "{student} was absent.", "text_sms": "{student}: {code}", "send_time": "10:30",
}  # fmt: skip


def make(browser: Browser, **changes: Any) -> str:
    """Fill the form in, and return the address of the rule."""
    answer = browser.post("/attendance-rules", {**FIELDS, "key": new_id(), **changes}, page="/attendance-rules/new")
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.headers["Location"]


def test_a_rule_is_made_shown_edited_and_switched(stack: Stack) -> None:
    browser = stack.browser("pri")
    address = make(browser)
    page = browser.get(address).get_data(as_text=True)
    for text in ("Absent today", "UNX, TDY", "Lincoln High", "{student} was absent.", "created by <bdi>Ida Cole</bdi>"):
        assert text in page
    form = browser.get(f"{address}/edit").get_data(as_text=True)
    assert 'name="codes" value="UNX, TDY"' in form
    assert re.search(r'<option value="en" selected>', form)
    edited = browser.post(
        address, {**FIELDS, "version": "1", "name": "Tardy", "language": "ht"}, page=f"{address}/edit"
    )
    assert edited.headers["Location"] == address
    stale = browser.post(address, {**FIELDS, "version": "1", "name": "Other"}, page=f"{address}/edit")
    assert stale.status_code == 409
    assert "It changed meanwhile." in stale.get_data(as_text=True)
    assert browser.post(f"{address}/switch", {"on": "0"}, page=address).status_code == 303
    page = browser.get(address).get_data(as_text=True)
    assert "Off: tells nobody." in page
    assert "<dt>Written in</dt><dd>Haitian Creole</dd>" in page
    assert re.findall(r": (created|edited|switched off) by", page) == ["switched off", "edited", "created"]
    assert "Tardy" in browser.get("/attendance-rules").get_data(as_text=True)

    def is_logged() -> None:
        log = stack.browser("off").get("/audit?action=attendance_rule.changed").get_data(as_text=True)
        words = ("rule=Absent today created", "rule=Tardy edited", "rule=Tardy switched off")
        assert [each in log for each in words] == [True] * 3

    eventually_sync(is_logged)


@pytest.mark.accepts(223, 314)
def test_programs_keep_rules_as_the_page_does(stack: Stack) -> None:
    browser, path = stack.browser("pri"), "/api/v1/attendance-rules"
    body = {
        "name": "By program", "codes": ["unx"], "subject": "{student}", "texts": {"email": "{student} was absent."},
        "send_time": "10:30", "language": "es",
    }  # fmt: skip
    new = {**body, "idempotency_key": new_id()}
    made = [browser.send_json("POST", path, new).get_json() for _ in range(2)]
    assert made[0] == made[1]
    one, content = f"{path}/{made[0]['rule_id']}", made[0]["content"]
    assert (content["codes"], content["school_ids"], made[0]["is_on"]) == (["UNX"], [stack.school_id], True)
    assert content["language"] == "es"
    listed = browser.get(path).get_json()
    assert made[0]["rule_id"] in [each["rule_id"] for each in listed["rules"]]
    fitting = [
        ("name", "equals", "by program"),
        ("on", "equals", "yes"),
        ("time", "equals", "10:30 AM"),
        ("codes", "contains", "unx"),
        ("schools", "contains", "lincoln"),
        ("made_by", "contains", "cole"),
    ]
    names = ("rule_column", "rule_operator", "rule_value")
    query = urlencode([pair for each in fitting for pair in zip(names, each, strict=True)])
    assert [each["rule_id"] for each in browser.get(f"{path}?{query}").get_json()["rules"]] == [made[0]["rule_id"]]
    assert browser.get("/attendance-rules?" + query).get_data(as_text=True).count("<tr data-entry>") == 1
    late = urlencode(dict(zip(names, ("changed", "less", "2020-01-01"), strict=True)))
    assert "No attendance rule fits" in browser.get(f"/attendance-rules?{late}").get_data(as_text=True)
    wrong_rule = urlencode(dict(zip(names, ("changed", "less", "soon"), strict=True)))
    assert browser.get(f"{path}?{wrong_rule}").status_code == 400
    assert browser.get(f"{path}?sort=schools&order=desc").status_code == 200
    changed = browser.send_json("PUT", one, {**body, "name": "Changed", "version": 1})
    assert (changed.status_code, changed.get_json()["version"]) == (200, "2")
    stale = browser.send_json("PUT", one, {**body, "version": 1})
    assert (stale.status_code, stale.get_json()["reason"]) == (409, "ATTENDANCE_RULE_CHANGED")
    wrong = browser.send_json("PUT", one, {**body, "version": 2, "texts": {"sms": "{name}"}}).get_json()
    assert [each["pointer"] for each in wrong["errors"]] == ["/texts/sms"]
    assert browser.send_json("POST", path, {**new, "texts": {"fax": "x"}}).status_code == 400
    no_key = browser.send_json("POST", path, {**new, "idempotency_key": "a\0b"})
    assert (no_key.status_code, [each["pointer"] for each in no_key.get_json()["errors"]]) == (
        400,
        ["/idempotency_key"],
    )
    assert browser.send_json("PUT", f"{one}/switch", {"is_on": False}).get_json()["is_on"] is False
    read = browser.get(one).get_json()
    assert [each["what"] for each in read["changes"]] == ["switched off", "edited", "created"]
    teacher, counsellor = stack.browser("tea"), stack.browser("cou")
    assert [each.send_json("DELETE", one, None).status_code for each in (teacher, counsellor)] == [403, 403]
    assert browser.send_json("DELETE", one, None).status_code == 200
    assert [browser.get(one).status_code, browser.send_json("DELETE", one, None).status_code] == [404, 404]
    assert browser.get(f"/attendance-rules/{made[0]['rule_id']}").status_code == 404
    logged = "/audit?action=attendance_rule.changed"
    eventually_sync(lambda: _is_in("rule=Changed removed", stack.browser("off").get(logged).get_data(as_text=True)))


def _is_in(words: str, page: str) -> None:
    assert words in page


def test_a_rule_is_removed_from_its_page(stack: Stack) -> None:
    browser = stack.browser("pri")
    address = make(browser, name="For a week")
    assert "Remove the rule" in browser.get(address).get_data(as_text=True)
    assert browser.post(f"{address}/remove", page=address).headers["Location"] == "/attendance-rules"
    assert "For a week" not in browser.get("/attendance-rules").get_data(as_text=True)


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"name": ""}, "name", "Enter a name"),
        ({"codes": " , "}, "codes", "Name 1 to 50 attendance codes."),
        ({"channel": []}, "", "Choose one or more ways"),
        ({"text_sms": "{name}"}, "text-sms", "is no placeholder"),
        ({"language": "klingon"}, "language", "Choose one of the languages."),
        ({"send_time": "noon"}, "", "Enter a time like 10:30."),
        ({"school": ["lincoln"]}, "", "This is not an id."),
    ],
)
def test_a_mistake_stands_at_its_field_and_nothing_is_kept(
    stack: Stack, changes: dict[str, Any], field: str, sentence: str
) -> None:
    browser = stack.browser("pri")
    before = browser.get("/attendance-rules").get_data(as_text=True).count("<tr>")
    answer = browser.post("/attendance-rules", {**FIELDS, "key": new_id(), **changes}, page="/attendance-rules/new")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert sentence in page
    assert not field or re.search(rf'id="{field}"[^>]* aria-invalid="true"', page)
    assert browser.get("/attendance-rules").get_data(as_text=True).count("<tr>") == before


@pytest.mark.accepts(226)
def test_excluded_schools_are_not_offered_and_are_refused(stack: Stack) -> None:
    browser = stack.browser("off")
    assert "Ridge High" not in browser.get("/attendance-rules/new").get_data(as_text=True)
    wanted = directory.ListSchoolsRequest()
    found = stack.gateway.clients.directory.ListSchools(wanted, metadata=stack.operator).schools
    excluded = next(each.school_id for each in found if each.is_excluded)

    def is_refused() -> None:
        form = {**FIELDS, "key": new_id(), "school": [excluded]}
        answer = browser.post("/attendance-rules", form, page="/attendance-rules/new")
        assert answer.status_code == 409
        assert "Ridge High is excluded from communication" in answer.get_data(as_text=True)

    # The queue may have asked directory just before the school was excluded: it asks again after three seconds.
    eventually_sync(is_refused)


def test_a_rule_of_the_whole_district_is_read_and_not_changed_by_a_school(stack: Stack) -> None:
    address = make(stack.browser("off"), name="Everywhere", source="district")
    browser = stack.browser("pri")
    page = browser.get(address).get_data(as_text=True)
    assert "others change it" in page
    assert "/edit" not in page
    assert browser.get(f"{address}/edit").status_code == 404
    assert browser.post(f"{address}/switch", {"on": "0"}).status_code == 403


@pytest.mark.accepts(4)
def test_it_needs_the_permission(stack: Stack) -> None:
    for name in ("tea", "cou", "mum"):
        browser = stack.browser(name)
        assert browser.get("/attendance-rules").status_code == 403
        assert "Attendance rules" not in browser.get("/inbox").get_data(as_text=True)


def imported(stack: Stack, tokens: Tokens) -> str:
    """Import a past attendance message about both children of Rosa Stone; return its id as reports knows it."""
    header = queue.MessageHeader(
        idempotency_key=new_id(), subject="{student} was absent", body="{student} was absent.",
        sender=queue.Sender(
            person_id=stack.people["off"], name="Ada North", role=types.ROLE_ADMIN, school_id=stack.school_id
        ),
        channels=[queue.ChannelContent(channel=types.CHANNEL_EMAIL)], source=types.SOURCE_SCHOOL,
        kind=types.MESSAGE_KIND_ATTENDANCE, audience_summary="Families of 2 absent students",
    )  # fmt: skip
    message = queue.HistoryMessage(header=header)
    message.sent_at.FromDatetime(utc_now())
    for name in ("Amy Stone", "Ben Stone"):
        message.recipients.append(_recipient(stack, name))
    metadata = (("authorization", f"Bearer {tokens.service('queue.import')}"),)
    pieces = iter([queue.ImportHistoryRequest(message=message)])
    answer = stack.gateway.clients.queue.ImportHistory(pieces, metadata=metadata, timeout=20)
    assert answer.imported == 1, answer.problems
    return header.idempotency_key


def _recipient(stack: Stack, student: str) -> queue.HistoryRecipient:
    person = directory.Recipient(
        person_id=stack.people["mum"], name="Rosa Stone", role=types.ROLE_PARENT, school_id=stack.school_id,
        regarding_student_id=stack.people["amy"], regarding_student_name=student, email="rosa@example.org",
    )  # fmt: skip
    state = types.DELIVERY_STATE_SENT if student == "Amy Stone" else types.DELIVERY_STATE_ERROR
    outcome = queue.HistoryOutcome(channel=types.CHANNEL_EMAIL, state=state, destination="rosa@example.org")
    outcome.error_code = "" if state == types.DELIVERY_STATE_SENT else "Bounce/Permanent/General"
    outcome.at.FromDatetime(utc_now())
    return queue.HistoryRecipient(row=queue.RecipientRow(recipient=person), outcomes=[outcome])


@pytest.mark.accepts(124, 129, 130, 131)
def test_recipients_errors_and_messages_open_from_the_tab(stack: Stack, tokens: Tokens) -> None:
    imported(stack, tokens)
    browser = stack.browser("pri")

    def entry() -> str:
        page = browser.get("/reports/attendance").get_data(as_text=True)
        found = re.search(r'data-entry="([^"]+)"', page)
        assert found
        assert f'/reports/attendance/entries/{found[1]}/recipients?state=errors"' in page
        return f"/reports/attendance/entries/{found[1]}"

    base = eventually_sync(entry)
    whole = browser.get(f"{base}/message").get_data(as_text=True)
    assert "{student} was absent." in whole
    assert "Each family reads the names of its own students." in whole
    recipients = browser.get(f"{base}/recipients").get_data(as_text=True)
    assert "Expiration" not in recipients
    assert "/people/" in recipients
    read = re.findall(r'href="([^"]*/message\?number=\d+)"', recipients)
    assert len(read) == 2
    texts = {browser.get(address).get_data(as_text=True).partition("message-text")[2][:60] for address in read}
    assert {each.partition(">")[2].partition("<")[0] for each in texts} == {
        "Amy Stone was absent.", "Ben Stone was absent.",
    }  # fmt: skip
    errors = browser.get(f"{base}/recipients?state=errors").get_data(as_text=True)
    assert errors.count("<tr data-entry>") == 1
    assert "Ben Stone" in errors
    record = browser.get(f"{base}/recipients/record?at=1&state=errors").get_data(as_text=True)
    assert "Ben Stone was absent." in record
    assert browser.get(f"{base}/recipients/excel").status_code == 200
    # The teacher made no rule: the same addresses are not theirs.
    for address in (base, f"{base}/message", f"{base}/recipients"):
        assert stack.browser("tea").get(address).status_code == 404
