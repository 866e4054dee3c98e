"""Referrals, the audit log and exports, as the pages and the API offer them; on real services."""

import io
import re
from urllib.parse import urlencode
from zipfile import ZipFile

import pytest

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack, away
from tests.integration.gateway.telling import SCARY, student_message, tell_alerted, tell_submitted, tell_withheld
from tests.support.eventually import eventually_sync


def rows_of(browser: Browser, report: str, message_id: str) -> list[dict[str, object]]:
    rows = browser.rows(report)
    return [row for row in rows if row["message_id"] == message_id]


@pytest.fixture
def flagged(stack: Stack) -> queue.MessageSnapshot:
    """A student's message of two entries that the principal has flagged."""
    sent, browser = student_message(stack, (types.CHANNEL_EMAIL, types.CHANNEL_SMS)), stack.browser("pri")
    tell_submitted(stack, sent)

    def is_there() -> None:
        assert len(rows_of(browser, "history", sent.message_id)) == 2

    eventually_sync(is_there)
    answer = browser.send_json("PUT", f"/api/v1/messages/{sent.message_id}/flag", {"is_flagged": True})
    assert answer.status_code == 200
    return sent


@pytest.fixture
def danger(stack: Stack) -> queue.MessageSnapshot:
    """A student's message that screening withheld."""
    sent, browser = student_message(stack, subject="Gym", body=SCARY), stack.browser("pri")
    tell_withheld(stack, sent)

    def is_there() -> None:
        assert len(rows_of(browser, "threats", sent.message_id)) == 1

    eventually_sync(is_there)
    return sent


def form_of(sent: queue.MessageSnapshot, **changes: str) -> dict[str, str]:
    entry_id = sent.entries[0].entry_id
    return {"message": sent.message_id, "entry": entry_id, "reason": "bullying", "notes": "Talk.", **changes}


