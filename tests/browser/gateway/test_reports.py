"""The reports as a secretary uses them: what is in view, on paper, and by keyboard."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from protos.types.v1 import types_pb2 as types
from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults
from tests.integration.gateway.telling import SCARY, student_message, tell_progress, tell_submitted, tell_withheld
from tests.integration.gateway.test_recipients import sent
from tests.integration.gateway.test_schedules import DAILY, form, scheduled
from tests.support.eventually import eventually_sync

LONG = "Reading logs, library books and everything else that has to be brought back before the winter break"


@pytest.fixture(scope="module")
def flagged(site: Site) -> str:
    """A student's message of two entries that the principal has flagged; returns its id."""
    channels = (types.CHANNEL_PUSH, types.CHANNEL_EMAIL)
    sent, browser = (
        student_message(site.stack, channels, subject=LONG, sender_name="Amy Stone " * 6),
        site.stack.browser("pri"),
    )
    tell_submitted(site.stack, sent)

    def is_there() -> None:
        assert sent.message_id in browser.get("/api/v1/reports/history").get_data(as_text=True)

    eventually_sync(is_there)
    answer = browser.send_json("PUT", f"/api/v1/messages/{sent.message_id}/flag", {"is_flagged": True})
    assert answer.status_code == 200
    return sent.message_id


@pytest.fixture(scope="module")
def danger(site: Site) -> str:
    """A student's message that screening withheld, listed; returns the student's id."""
    sent, browser = student_message(site.stack, body=SCARY), site.stack.browser("pri")
    tell_withheld(site.stack, sent)

    def is_there() -> None:
        assert sent.message_id in browser.get("/api/v1/reports/threats").get_data(as_text=True)

    eventually_sync(is_there)
    return sent.sender_id


@pytest.fixture(scope="module")
def planned(site: Site) -> str:
    """A message of every day, listed; returns its address."""
    browser = site.stack.browser("pri")
    place = scheduled(browser, form(site.stack, **DAILY, subject="Lunch"))

    def is_there() -> None:
        assert "Lunch" in browser.get("/reports/scheduled").get_data(as_text=True)

    eventually_sync(is_there)
    return place


def open_history(site: Site, **context: object) -> Page:
    page: Page = site.page("pri", **context)
    page.goto("/reports/history")
    return page


def test_every_count_is_in_view_at_1440_without_scrolling(site: Site, flagged: str) -> None:
    page = open_history(site, viewport={"width": 1440, "height": 900})
    errors = page.locator("thead th").filter(has_text=re.compile("^Errors")).bounding_box()
    table = page.locator(".table-scroll").bounding_box()
    assert errors
    assert table
    assert errors["x"] + errors["width"] <= table["x"] + table["width"]


def test_the_first_column_stays_in_view_and_opaque(site: Site, flagged: str) -> None:
    page = open_history(site, viewport={"width": 800, "height": 900})
    page.locator(".table-scroll").evaluate("each => { each.scrollLeft = 400; }")
    cell = page.locator("tbody td.open-cell").first
    before, table = cell.bounding_box(), page.locator(".table-scroll").bounding_box()
    assert before
    assert table
    assert abs(before["x"] - table["x"]) < 3
    colour = cell.evaluate("each => getComputedStyle(each).backgroundColor")
    assert colour not in ("transparent", "rgba(0, 0, 0, 0)")


@pytest.mark.accepts(215)
@pytest.mark.parametrize("report", ["history", "threats", "scheduled"])
def test_paper_shows_the_table_alone(site: Site, flagged: str, danger: str, planned: str, report: str) -> None:
    page = site.page("pri")
    page.goto(f"/reports/{report}")
    page.emulate_media(media="print")
    expect(page.locator("table.data")).to_be_visible()
    for part in (".sidebar", ".topbar", ".filters", ".table-tools", ".paging"):
        expect(page.locator(part)).to_be_hidden()


