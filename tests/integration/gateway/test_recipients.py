"""Recipients and errors behind the numbers of Communication History (sections E, F and H); on real services."""

import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.kit.ids import new_id
from tests.integration.directory.roster_files import ROLES, USERS, roster
from tests.integration.gateway.stack import Browser, Stack
from tests.integration.gateway.test_referring import sheet
from tests.support.eventually import eventually_sync

_CELL = '<td class="[^"]*col-{}">(.*?)</td>'


def sent(browser: Browser, is_as_wanted: Callable[[dict[str, Any]], bool], **changes: object) -> dict[str, Any]:
    """Send an e-mail to families and return its row once it is as wanted."""
    body = {"idempotency_key": new_id(), "subject": "Trip", "body": "Bring boots.", "channels": ["email"]}
    answer = browser.send_json("POST", "/api/v1/messages", {**body, "audience": {"roles": ["parent"]}, **changes})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    message_id = answer.get_json()["message_id"]

    def found() -> dict[str, Any]:
        rows = browser.rows("history")
        row: dict[str, Any] = next((each for each in rows if each["message_id"] == message_id), {})
        assert row
        assert is_as_wanted(row["counts"])
        return row

    return eventually_sync(found)


def cells(page: str, column: str) -> list[str]:
    return re.findall(_CELL.format(column), page, re.DOTALL)


def in_ridge(stack: Stack) -> Browser:
    """A teacher at work in the school whose only family has a broken e-mail address."""
    browser = stack.browser("both")
    choices = re.findall(r'<option value="([^"]+)"[^>]*>Ridge High', browser.get("/inbox").get_data(as_text=True))
    assert browser.post("/preferences/school", {"school": choices[0]}).status_code == 303
    return browser


@pytest.mark.accepts(95, 97, 98, 99, 308)
def test_the_errors_open_exactly_as_many_rows_with_their_people_and_reasons(stack: Stack) -> None:
    browser = in_ridge(stack)
    row = sent(browser, lambda counts: counts["error"] == "1")
    base = f"/reports/history/entries/{row['entry_id']}"
    page = browser.get("/reports/history").get_data(as_text=True)
    assert f'href="{base}/recipients?state=errors"' in page
    assert f'href="{base}/recipients?state=expired"' not in page
    reach = f"/reports/history/messages/{row['message_id']}/reach"
    assert f'href="{reach}"' in browser.get(base).get_data(as_text=True)
    reached = browser.get(reach).get_data(as_text=True)
    assert "0 of 1 family" in reached
    assert "Zoe Hill" in reached
    assert [stack.browser(each).get(reach).status_code for each in ("pri", "mum")] == [404, 403]
    errors = browser.get(f"{base}/recipients?state=errors").get_data(as_text=True)
    assert len(cells(errors, "name")) == 1
    assert "/people/" in cells(errors, "name")[0]
    assert "Zoe Hill" in cells(errors, "regarding_student")[0]
    assert "/people/" in cells(errors, "regarding_student")[0]
    assert re.search(r"[A-Z].+\. <span class=\"remedy\">[A-Z].+\.</span>", cells(errors, "error")[0])
    assert "Bring boots." in browser.get(f"{base}/message").get_data(as_text=True)
    assert "Expiration" not in errors
    assert "Expiration" in browser.get(f"{base}/recipients").get_data(as_text=True)


