"""Keeping and releasing threats, as the pages and the API offer it; on real services (statement 303)."""

import html
import re
from datetime import UTC, timedelta

import pytest

from protos.events.v1 import queue_pb2 as queue
from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack
from tests.integration.gateway.telling import SCARY, student_message, tell_let_go, tell_submitted, tell_withheld
from tests.support.eventually import eventually_sync


def row_of(browser: Browser, report: str, message_id: str) -> dict[str, object]:
    rows = browser.rows(report)
    found = [row for row in rows if row["message_id"] == message_id]
    assert len(found) == 1
    return dict(found[0])


@pytest.fixture
def danger(stack: Stack) -> queue.MessageSnapshot:
    """A student's message that screening withheld."""
    sent, browser = student_message(stack, subject="Gym", body=SCARY), stack.browser("pri")
    tell_withheld(stack, sent)
    eventually_sync(lambda: row_of(browser, "threats", sent.message_id))
    return sent


def dialogs(page: str) -> dict[str, str]:
    """The addresses of the page's decision dialogs, by decision."""
    found = re.findall(r'href="([^"]+/decide[?][^"]+)"', page)
    return {re.split("decision=|&", html.unescape(each))[1]: html.unescape(each) for each in found}


@pytest.mark.accepts(303, 309)
def test_a_threat_is_kept_and_later_released_each_with_a_reason(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser, address = stack.browser("pri"), f"/reports/threats/{danger.message_id}"
    offered = dialogs(browser.get(address).get_data(as_text=True))
    assert sorted(offered) == ["keep", "release"]
    dialog = browser.get(offered["keep"]).get_data(as_text=True)
    assert "required" in dialog
    assert "it may still be released later" in dialog
    form = {"decision": "keep", "seen": "0"}
    empty = browser.post(f"{address}/decide", {**form, "reason": " "}, page=address)
    assert (empty.status_code, "Say why in 1 to 500 characters." in empty.get_data(as_text=True)) == (400, True)
    kept = browser.post(f"{address}/decide", {**form, "reason": "He was <angry>."}, page=address)
    assert (kept.status_code, kept.headers["Location"]) == (303, address)
    page = browser.get(address).get_data(as_text=True)
    assert "He was &lt;angry&gt;." in page
    assert list(dialogs(page)) == ["release"]
    assert "This cannot be taken back." in browser.get(dialogs(page)["release"]).get_data(as_text=True)
    stale = browser.post(f"{address}/decide", {"decision": "release", "seen": "0", "reason": "A song."}, page=address)
    assert stale.status_code == 409
    assert "Ida Cole decided meanwhile" in stale.get_data(as_text=True)
    assert "A song." in stale.get_data(as_text=True)
    body = {"decision": "release", "seen": 1, "reason": "A song."}
    answer = browser.send_json("POST", f"/api/v1/threats/{danger.message_id}/decide", body)
    assert (answer.status_code, answer.get_json()["decision"]["number"]) == (200, 2)
    assert dialogs(browser.get(address).get_data(as_text=True)) == {}
    log = stack.browser("off").get(f"/audit?message={danger.message_id}").get_data(as_text=True)
    assert "Kept the message withheld" in log
    assert "Released the message" in log
    assert "A song." not in log


@pytest.mark.accepts(171)
def test_the_conversation_shows_where_the_message_stands_in_it(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser, page = stack.browser("pri"), f"/reports/threats/{danger.message_id}"
    sent_at = danger.sent_at.ToDatetime(UTC)
    for body, minutes in (("Before it.", -5), ("After it.", 5)):
        near = student_message(stack, subject="", body=body, sent_at=sent_at + timedelta(minutes=minutes))
        tell_submitted(stack, near)

    def stands_between() -> None:
        shown = browser.get(page).get_data(as_text=True).partition("The conversation around it")[2]
        assert -1 < shown.find("Before it.") < shown.find('aria-current="true"') < shown.find("After it.")

    eventually_sync(stands_between)
    alert = browser.get(f"/alerts/{danger.message_id}/details").get_data(as_text=True)
    assert re.search(r'<li>Threat 0[.]97 <span class="state bad">.*Held', alert)
    assert "<dt>Urgency</dt><dd>Most urgent</dd>" in alert
    around = alert.partition("<dt>Around it</dt>")[2]
    assert -1 < around.find("Before it.") < around.find('aria-current="true"') < around.find("After it.")


@pytest.mark.accepts(188)
def test_the_list_says_which_scores_held_a_message_and_how_urgent_it_is(
    stack: Stack, danger: queue.MessageSnapshot
) -> None:
    page = stack.browser("pri").get(f"/reports/threats?message={danger.message_id}").get_data(as_text=True)
    assert '<span class="chip bad" title="Held">Threat 0.97</span>' in page
    assert '<span class="quiet">Most urgent</span>' in page
    assert row_of(stack.browser("pri"), "threats", danger.message_id)["tier"] == 1


def only_this(page: str) -> list[str]:
    """The links of a page that keep it narrowed to one message."""
    return [each for each in re.findall(r'href="(/reports/threats[^"]*)"', page) if "message=" in each]


@pytest.mark.accepts(180, 214)
def test_the_link_of_an_alert_narrows_the_page_and_what_one_does_there(
    stack: Stack, danger: queue.MessageSnapshot
) -> None:
    browser, address = stack.browser("pri"), f"/reports/threats?message={danger.message_id}"
    page = browser.get(address).get_data(as_text=True)
    assert "<strong>1 threat</strong>" in page
    assert '<span class="chip">one threat</span>' in page
    assert '<a href="/reports/threats">Show all threats</a>' in page
    kept = only_this(page)
    assert any("/excel?" in each for each in kept)
    assert any("sort=date" in each for each in kept)
    assert f'name="next" value="{address}"' in page
    assert f'name="message" value="{danger.message_id}" checked' in page


def test_a_threat_that_is_not_listed_yet_is_not_said_to_be_none(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    page = browser.get(f"/reports/threats?message={new_id()}").get_data(as_text=True)
    assert "No student message has been withheld" not in page
    assert "This threat is not listed" in page
    assert only_this(page)


@pytest.mark.accepts(303)
def test_history_says_that_a_released_message_came_late(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser, officer = stack.browser("pri"), stack.browser("off")
    assert SCARY not in officer.get("/reports/history?searched=1&all_users=1").get_data(as_text=True)
    body = {"decision": "release", "reason": "A line of a play."}
    assert browser.send_json("POST", f"/api/v1/threats/{danger.message_id}/decide", body).status_code == 200
    tell_let_go(stack, danger)

    def is_late() -> None:
        assert row_of(browser, "threats", danger.message_id).get("released_at")

    eventually_sync(is_late)
    page = officer.get("/reports/history?searched=1&all_users=1").get_data(as_text=True)
    assert "Released late" in page
    record = officer.get(f"/reports/history/entries/{danger.entries[0].entry_id}").get_data(as_text=True)
    assert "Released late: screening withheld it, and <bdi>Ida Cole</bdi> released it on" in record
    found = browser.get("/reports/threats?rule_column=decision&rule_operator=equals&rule_value=Released")
    assert f"/reports/threats/{danger.message_id}" in found.get_data(as_text=True)


@pytest.mark.accepts(201, 210, 303)
def test_nobody_decides_for_another_school_or_without_threat_alerts(
    stack: Stack, danger: queue.MessageSnapshot
) -> None:
    body = {"decision": "release", "reason": "A line of a play."}
    for username, status in (("tea", 403), ("amy", 403), ("mum", 403), ("cou", 404)):
        answer = stack.browser(username).send_json("POST", f"/api/v1/threats/{danger.message_id}/decide", body)
        assert answer.status_code == status
    for wrong in ({"decision": "burn", "reason": "x"}, {"decision": "keep", "reason": ""}, {"decision": "keep"}):
        answer = stack.browser("pri").send_json("POST", f"/api/v1/threats/{danger.message_id}/decide", wrong)
        assert answer.status_code == 400
    assert not row_of(stack.browser("pri"), "threats", danger.message_id)["decided_by"]


@pytest.mark.accepts(303)
def test_undecided_threats_are_counted_and_found(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    browser.send_json("POST", f"/api/v1/threats/{danger.message_id}/acknowledge", {})
    page = browser.get("/reports/threats").get_data(as_text=True)
    link = re.search(r'<a href="([^"]+)">[\d,]+ undecided</a>', page)
    assert link
    found = browser.get(html.unescape(link[1])).get_data(as_text=True)
    assert f"/reports/threats/{danger.message_id}" in found


@pytest.mark.accepts(223)
@pytest.mark.usefixtures("danger")
def test_what_waits_in_all_is_told_apart_from_what_fits_the_filters(stack: Stack) -> None:
    browser = stack.browser("pri")
    assert re.search(r"threats?</strong>, [\d,]+ not acknowledged", browser.get("/reports/threats").text)
    filtered = browser.get("/reports/threats?searched=1&type=push").text
    assert re.search(r"<strong>0 threats</strong>\. In all: [1-9][\d,]* not acknowledged, ", filtered)


@pytest.mark.accepts(316)
def test_figures_are_shown_to_holders_of_threat_alerts(stack: Stack, danger: queue.MessageSnapshot) -> None:
    browser = stack.browser("pri")
    body = {"decision": "release", "reason": "A line of a play."}
    assert browser.send_json("POST", f"/api/v1/threats/{danger.message_id}/decide", body).status_code == 200
    page = browser.get("/reports/threats/figures").get_data(as_text=True)
    assert "By school" in page
    assert "Lincoln High" in page
    found = browser.get("/api/v1/threats/figures?start=2026-01-01").get_json()
    assert int(found["all"]["released"]) >= 1
    assert "Enter a date" in browser.get("/reports/threats/figures?start=soon").get_data(as_text=True)
    assert browser.get("/api/v1/threats/figures?start=soon").status_code == 400
    assert stack.browser("tea").get("/reports/threats/figures").status_code == 403
