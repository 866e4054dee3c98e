"""A session that ends while a message is written, as the person meets it: two tabs, and nothing is lost."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from services.gateway.sessions import IDLE
from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults


@pytest.mark.accepts(318)
@pytest.mark.parametrize(("username", "width"), [("pri", 1280), ("amy", 390)])
def test_what_was_written_comes_back_after_signing_in_in_a_new_tab(site: Site, username: str, width: int) -> None:
    page = site.page(username, viewport={"width": width, "height": 900})
    page.goto("/compose")
    page.fill("#subject", "Storm")
    page.fill("#body", "School closes at noon.\nBuses leave early.")
    if username == "amy":
        page.get_by_role("checkbox", name="Tom Reed").check()
    site.stack.clock.later += IDLE + timedelta(minutes=5)
    page.get_by_role("button", name="Preview" if username == "pri" else "Send", exact=True).last.click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert faults(page) == []
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Sign in (new tab)").click()
    tab = opened.value
    tab.fill("#username", username)
    tab.fill("#password", "correct horse")
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(lambda address: "/sign-in" not in address)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was sent or changed")
    assert page.input_value("#subject") == "Storm"
    assert page.input_value("#body") == "School closes at noon.\nBuses leave early."
    assert faults(page) == []
    if username == "amy":
        expect(page.get_by_role("checkbox", name="Tom Reed")).to_be_checked()
        page.get_by_role("button", name="Send", exact=True).last.click()
    else:
        page.get_by_role("button", name="Preview", exact=True).last.click()
        page.get_by_role("button", name="Send to").click()
    expect(page.get_by_role("heading", name="Message sent")).to_be_visible()
