"""Choosing how a message repeats, in a real browser: by keyboard, on a narrow screen, with what is wrong beside it."""

import pytest
from playwright.sync_api import expect

from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults


@pytest.mark.accepts(317, 318)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (320, "dark")])
def test_what_is_asked_for_shows_by_keyboard_and_says_what_is_wrong(site: Site, width: int, scheme: str) -> None:
    page = site.page("pri", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto("/compose")
    page.fill("#subject", "Band practice")
    page.fill("#body", "Band practice is at four.")
    page.get_by_role("radio", name="Repeat").check()
    weeks, place = page.get_by_label("Every how many weeks"), page.get_by_role("combobox", name="On", exact=True)
    day, often = page.get_by_role("combobox", name="Day of the week"), page.get_by_label("How often")
    for each in (weeks, place, day):
        expect(each).to_be_hidden()
    page.get_by_label("First date").fill("2099-01-05")
    often.select_option("weekly")
    often.press("Tab")
    expect(weeks).to_be_focused()
    page.keyboard.type("2")
    page.get_by_role("checkbox", name="Thursday").press("Space")
    coming = page.locator("#sendings li")
    expect(coming.nth(1)).to_contain_text("Thursday, 22 January 2099")
    weeks.fill("60")
    page.get_by_role("button", name="Preview", exact=True).press("Enter")
    expect(weeks).to_have_attribute("aria-invalid", "true")
    expect(weeks).to_have_accessible_description("Enter a number of weeks from 1 to 52.")
    assert faults(page) == []
    often.select_option("monthly")
    place.select_option(label="The last")
    day.select_option(label="Friday")
    expect(weeks).to_be_hidden()
    expect(coming.nth(0)).to_contain_text("Friday, 30 January 2099")
    expect(coming.nth(1)).to_contain_text("Friday, 27 February 2099")
    assert faults(page) == []