@pytest.mark.accepts(109, 111, 112, 113, 223)
def test_a_referral_is_added_in_steps_and_then_viewed(stack: Stack, flagged: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    page = browser.get("/reports/history").get_data(as_text=True)
    added = re.findall(r'href="(/referrals/add\?[^"]+)"', page)
    assert len(added) == 2
    dialog = browser.get(added[0].replace("&amp;", "&")).get_data(as_text=True)
    assert "Amy Stone" in dialog
    assert "Ida Cole" in dialog
    assert not rows_of(browser, "history", flagged.message_id)[0]["referral_id"]
    form = form_of(flagged, told=stack.people["pri"], back="/reports/history")
    saved = browser.post("/referrals", form, page="/reports/history")
    assert (saved.status_code, saved.headers["Location"]) == (303, "/reports/history")
    page = browser.get("/reports/history").get_data(as_text=True)
    views = re.findall(r'href="(/referrals/[0-9a-f-]{36})">View<', page)
    assert len(views) == 2
    assert len(set(views)) == 1
    referral = browser.get(views[0]).get_data(as_text=True)
    for words in ("Referral of", "Amy Stone", "Bullying", "Talk.", "Ida Cole"):
        assert words in referral
    assert "Amy Stone" in browser.get("/referrals?mine=1").get_data(as_text=True)
    fitting = [
        ("student", "equals", "amy stone"),
        ("school", "contains", "lincoln"),
        ("why", "equals", "bullying"),
        ("told", "contains", "ida"),
        ("added_by", "equals", "ida cole"),
        ("date", "greater", "2020-01-01"),
    ]
    names = ("rule_column", "rule_operator", "rule_value")
    query = urlencode([pair for each in fitting for pair in zip(names, each, strict=True)])
    found = browser.get(f"/api/v1/referrals?mine=1&sort=why&order=desc&{query}").get_json()["referrals"]
    assert views[0].endswith(found[0]["referral_id"])
    assert views[0] in browser.get(f"/referrals?{query}").get_data(as_text=True)
    others = urlencode(dict(zip(names, ("student", "contains", "zoe"), strict=True)))
    assert "No referral fits the rules" in browser.get(f"/referrals?{others}").get_data(as_text=True)
    wrong = urlencode(dict(zip(names, ("date", "less", "soon"), strict=True)))
    assert browser.get(f"/api/v1/referrals?{wrong}").get_json()["errors"][0]["pointer"] == "/rules"


@pytest.mark.accepts(7, 111)
def test_only_those_in_reach_of_the_messages_schools_may_follow_up(
    stack: Stack, flagged: queue.MessageSnapshot
) -> None:
    browser, elsewhere = stack.browser("off"), stack.people["cou"]
    entry = {"entry": flagged.entries[0].entry_id, "message": flagged.message_id}
    dialog = browser.get(f"/referrals/add?{urlencode(entry)}").get_data(as_text=True)
    assert "They are told by e-mail and push" in dialog
    assert (stack.people["pri"] in dialog, elsewhere in dialog) == (True, False)
    body = {"message_id": flagged.message_id, "reason": "other", "told": [elsewhere]}
    refused = browser.send_json("POST", "/api/v1/referrals", body)
    assert (refused.status_code, refused.get_json()["reason"]) == (409, "FOLLOWER_UNKNOWN")


@pytest.fixture
def alerted(stack: Stack, danger: queue.MessageSnapshot) -> Browser:
    """The browser of a counsellor of another school who was alerted of the threat."""
    browser = stack.browser("cou")
    tell_alerted(stack, "cou", danger.message_id)

    def is_seen() -> None:
        assert rows_of(browser, "threats", danger.message_id)

    eventually_sync(is_seen)
    return browser


@pytest.mark.accepts(111, 177)
def test_who_is_alerted_in_place_of_a_school_refers_to_its_own_people(
    stack: Stack, danger: queue.MessageSnapshot, alerted: Browser
) -> None:
    dialog = alerted.get(f"/referrals/add?message={danger.message_id}").get_data(as_text=True)
    assert (stack.people["pri"] in dialog, stack.people["cou"] in dialog) == (True, False)
    body = {"message_id": danger.message_id, "reason": "other", "told": [stack.people["pri"]]}
    assert alerted.send_json("POST", "/api/v1/referrals", body).status_code == 200


@pytest.mark.accepts(177, 244)
def test_who_is_alerted_is_led_to_nothing_of_the_school_that_stays_closed(
    stack: Stack, danger: queue.MessageSnapshot, alerted: Browser
) -> None:
    threat = f"/reports/threats/{danger.message_id}"
    entry = f"{threat}/entries/{danger.entries[0].entry_id}"
    for browser, is_open in ((stack.browser("pri"), True), (alerted, False)):
        for page in (threat, f"/reports/threats?message={danger.message_id}"):
            shown = browser.get(page).get_data(as_text=True)
            assert (f"{entry}/recipients" in shown, f"/people/{stack.people['amy']}" in shown) == (is_open, is_open)
        assert ("from a school that you do not see" in browser.get(threat).get_data(as_text=True)) != is_open
    for part in ("", "/record?at=1", "/excel"):
        assert alerted.get(f"{entry}/recipients{part}").status_code == 404
    log = stack.browser("off").get(f"/api/v1/audit?message={danger.message_id}").get_json()["records"]
    assert "recipients.exported" not in {each["action"] for each in log}


@pytest.mark.accepts(106, 115)
def test_the_flag_is_locked_until_the_referral_is_deleted(stack: Stack, flagged: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    answer = browser.send_json("POST", "/api/v1/referrals", {"message_id": flagged.message_id, "reason": "other"})
    referral_id = answer.get_json()["referral"]["referral_id"]
    clear = {"is_flagged": False}
    refused = browser.send_json("PUT", f"/api/v1/messages/{flagged.message_id}/flag", clear)
    assert (refused.status_code, refused.get_json()["reason"]) == (409, "FLAG_LOCKED")
    assert browser.post(f"/referrals/{referral_id}/delete").status_code == 303
    assert browser.get(f"/referrals/{referral_id}").status_code == 404
    assert browser.send_json("PUT", f"/api/v1/messages/{flagged.message_id}/flag", clear).status_code == 200


def test_a_form_with_mistakes_comes_back_with_them(stack: Stack, flagged: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    answer = browser.post("/referrals", form_of(flagged, reason="", notes="x" * 4001), page="/reports/history")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "Choose why." in page
    assert "Write at most 4,000 characters." in page


@pytest.mark.accepts(114)
@pytest.mark.parametrize("changes", [{"notes": "He told me why."}, {"reason": "other"}, {"told": "off"}])
def test_what_the_second_of_two_wrote_is_not_lost_without_a_word(
    stack: Stack, flagged: queue.MessageSnapshot, changes: dict[str, str]
) -> None:
    first, second = stack.browser("pri"), stack.browser("off")
    form = form_of(flagged, told=stack.people["pri"])
    for _ in range(2):
        assert first.post("/referrals", form, page="/reports/history").status_code == 303
    changed = form | {name: stack.people.get(value, value) for name, value in changes.items()}
    answer = second.post("/referrals", changed, page="/reports/history")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Ida Cole has added a referral for this message. What you wrote is not saved." in page
    assert f">{changed['notes']}</textarea>" in page
    assert f'value="{changed["told"]}" checked' in page
    shown = re.search(r'href="(/referrals/[0-9a-f-]{36})"', page)
    assert shown
    assert "Talk." in second.get(shown[1]).get_data(as_text=True)


@pytest.mark.parametrize("entry", [True, False])
def test_what_was_written_stays_while_reports_is_away(
    stack: Stack, flagged: queue.MessageSnapshot, entry: bool
) -> None:
    browser = stack.browser("pri")
    form = form_of(flagged, notes="She cried.", told=stack.people["pri"]) | ({} if entry else {"entry": ""})
    with away(stack, reports=reports_pb2_grpc.ReportsServiceStub):
        answer = browser.post("/referrals", form, page="/inbox")
    page = answer.get_data(as_text=True)
    assert (answer.status_code, "What you wrote is kept on this page" in page) == (503, True)
    assert ">She cried.</textarea>" in page
    assert re.search(r'value="bullying" required checked', page)
    for name in ("message", "entry", "told"):
        assert f'name="{name}" value="{form[name]}"' in page
    assert browser.post("/referrals", form, page="/inbox").status_code == 303


@pytest.mark.accepts(4, 110)
def test_staff_messages_and_people_without_the_right_get_no_referral(
    stack: Stack, flagged: queue.MessageSnapshot
) -> None:
    body = {"message_id": flagged.message_id, "reason": "other"}
    for username in ("tea", "amy", "mum"):
        assert stack.browser(username).send_json("POST", "/api/v1/referrals", body).status_code == 403
        assert stack.browser(username).get("/referrals").status_code == 403


@pytest.mark.accepts(190, 199, 244)
def test_a_threats_details_are_apart_and_every_reading_is_logged(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    assert SCARY not in browser.get("/reports/threats").get_data(as_text=True)
    assert SCARY in browser.get(f"/alerts/{danger.message_id}/details").get_data(as_text=True)
    assert SCARY in browser.get(f"/reports/threats/{danger.message_id}").get_data(as_text=True)
    assert "+ Add" in browser.get("/reports/threats").get_data(as_text=True)
    log = stack.browser("off").get(f"/api/v1/audit?message={danger.message_id}").get_json()["records"]
    assert [each["action"] for each in log] == ["threat.viewed", "threat.viewed"]
    page = stack.browser("off").get("/audit?action=threat.viewed").get_data(as_text=True)
    assert "Opened the threat" in page
    assert "Ida Cole" in page
    assert browser.get("/audit").status_code == 403


@pytest.mark.accepts(201)
def test_a_threat_of_another_school_is_not_opened_by_a_forwarded_link(
    stack: Stack, danger: queue.MessageSnapshot
) -> None:
    browser = stack.browser("cou")
    for address in (f"/reports/threats/{danger.message_id}", f"/alerts/{danger.message_id}/details"):
        answer = browser.get(address)
        assert (answer.status_code, SCARY in answer.get_data(as_text=True)) == (404, False)
    assert not browser.get(f"/api/v1/reports/threats?message={danger.message_id}").get_json()["rows"]


def sheet(content: bytes) -> str:
    with ZipFile(io.BytesIO(content)) as book:
        return "".join(book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))


@pytest.mark.accepts(213, 214, 244)
def test_a_workbook_has_every_row_the_shown_columns_and_nothing_that_runs(stack: Stack) -> None:
    browser = stack.browser("off")
    subjects = [f"=HYPERLINK(1) {new_id()}" for _ in range(3)]
    for subject in subjects:
        tell_submitted(stack, student_message(stack, subject=subject))

    def are_there() -> None:
        page = browser.get("/api/v1/reports/history?size=500").get_data(as_text=True)
        assert all(subject in page for subject in subjects)

    eventually_sync(are_there)
    book = sheet(browser.get("/reports/history/excel?size=1").data)
    assert all(subject in book for subject in subjects)
    assert "<f>" not in book
    shown = {"columns": ["message", "total"]}
    browser.send_json("PUT", "/api/v1/preferences/columns/history", shown)
    narrow = sheet(browser.get("/reports/history/excel?sort=message&order=asc").data)
    assert "Total" in narrow
    assert "Recipient type" not in narrow
    log = browser.get("/api/v1/audit?action=history.exported").get_json()["records"]
    assert [each["actor_name"] for each in log[:2]] == ["Ada North", "Ada North"]


@pytest.mark.accepts(213, 214)
def test_a_workbook_of_threats_carries_no_text(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    book = sheet(browser.get("/reports/threats/excel").data)
    assert "Amy Stone" in book
    assert SCARY not in book
    assert SCARY not in sheet(browser.get("/reports/history/excel").data)
    assert stack.browser("tea").get("/reports/threats/excel").status_code == 403


@pytest.mark.accepts(213, 214, 215, 244)
def test_referrals_and_the_audit_log_go_to_excel_and_that_is_logged(
    stack: Stack, flagged: queue.MessageSnapshot
) -> None:
    browser, officer = stack.browser("pri"), stack.browser("off")
    notes = "=HYPERLINK(1) a secret of the counsellor"
    saved = browser.post("/referrals", form_of(flagged, notes=notes), page="/reports/history")
    assert saved.status_code == 303
    book = sheet(browser.get("/referrals/excel").data)
    assert "Amy Stone" in book
    assert "secret" not in book
    assert sheet(browser.get("/referrals/excel?mine=1").data).count("Amy Stone") == book.count("Amy Stone") - 1
    (mine, *_) = officer.get("/api/v1/audit?action=referrals.exported").get_json()["records"]
    assert mine["detail"] == "mine"
    log = sheet(officer.get("/audit/excel").data)
    assert "Exported referrals" in log
    assert "Ida Cole" in log
    narrow = sheet(officer.get("/audit/excel?action=referral.added").data)
    assert "Added a referral" in narrow
    assert "Exported referrals" not in narrow
    records = officer.get("/api/v1/audit?action=audit.exported").get_json()["records"]
    assert [(each["actor_name"], each["detail"]) for each in records] == [
        ("Ada North", "action=referral.added"),
        ("Ada North", ""),
    ]
    officer.get("/audit/excel?rule_column=who&rule_operator=contains&rule_value=cole&actor=cole")
    (newest, *_) = officer.get("/api/v1/audit?action=audit.exported").get_json()["records"]
    assert newest["detail"] == "rule=who"
    ruled = "rule_column=what&rule_operator=contains&rule_value=added+a&sort=who&order=asc&size=1"
    page = officer.get(f"/audit?{ruled}").get_data(as_text=True)
    assert "Added a referral</td>" in page
    assert 'aria-sort="ascending"' in page
    assert "Exported the audit log</td>" not in page
    assert "Date: Write a date like" in officer.get("/audit?rule_column=date&rule_operator=less&rule_value=x").text
    for address in ("/audit/excel", "/referrals/excel"):
        assert stack.browser("tea").get(address).status_code == 403
    for address, who in (("/audit", officer), ("/referrals", browser)):
        page = who.get(address).get_data(as_text=True)
        assert f'href="{address}/excel' in page
        assert "data-print" in page
