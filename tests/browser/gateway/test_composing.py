"""What the composer says before a message goes, in a real browser."""

import pytest
from playwright.sync_api import Dialog, expect

from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults


@pytest.mark.accepts(317, 318)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_preview_opens_to_the_names_of_those_who_are_left_out(site: Site, width: int, scheme: str) -> None:
    page = site.page("pri", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto("/compose")
    page.fill("#subject", "Picture day")
    page.fill("#body", "Picture day is on Friday.")
    page.get_by_role("radio", name="Poll").check()
    page.get_by_label("Question 1", exact=True).fill("Which evening?")
    page.get_by_label("Question 1, option 1").fill("Tuesday")
    page.get_by_label("Question 1, option 2").fill("Wednesday")
    page.get_by_role("checkbox", name="SMS").check()
    page.get_by_role("checkbox", name="Push").check()
    page.get_by_role("button", name="Preview", exact=True).click()
    left_out = page.locator(".left-out details", has_text="No device with the app.").first
    expect(left_out.get_by_text("Rosa Stone, about Amy Stone")).to_be_hidden()
    left_out.locator("summary").press("Enter")
    expect(left_out.get_by_text("Rosa Stone, about Amy Stone")).to_be_visible()
    assert faults(page) == []


@pytest.mark.accepts(232, 318)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_choosing_another_school_loses_nothing_that_was_written(site: Site, width: int, scheme: str) -> None:
    page = site.page("both", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto("/compose")
    page.fill("#subject", "Picture day")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    switcher = page.get_by_label("School that you are working in")
    switcher.select_option(label="Ridge High")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#subject")).to_have_value("Picture day")
    assert asked == ["beforeunload"]
    page.get_by_label("From", exact=True).select_option(label="Ridge High")
    page.fill("#body", "Picture day is on Friday.")
    page.get_by_role("checkbox", name="Students").check()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.get_by_text("Ridge High is excluded from communication")).to_be_visible()
    expect(page.get_by_label("From", exact=True).locator(":checked")).to_have_text("Ridge High")
    expect(page.locator("#subject")).to_have_value("Picture day")
    assert faults(page) == []
    # What was only previewed is not sent yet.
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#subject")).to_have_value("Picture day")
    page.get_by_role("button", name="Send to").click()
    expect(page.get_by_role("heading", name="Message sent")).to_be_visible()
    assert asked == ["beforeunload"] * 2
    page.get_by_label("School that you are working in").select_option(label="Ridge High")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_label("School that you are working in").locator(":checked")).to_have_text("Ridge High")
