"""Composing a call and hearing it again, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults
from tests.support.eventually import eventually_sync
from tests.support.sound import wav

SUBJECT = "Closed because of snow"


@pytest.fixture(scope="module")
def call(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a recorded call that the principal composed; the composer is looked at on the way."""
    sound = tmp_path_factory.mktemp("sound") / "snow.wav"
    sound.write_bytes(wav(20.0))
    page = site.page("pri", viewport={"width": 1440, "height": 900})
    page.goto("/compose")
    page.fill("#subject", SUBJECT)
    page.fill("#body", "School is closed today.")
    page.set_input_files("#recording", sound)
    expect(page.get_by_label("Recorded call")).to_be_checked()
    page.get_by_label("Text to speech").check()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator(".preview")).to_contain_text("Recorded call")
    expect(page.locator("[data-player] audio")).to_have_count(1)
    assert faults(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert faults(page) == []
    page.get_by_role("button", name="Send to").click()
    expect(page.locator("h1")).to_have_text("Message sent")
    return _address(page)


def _address(page: Any) -> str:
    def found() -> str:
        page.goto("/reports/history?type=recorded")
        row = page.locator("tr[data-entry]", has_text=SUBJECT)
        assert row.count() == 1
        return f"/reports/history/entries/{row.get_attribute('data-entry')}/message"

    return str(eventually_sync(found, 20))


def test_a_recording_that_is_too_large_is_refused_before_anything_is_lost(site: Site) -> None:
    page = site.page("pri")
    page.goto("/compose")
    page.fill("#body", "What I wrote.")
    page.get_by_label("Recorded call").check()
    page.set_input_files(
        "#recording", {"name": "long.wav", "mimeType": "audio/wav", "buffer": bytes(10 * 1024 * 1024 + 1)}
    )
    expect(page.get_by_role("alert")).to_contain_text("larger than 10 MB")
    assert page.locator("#recording").evaluate("each => each.files.length") == 0
    assert faults(page) == []
    page.set_input_files("#recording", {"name": "short.wav", "mimeType": "audio/wav", "buffer": wav(1.0)})
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.input_value("#body") == "What I wrote."


@pytest.mark.accepts(86, 87, 88)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_recording_of_a_call_plays_by_itself_at_any_speed(site: Site, call: str, width: int, scheme: str) -> None:
    page = site.page("pri", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto("/reports/history?type=recorded")
    page.locator("tr[data-entry] td.col-message a").first.click()
    player = page.locator("[data-player] audio")
    expect(player).to_be_visible()

    def is_playing() -> None:
        assert player.evaluate("each => !each.paused && each.currentTime > 0.2")

    eventually_sync(is_playing)
    page.get_by_label("Speed").select_option("1.5")
    assert player.evaluate("each => each.playbackRate") == 1.5
    player.evaluate("each => each.pause()")
    assert player.evaluate("each => each.controls")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == wav(20.0)
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("[data-player]")).to_have_count(0)
