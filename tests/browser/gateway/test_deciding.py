"""Deciding a threat in a browser: by keyboard, accessible, wide and narrow, with its figures (statements 303, 316)."""

from typing import Any

import pytest
from playwright.sync_api import expect

from protos.events.v1 import queue_pb2 as queue
from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults
from tests.integration.gateway.telling import SCARY, student_message, tell_withheld
from tests.support.eventually import eventually_sync


@pytest.fixture
def danger(site: Site) -> queue.MessageSnapshot:
    """A student's message that screening withheld, listed."""
    sent, browser = student_message(site.stack, subject="Gym", body=SCARY), site.stack.browser("pri")
    tell_withheld(site.stack, sent)

    def is_listed() -> None:
        assert sent.message_id in browser.get("/api/v1/reports/threats?size=500").get_data(as_text=True)

    eventually_sync(is_listed)
    return sent


def press_until(page: Any, key: str, name: str) -> None:
    """Press a key until the element of this name has the focus."""
    for _ in range(80):
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
        page.keyboard.press(key)
    raise AssertionError(f"{name} is not reached by {key}")


@pytest.mark.accepts(303, 318)
def test_a_threat_is_decided_by_keyboard_alone(site: Site, danger: queue.MessageSnapshot) -> None:
    page = site.page("pri")
    page.goto(f"/reports/threats/{danger.message_id}")
    press_until(page, "Tab", "Keep it withheld")
    page.keyboard.press("Enter")
    reason = page.get_by_role("dialog").get_by_label("Why")
    expect(reason).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press_until(page, "Tab", "Release the message")
    page.keyboard.press("Enter")
    expect(reason).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    # The browser itself asks for the reason.
    expect(reason).to_be_focused()
    page.keyboard.type("A scene of the school play.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A release cannot be taken back.")).to_be_visible()
    expect(page.locator(".decision-reason")).to_have_text("A scene of the school play.")
    expect(page.get_by_role("link", name="Release the message")).to_have_count(0)


@pytest.mark.accepts(318)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_threat_its_dialog_and_the_figures_are_accessible(
    site: Site, danger: queue.MessageSnapshot, width: int, scheme: str
) -> None:
    page = site.page("pri", viewport={"width": width, "height": 900}, color_scheme=scheme)
    base = f"/reports/threats/{danger.message_id}"
    found = []
    for address in (base, f"{base}/decide?decision=keep&seen=0", "/reports/threats", "/reports/threats/figures"):
        assert page.goto(address).status == 200
        found += [f"{address.removeprefix(base)} {fault}" for fault in faults(page)]
    assert found == []


@pytest.mark.accepts(303)
def test_who_comes_second_reads_the_first_decision(site: Site, danger: queue.MessageSnapshot) -> None:
    first, second = site.page("pri"), site.page("off")
    for page, link in ((first, "Keep it withheld"), (second, "Release the message")):
        page.goto(f"/reports/threats/{danger.message_id}")
        page.get_by_role("link", name=link).click()
        page.get_by_label("Why").fill("Talked to him.")
    first.get_by_role("button", name="Keep it withheld").click()
    expect(first.locator(".decision-reason")).to_have_text("Talked to him.")
    second.get_by_role("button", name="Release the message").click()
    expect(second.get_by_role("alert")).to_contain_text("Ida Cole decided meanwhile")
    second.get_by_role("link", name="Show the threat as it is now").click()
    expect(second.locator(".decision-reason")).to_have_text("Talked to him.")