@pytest.mark.accepts(305)
def test_errors_are_sent_again_once_for_one_form(stack: Stack) -> None:
    browser = stack.browser("pri")
    # No teacher has a mobile number.
    texted = {"channels": ["sms"], "audience": {"roles": ["teacher"]}}
    row = sent(browser, lambda counts: counts["error"] == "2", subject="Again", **texted)
    base = f"/reports/history/entries/{row['entry_id']}"
    page = browser.get(f"{base}/recipients?state=errors").get_data(as_text=True)
    assert "Resend to these 2" in page
    dialog = browser.get(f"{base}/resend?state=errors&channel=email").get_data(as_text=True)
    key = re.search(r'name="key" value="([^"]+)"', dialog)
    assert key
    form = {"state": "errors", "channel": "email", "key": key[1], "next": "/reports/history"}
    answers = [browser.post(f"{base}/resend", form, page=f"{base}/recipients?state=errors") for _ in range(2)]
    assert [each.headers["Location"] for each in answers] == ["/reports/history?resent=2"] * 2
    assert "Sent again to 2 recipients." in browser.get("/reports/history?resent=2").get_data(as_text=True)

    def is_there_once() -> None:
        rows = browser.rows("history")
        assert len([each for each in rows if each["message_id"] == row["message_id"]]) == 2

    eventually_sync(is_there_once)
    assert "Resend" not in browser.get(f"{base}/recipients").get_data(as_text=True)
    assert stack.browser("cou").post(f"{base}/resend", form).status_code in {403, 404}


@pytest.mark.accepts(70, 72, 74, 79, 83, 84, 222)
def test_a_record_of_a_recipient_has_arrows_to_its_neighbours(stack: Stack) -> None:
    browser = stack.browser("pri")
    row = sent(browser, lambda counts: counts["duplicate"] == "1", once_per_family=True)
    base = f"/reports/history/entries/{row['entry_id']}/recipients"
    listed = browser.get(f"{base}?dsort=regarding_student&dorder=asc").get_data(as_text=True)
    assert [re.sub("<.*?>", "", each) for each in cells(listed, "regarding_student")] == ["Amy Stone", "Ben Stone"]
    assert sum("Duplicate" in each for each in cells(listed, "status")) == 1
    record = f"{base}/record?dsort=regarding_student&dorder=asc&at="
    first, second = (browser.get(f"{record}{place}").get_data(as_text=True) for place in (1, 2))
    assert ("Amy Stone" in first, "Ben Stone" in first) == (True, False)
    assert ('data-arrow="previous"' in first, 'data-arrow="next"' in first) == (False, True)
    assert ("Ben Stone" in second, 'data-arrow="next"' in second) == (True, False)
    assert "at=2" in first
    assert "dsort=regarding_student" in first
    assert browser.get(f"{record}3").status_code == 404
    assert stack.browser("cou").get(f"{record}1").status_code == 403


@pytest.mark.accepts(213, 214, 216, 220, 221, 223)
def test_recipients_have_rules_on_columns_like_every_table(stack: Stack) -> None:
    browser = stack.browser("pri")
    row = sent(browser, lambda counts: counts["total"] == "2")
    base = f"/reports/history/entries/{row['entry_id']}/recipients"

    def ruled(*rules: tuple[str, str, str], **others: str) -> str:
        names = ("drule_column", "drule_operator", "drule_value")
        parts = [pair for rule in rules for pair in zip(names, rule, strict=True)]
        return urlencode([*parts, *others.items()])

    def students(query: str) -> list[str]:
        page = browser.get(f"{base}?{query}").get_data(as_text=True)
        return [re.sub("<.*?>", "", each) for each in cells(page, "regarding_student")]

    amy = ("regarding_student", "contains", "AMY")
    at_lincoln = ("school", "equals", "lincoln high")
    assert students(ruled(at_lincoln, dsort="regarding_student", dorder="asc")) == ["Amy Stone", "Ben Stone"]
    assert students(ruled(at_lincoln, amy)) == ["Amy Stone"]
    assert students(ruled(("status", "not_contains", "e"))) == []
    page = browser.get(f"{base}?{ruled(at_lincoln, amy, start='2020-01-01')}").get_data(as_text=True)
    assert page.count('aria-label="Value"') == 2
    assert 'name="start" value="2020-01-01"' in page
    excel = re.search(rf'href="({base}/excel[^"]*)"', page)
    assert excel
    assert len(re.findall("<row", sheet(browser.get(excel[1].replace("&amp;", "&")).data))) == 2
    wrong = ruled(("last_update", "equals", "soon"))
    assert "Last update: Write a date like 2026-11-14." in browser.get(f"{base}?{wrong}").get_data(as_text=True)
    assert browser.get(f"{base}/excel?{wrong}").status_code == 400
    api = f"/api/v1/entries/{row['entry_id']}/recipients"
    assert len(browser.get(f"{api}?{ruled(amy)}").get_json()["deliveries"]) == 1
    assert browser.get(f"{api}?{wrong}").get_json()["errors"][0]["pointer"] == "/rules"