@pytest.mark.accepts(216, 223)
def test_rules_are_added_and_removed(site: Site, flagged: str) -> None:
    page = open_history(site)
    page.keyboard.press("/")
    page.locator("[name=rule_column]").select_option("type")
    page.locator("[name=rule_value]").fill("push")
    page.get_by_role("button", name="Add a rule").click()
    expect(page.locator(".rule")).to_have_count(2)
    page.locator("[name=rule_column]").last.select_option("message")
    page.locator("[name=rule_value]").last.fill("Reading logs")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".how-many")).to_contain_text("1 message")
    page.keyboard.press("/")
    page.locator("[data-remove-rule]").last.click()
    expect(page.locator(".rule")).to_have_count(1)


@pytest.mark.accepts(111, 112, 113)
def test_a_referral_is_cancelled_then_added_by_keyboard(site: Site, flagged: str) -> None:
    page = open_history(site)
    rows = page.locator("tbody tr").filter(has_text=LONG)
    add, view = (rows.get_by_role("link", name=name, exact=True) for name in ("+ Add", "View"))
    expect(add).to_have_count(2)
    add.first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.page-dialog:modal")
    expect(dialog.get_by_role("heading", name="Add referral")).to_be_visible()
    assert faults(page) == []
    dialog.get_by_role("link", name="Cancel").click()
    expect(add).to_have_count(2)
    add.first.click()
    dialog.get_by_label("Bullying").check()
    dialog.get_by_label("Ida Cole").check()
    dialog.get_by_role("button", name="Save").click()
    expect(view).to_have_count(2)
    expect(rows.locator(".flag-box")).to_have_count(0)
    view.first.click()
    expect(page.get_by_role("heading", name="Referral of")).to_be_visible()
    assert faults(page) == []


