"""Sending again from the pop-up of errors, in a browser."""

import pytest
from playwright.sync_api import expect

from services.kit.ids import new_id
from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults
from tests.support.eventually import eventually_sync

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def failed(site: Site) -> str:
    """A text to teachers, none of whom has a mobile number; returns the entry's id."""
    browser = site.stack.browser("pri")
    body = {"idempotency_key": new_id(), "subject": "Staff meeting", "body": "At three.", "channels": ["sms"]}
    sent = browser.send_json("POST", "/api/v1/messages", {**body, "audience": {"roles": ["teacher"]}}).get_json()
    entry_id = str(sent["entries"][0]["entry_id"])

    def is_there() -> None:
        answer = browser.get(f"/api/v1/entries/{entry_id}")
        assert answer.status_code == 200
        assert answer.get_json()["row"]["counts"]["error"] != "0"

    eventually_sync(is_there)
    return entry_id


@pytest.mark.accepts(305)
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_errors_are_sent_again_by_a_channel_that_is_chosen_in_the_pop_up(
    site: Site, failed: str, size: dict[str, int]
) -> None:
    page = site.page("pri", viewport=size)
    page.goto(f"/reports/history/entries/{failed}/recipients?state=errors")
    assert faults(page) == []
    page.get_by_text("Not possible by every way").click()
    expect(page.get_by_text("Recorded call: There is no recording to play.")).to_be_visible()
    page.get_by_label("Send again by").select_option("sms")
    page.get_by_role("button", name="Resend to these").click()
    expect(page.get_by_text("Nobody is reached by this way.")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("link", name="Back to the recipients").click()
    page.get_by_label("Send again by").select_option("email")
    page.get_by_role("button", name="Resend to these").click()
    expect(page.get_by_role("heading", name="Resend by E-mail")).to_be_visible()
    assert faults(page) == []
    if size is WIDE:
        page.get_by_role("button", name="Send again to").click()
        expect(page.get_by_text("Sent again to")).to_be_visible()