@pytest.mark.accepts(85)
def test_uploaded_recipients_have_no_page_of_their_own(stack: Stack) -> None:
    browser = stack.browser("pri")
    form = {"subject": "List", "body": "Bring boots.", "channel": "email", "audience": "list", "step": "send"}
    upload = (io.BytesIO(b"name,email,mobile\nAnn Lee,ann@example.org,\n"), "trip.csv")
    assert browser.post("/compose", {**form, "list": upload}, page="/compose").status_code == 200

    def found() -> str:
        rows = browser.rows("history")
        ids = [str(each["entry_id"]) for each in rows if each["subject"] == "List"]
        assert ids
        return ids[0]

    entry_id = eventually_sync(found)
    base = f"/reports/history/entries/{entry_id}/recipients"
    for page in (browser.get(base), browser.get(f"{base}/record?at=1")):
        text = page.get_data(as_text=True)
        assert "Ann Lee" in text
        assert "/people/0" not in text
    assert browser.get(f"{base}/excel").status_code == 200


@pytest.mark.accepts(310, 213, 223)
def test_what_a_family_received_is_found_from_its_student(stack: Stack) -> None:
    browser = stack.browser("pri")
    row = sent(browser, lambda counts: counts["total"] == "2", subject="Bus 4 is late")
    base, amy, mum = f"/reports/history/entries/{row['entry_id']}", stack.people["amy"], stack.people["mum"]
    link = f'href="/people/{amy}/received"'
    for where in (f"/people/{amy}", f"{base}/recipients/record?at=1&dsort=regarding_student&dorder=asc"):
        assert link in browser.get(where).get_data(as_text=True)
    page = browser.get(f"/people/{amy}/received").get_data(as_text=True)
    assert "What the family of <bdi>Amy Stone</bdi> received" in page
    assert "Rosa Stone" in cells(page, "name")[0]
    assert f'href="{base}/message?number=' in page
    assert re.search("(Waits|Received|The provider|Being handed)[a-z ]+", cells(page, "status")[0])
    ruled = urlencode({"rule_column": "message", "rule_operator": "contains", "rule_value": "bus 4"})
    api = f"/api/v1/people/{amy}/received"
    found = browser.get(f"{api}?{ruled}").get_json()
    # She has two children: her row about the other one went to the same family.
    assert {each["delivery"]["regarding_student_name"] for each in found["received"]} == {"Amy Stone", "Ben Stone"}
    assert browser.get(f"{api}?{ruled}&type=sms").get_json()["received"] == []
    assert browser.get(f"{api}?end=2020-01-01").get_json()["page"]["total_rows"] == "0"
    assert browser.get(f"{api}?start=soon").get_json()["errors"][0]["pointer"] == "/start"
    unknown = browser.get(f"{api}?type=sms&type=fax")
    named = "Choose among email, sms, tts, recorded, push, poll, signup."
    assert (unknown.status_code, unknown.mimetype) == (400, "application/problem+json")
    assert unknown.get_json()["errors"] == [{"pointer": "/type", "detail": named}]
    assert named in browser.get(f"/people/{amy}/received?type=fax").get_data(as_text=True)
    assert named in browser.get("/reports/history?type=fax").get_data(as_text=True)
    assert browser.get("/api/v1/reports/history?type=fax").get_json()["errors"][0]["pointer"] == "/type"
    assert "Enter a date like" in browser.get(f"/people/{amy}/received?start=soon").get_data(as_text=True)
    assert len(re.findall("<row", sheet(browser.get(f"/people/{mum}/received/excel?{ruled}").data))) == 3
    asked = f"/people/{mum}/received/excel?{ruled}&start=2026-01-01&end=2026-12-31&type=sms&type=email"
    assert browser.get(asked).status_code == 200
    (record, *_) = stack.browser("off").get("/api/v1/audit?action=received.exported").get_json()["records"]
    chosen = f"channel={types.CHANNEL_SMS} channel={types.CHANNEL_EMAIL}"
    assert record["detail"] == f"person={mum} {chosen} start_date=2026-01-01 end_date=2026-12-31 rule=message"
    assert "Exported what somebody received" in stack.browser("off").get("/audit").get_data(as_text=True)
    others = [stack.browser(name).get(f"/people/{amy}/received").status_code for name in ("mum", "cou")]
    assert others == [403, 403]
    assert in_ridge(stack).get(f"/api/v1/people/{amy}/received?{ruled}").get_json()["page"]["total_rows"] == "0"