@pytest.mark.accepts(50)
def test_a_person_is_found_while_one_types(site: Site) -> None:
    page = open_history(site)
    page.get_by_label("Find a person").fill("amy st")
    link = page.locator("#quick-found").get_by_role("link", name=re.compile("Amy Stone"))
    expect(link).to_be_visible()
    expect(page).to_have_title("Communication History · Lantern")
    said = page.get_by_role("search").get_by_role("status")
    expect(said).to_have_text("1 found for “amy st”.")
    page.keyboard.press("Escape")
    expect(link).to_have_count(0)
    expect(said).to_be_empty()
    page.get_by_label("Find a person").fill("nobody")
    expect(said).to_have_text("Nobody in your schools fits “nobody”.")
    page.get_by_label("Find a person").fill("amy st")
    link.click()
    expect(page.locator("dialog.page-dialog:modal").get_by_role("heading", name="Amy Stone")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.page-dialog")).to_have_count(0)
    assert page.url.endswith("/reports/history")


def test_how_much_is_found_in_the_inbox_is_said(site: Site) -> None:
    page = site.page("mum")
    page.goto("/inbox")
    page.get_by_label("Find in the inbox").fill("zebra")
    page.get_by_role("button", name="Find", exact=True).press("Enter")
    expect(page.get_by_role("main").get_by_role("status")).to_have_text("0 messages found for “zebra”.")
    expect(page.get_by_role("button", name="Find", exact=True)).to_be_focused()
    assert faults(page) == []


def test_rows_of_what_was_received_are_walked_by_keys(site: Site) -> None:
    page = site.page("pri")
    row = sent(site.stack.browser("pri"), lambda counts: counts["total"] == "2")
    page.goto(f"/reports/history/entries/{row['entry_id']}/recipients/record?at=1")
    page.get_by_role("link", name="What this family received").click()
    expect(page.get_by_role("heading", name="received")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("[data-record]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog.page-dialog:modal")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-record]").first).to_be_focused()


@pytest.mark.accepts(190, 191)
def test_a_threats_text_is_hidden_until_one_clicks_here(site: Site, danger: str) -> None:
    page = site.page("pri", viewport={"width": 390, "height": 844})
    page.goto("/reports/threats")
    assert page.locator("td.col-from a").get_attribute("href", timeout=5000).startswith(f"/people/{danger}")
    page.get_by_role("link", name="Show message").click()
    expect(page.locator("main").get_by_text(SCARY)).to_be_hidden()
    page.get_by_text("Click here to show it").click()
    expect(page.locator("main").get_by_text(SCARY)).to_be_visible()
    assert faults(page) == []


@pytest.mark.accepts(318)
def test_an_attendance_rule_is_made_by_keyboard_and_its_page_is_accessible(site: Site) -> None:
    page = site.page("pri", viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto("/attendance-rules/new")
    page.get_by_label("Name of the rule").fill("Absent without excuse")
    page.get_by_label("Attendance codes").fill("a, unx")
    page.get_by_role("checkbox", name="SMS").focus()
    page.keyboard.press("Space")
    page.get_by_label("Text of SMS").fill("{student}: {wrong}")
    page.get_by_role("button", name="Make the rule").click()
    expect(page.locator("#text-sms")).to_have_attribute("aria-invalid", "true")
    assert faults(page) == []
    page.get_by_label("Text of SMS").fill("{student}: {code}")
    page.get_by_role("button", name="Make the rule").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Absent without excuse")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("Off: tells nobody.")).to_be_visible()


@pytest.mark.accepts(318)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shortcuts_of_one_key_can_be_switched_off(site: Site, scheme: Literal["light", "dark"]) -> None:
    page = open_history(site, color_scheme=scheme)
    menu, box = page.locator("details[data-columns]"), page.get_by_role("checkbox", name="Shortcuts of one key")
    page.keyboard.press("?")
    expect(box).to_be_checked()
    assert faults(page) == []
    box.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    for _ in range(2):
        page.keyboard.press("t")
        expect(menu).not_to_have_attribute("open", "")
        page.reload()
    page.locator(".account summary").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(box).not_to_be_checked()
    box.check()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(menu).to_have_attribute("open", "")


@pytest.mark.accepts(308, 318)
def test_families_reached_leaves_the_focus_where_it_is_when_it_is_drawn_again(site: Site) -> None:
    page, redrawn = site.page("pri"), re.compile("/reach(\\?|$)")
    row = sent(site.stack.browser("pri"), lambda counts: counts["total"] == "2")
    page.goto(f"/reports/history/messages/{row['message_id']}/reach")
    link = page.locator(".reach-table tbody a").first
    link.focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.reach-table tbody li'))")
    marked = page.evaluate("String(getSelection())")
    for _ in range(2):
        with page.expect_response(redrawn):
            pass
    expect(page.locator("#reach-now")).to_be_visible()
    expect(link).to_be_focused()
    assert marked
    assert page.evaluate("String(getSelection())") == marked


@pytest.mark.accepts(42, 218, 318)
def test_counts_move_without_the_pending_column_and_are_named_as_they_are_shown(site: Site) -> None:
    stack, page = site.stack, site.page("pri")
    snapshot = student_message(stack, subject="Moving")
    snapshot.entries[0].counts[0].sent, snapshot.entries[0].counts[0].pending = 0, 1
    tell_submitted(stack, snapshot)
    settled = student_message(stack, subject="Settled")
    tell_submitted(stack, settled)
    entry, bounced = snapshot.entries[0], settled.entries[0]

    def is_there() -> None:
        page = stack.browser("pri").get("/reports/history").get_data(as_text=True)
        assert "Moving" in page
        assert "Settled" in page

    eventually_sync(is_there)
    page.goto("/reports/history")
    page.locator("details[data-columns] summary").click()
    page.locator("details[data-columns] input[value=pending]").uncheck()
    page.locator("details[data-columns] button").last.click()
    row = page.locator(f'[data-entry="{entry.entry_id}"]')
    expect(page.locator("th", has_text="Pending")).to_have_count(0)
    expect(row.get_by_role("link", name=re.compile("show the recipients"))).to_have_count(0)
    expect(page.locator("[data-live-word]")).to_be_visible()
    # What had arrived in a row that was settled already may bounce yet.
    bounced.counts[0].sent, bounced.counts[0].error, bounced.version = 0, 1, 2
    tell_progress(stack, bounced)
    expect(page.locator(f'[data-entry="{bounced.entry_id}"] .col-sent').get_by_text("0")).to_be_visible()
    entry.counts[0].sent, entry.counts[0].pending, entry.version = 1, 0, 2
    tell_progress(stack, entry)
    expect(row.get_by_role("link", name="1 Sent: show the recipients")).to_be_visible()
    expect(row.locator(".col-sent span")).to_be_hidden()
    assert faults(page) == []
