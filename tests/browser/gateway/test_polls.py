"""A poll on its whole way in a real browser: composed by keyboard, answered by its link, read in the reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from services.queue.links import Link, Links
from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults
from tests.integration.gateway.stack import ANSWERS_SECRET
from tests.support.eventually import eventually_sync

SUBJECT = "Which evening suits you?"
LOOKS = [(1440, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def poll(site: Site) -> str:
    """The entry of a poll that the principal composed without a mouse in the editor."""
    page = site.page("pri", viewport={"width": 1440, "height": 900})
    page.goto("/compose")
    page.fill("#subject", SUBJECT)
    page.fill("#body", "Please tell us.")
    page.get_by_role("radio", name="Poll").check()
    page.get_by_label("Question 1", exact=True).fill("Which evening?")
    page.get_by_label("Question 1, option 1").fill("Tuesday")
    page.get_by_label("Question 1, option 2").fill("Wednesday")
    page.get_by_role("button", name="Add an option to question 1").press("Enter")
    expect(page.get_by_label("Question 1, option 3")).to_be_focused()
    page.keyboard.type("Thursday")
    page.get_by_role("button", name="+ Question").press("Enter")
    expect(page.get_by_label("Question 2", exact=True)).to_be_focused()
    page.keyboard.type("How many?")
    # Enter in a field previews; a mistake comes back with everything that was filled in.
    page.keyboard.press("Enter")
    expect(page.locator(".problem")).to_contain_text("Give at least two answers to choose from.")
    assert page.get_by_label("Question 1, option 3").input_value() == "Thursday"
    assert faults(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert faults(page) == []
    page.get_by_label("Question 2, option 1").fill("One")
    page.get_by_label("Question 2, option 2").fill("Two")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator(".preview")).to_contain_text("Poll")
    page.get_by_role("button", name="Send to").click()
    expect(page.locator("h1")).to_have_text("Message sent")

    def found() -> str:
        page.goto("/reports/history?type=poll")
        row = page.locator("tr[data-entry]", has_text=SUBJECT)
        assert row.count() == 1
        return str(row.get_attribute("data-entry"))

    return str(eventually_sync(found, 20))


def _address(entry_id: str, number: int = 1) -> str:
    return f"/answer/{Links(ANSWERS_SECRET).sign(Link(entry_id, number, datetime.now(UTC) + timedelta(days=9)))}"


@pytest.mark.accepts(318)
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("has_script", [True, False])
def test_a_family_answers_by_the_link(site: Site, poll: str, width: int, scheme: str, has_script: bool) -> None:
    look: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    page = site.browser.new_context(base_url=site.url, java_script_enabled=has_script, **look).new_page()
    page.goto(_address(poll, 3))
    if has_script:
        assert faults(page) == []
    page.get_by_role("radio", name="Thursday").check()
    page.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("Your answer is stored.")
    expect(page.get_by_role("radio", name="Thursday")).to_be_checked()
    page.goto("/answer/nothing")
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work")
    if has_script:
        assert faults(page) == []


@pytest.mark.accepts(318)
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_parent_answers_in_the_inbox(site: Site, poll: str, width: int, scheme: str) -> None:
    page = site.page("mum", viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto("/inbox")
    assert faults(page) == []
    page.get_by_role("link", name=SUBJECT).click()
    # She has two children there, and answers for each.
    second = page.get_by_role("region", name="Poll 2")
    second.get_by_role("radio", name="Tuesday").check()
    second.get_by_role("button", name="answer").click()
    expect(second.get_by_role("status")).to_contain_text("Your answer is stored.")
    expect(page.get_by_role("region", name="Poll 1").get_by_role("status")).to_have_count(0)
    # What the bar at the top half covers while the page is scrolled to the answer would count as too small.
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    assert faults(page) == []


@pytest.mark.accepts(90, 91, 93, 318)
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_pop_up_shows_the_answers(site: Site, poll: str, width: int, scheme: str) -> None:
    answered = site.stack.browser().client.post(_address(poll), data={"q1": "2", "q2": "1"})
    assert answered.status_code == 303
    page = site.page("pri", viewport={"width": width, "height": 900}, color_scheme=scheme)

    def open_pop_up() -> None:
        page.goto("/reports/history?type=poll")
        page.locator("tr[data-entry] td.col-message a").first.click()
        expect(page.locator("#answers")).to_contain_text("Wednesday", timeout=1_000)

    eventually_sync(open_pop_up, 20)
    bar = page.locator(".bar-row").nth(1)
    bar.hover()
    expect(bar.locator(".tip")).to_be_visible()
    expect(bar.locator(".tip")).to_contain_text("%")
    assert faults(page) == []
    page.get_by_role("link", name="Pie chart").click()
    page.locator(".slice path").first.hover()
    expect(page.locator(".slice .tip").first).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("ArrowRight")
    expect(page.locator("#question-text")).to_contain_text("Question 2 of 2")
    expect(page.locator(".pie")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#question-text")).to_contain_text("Question 1 of 2")
    for _ in range(2):
        page.get_by_role("link", name="Next question").press("Enter")
        expect(page.locator("#question-text")).to_contain_text("Question 2 of 2")
        expect(page.get_by_role("link", name="Next question")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#question-text")).to_contain_text("Question 1 of 2")
    page.get_by_role("link", name="Bar graph").press("Enter")
    expect(page.locator(".bars")).to_be_visible()
    expect(page.get_by_role("link", name="Bar graph")).to_be_focused()
    page.get_by_role("link", name="Response", exact=True).click()
    expect(page.locator('th[aria-sort="ascending"]', has_text="Response")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.page-dialog")).to_have_count(0)