@pytest.mark.accepts(80, 86)
def test_the_message_of_a_recipient_is_its_full_text(stack: Stack) -> None:
    browser, body = stack.browser("pri"), "Bring boots. " * 200 + "And a coat."
    row = sent(browser, lambda counts: counts["total"] == "2", body=body)
    base = f"/reports/history/entries/{row['entry_id']}"
    listed = browser.get(f"{base}/recipients").get_data(as_text=True)
    link = re.search(r'href="([^"]+)"', cells(listed, "message")[0])
    assert link
    assert link[1].startswith(f"{base}/message")
    assert body in browser.get(link[1].replace("&amp;", "&")).get_data(as_text=True)


@pytest.mark.accepts(42, 43, 44, 51, 246)
def test_a_district_message_shows_its_sender_here_and_the_district_to_families(stack: Stack) -> None:
    browser = stack.browser("off")
    row = sent(
        browser, lambda counts: counts["total"] == "2", source="district", is_secure=True, subject="From the office"
    )
    assert (row["from"], row["source"], row["is_secure"]) == ("Ada North", "SOURCE_DISTRICT", True)
    page = browser.get("/reports/history").get_data(as_text=True)
    assert f'href="/reports/history/entries/{row["entry_id"]}/recipients"' in page
    assert '<span class="visually-hidden">Secure</span>' in page
    inbox = stack.browser("mum").get("/inbox").get_data(as_text=True)
    assert "From the office" in inbox
    assert "Lincoln County Schools" in inbox
    assert "Ada North" not in inbox
    school = sent(stack.browser("pri"), lambda counts: counts["total"] == "2", subject="From the school")
    assert (school["from"], school["source"]) == ("Ida Cole", "SOURCE_SCHOOL")
    assert "Lincoln High" in stack.browser("mum").get("/inbox").get_data(as_text=True)


@pytest.mark.accepts(243)
def test_people_who_leave_keep_their_name_in_what_was_sent(stack: Stack) -> None:
    """The last test of this file: it imports a roster without the parent and a teacher."""
    row = sent(stack.browser("tea"), lambda counts: counts["total"] == "2", subject="Farewell")
    left = {"users": "".join(line for line in USERS.splitlines(keepends=True) if line[:4] not in {"mum,", "tea,"})}
    left["users"] = left["users"].replace(",mum,", ",,")
    left["roles"] = "".join(
        line for line in ROLES.splitlines(keepends=True) if ",mum," not in line and ",tea," not in line
    )
    files = [directory.ImportRosterRequest(file_name=name, chunk=chunk) for name, chunk in roster(**left).items()]
    stack.gateway.clients.directory.ImportRoster(iter(files), metadata=stack.operator, timeout=30)
    browser = stack.browser("off")
    page = browser.get("/reports/history?view_all_users=1").get_data(as_text=True)
    assert "Farewell" in page
    assert "Tom Reed" in "".join(cells(page, "from"))
    names = cells(browser.get(f"/reports/history/entries/{row['entry_id']}/recipients").get_data(as_text=True), "name")
    assert ["Rosa Stone" in name for name in names] == [True, True]
