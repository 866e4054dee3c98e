"""The policy's page in a real browser: it holds two forms, and each asks for itself before it is left."""

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.gateway.conftest import Site


def _asked(page: Page) -> list[str]:
    """Collect the questions that the page asks, and stay each time."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    return asked


def _half_written(site: Site) -> tuple[Page, list[str]]:
    """Return a policy with a phrase that is not saved, and the questions that the page asks from here on."""
    page = site.page("off")
    page.goto("/policy")
    asked = _asked(page)
    page.fill("#blocked", "yellow submarine")
    return page, asked


@pytest.mark.accepts(318)
def test_days_to_judge_again_are_sent_once_they_are_mended_and_no_policy_is_in_the_way(site: Site) -> None:
    page = site.page("off")
    page.goto("/policy")
    asked = _asked(page)
    page.get_by_label("First day").fill("2026-01-05")
    page.get_by_label("Last day").fill("2026-01-01")
    page.get_by_label("Why", exact=True).fill("A new model.")
    page.get_by_role("button", name="Judge these days again").click()
    expect(page.locator(".problem")).to_be_visible()
    # Nothing more was typed, and yet these days would be lost.
    page.get_by_role("link", name="Inbox").first.click()
    assert asked == ["beforeunload"]
    page.get_by_label("Last day").fill("2026-01-08")
    page.get_by_role("button", name="Judge these days again").click()
    expect(page.locator("#again li")).to_contain_text("A new model.")
    assert asked == ["beforeunload"]


@pytest.mark.accepts(318)
@pytest.mark.parametrize("step", ["Show what it would do", "Add an exception"])
def test_a_policy_that_is_not_saved_yet_is_not_left_without_a_question(site: Site, step: str) -> None:
    page, asked = _half_written(site)
    page.get_by_role("button", name=step).last.click()
    expect(page.locator(".preview" if "Show" in step else ".exception").last).to_be_visible()
    page.get_by_role("link", name="Inbox").first.click()
    assert asked == ["beforeunload"]
    expect(page.locator("#blocked")).to_have_value("yellow submarine")


@pytest.mark.accepts(318)
def test_a_policy_that_is_discarded_is_left_without_a_question(site: Site) -> None:
    page, asked = _half_written(site)
    page.get_by_role("button", name="Show what it would do").last.click()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".preview")).to_have_count(0)
    expect(page.locator("#blocked")).to_have_value("")
    assert asked == []


@pytest.mark.accepts(318)
def test_who_stays_because_of_the_days_has_not_sent_the_policy_either(site: Site) -> None:
    page, asked = _half_written(site)
    page.get_by_label("First day").fill("2026-01-05")
    page.get_by_label("Last day").fill("2026-01-08")
    page.get_by_label("Why", exact=True).fill("A new model.")
    page.get_by_role("button", name="Show what it would do").last.click()
    page.get_by_role("button", name="Judge these days again").click()
    assert asked == ["beforeunload", "beforeunload"]
    expect(page.locator("#blocked")).to_have_value("yellow submarine")
