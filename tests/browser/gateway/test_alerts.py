"""Threat alerts in an open page: they come, age and go without taking away what a person is doing."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.telling import SCARY, student_message, tell_withheld
from tests.support.eventually import eventually_sync
from tests.support.forked import start

SERVICES = (*USUAL, "notify")
Raise = Callable[[], str]


@pytest.fixture(scope="module", autouse=True)
def followed(site: Site) -> Iterator[None]:
    """Follow notify's stream, as a worker process does."""
    site.stack.gateway.alerts.start()
    yield
    site.stack.gateway.alerts.stop()


@pytest.fixture
def threaten(site: Site) -> Iterator[Raise]:
    """Raise a threat and return its id; what a test leaves open is acknowledged after it."""
    browser, raised = site.stack.browser("pri"), []

    def threaten() -> str:
        sent = student_message(site.stack, subject="Gym", body=SCARY)
        tell_withheld(site.stack, sent)
        raised.append(sent.message_id)
        eventually_sync(lambda: _assert_open(browser, sent.message_id))
        return sent.message_id

    yield threaten
    for message_id in raised:
        browser.send_json("POST", f"/api/v1/threats/{message_id}/acknowledge", {})
    eventually_sync(lambda: _assert_none_open(browser))


def _assert_open(browser: Any, message_id: str) -> None:
    assert message_id in browser.get("/alerts").get_data(as_text=True)
    assert message_id in browser.get("/api/v1/reports/threats?size=500").get_data(as_text=True)


def _assert_none_open(browser: Any) -> None:
    assert "data-message" not in browser.get("/alerts").get_data(as_text=True)


def _assert_listens(page: Any) -> None:
    assert page.evaluate("alertStream?.readyState === EventSource.OPEN")


def let_time_pass(page: Any, is_stale: bool) -> None:
    """Let ten seconds pass in the page, as often as it takes to say that alerts cannot be read, or not to say so."""

    def stands() -> None:
        page.clock.fast_forward("00:10")
        assert page.locator(".alert-stale").count() == int(is_stale)

    eventually_sync(stands, 30)


def alert(page: Any, message_id: str) -> Any:
    return page.locator(f'.threat-alert[data-message="{message_id}"]')


def acknowledge(page: Any, message_id: str) -> Any:
    return alert(page, message_id).get_by_role("button", name="Acknowledge")


@pytest.mark.accepts(177, 203)
def test_acknowledging_leaves_what_is_being_written(site: Site, threaten: Raise) -> None:
    page = site.page("pri")
    page.goto("/compose")
    page.fill("#subject", "Storm")
    page.fill("#body", "School closes at noon.")
    first, second = threaten(), threaten()
    acknowledge(page, first).click()
    expect(alert(page, first)).to_have_count(0)
    expect(acknowledge(page, second)).to_be_focused()
    acknowledge(page, second).click()
    expect(page.locator(".threat-alert")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()
    assert (page.input_value("#subject"), page.input_value("#body")) == ("Storm", "School closes at noon.")
    assert page.url == f"{site.url}/compose"
    eventually_sync(lambda: _assert_none_open(site.stack.browser("pri")))
    expect(page).to_have_title("Compose · Lantern")


def test_an_acknowledgement_that_fails_says_so_and_loses_nothing(site: Site, threaten: Raise) -> None:
    page = site.page("pri")
    page.goto("/compose")
    page.fill("#subject", "Storm")
    threat = threaten()
    page.route("**/acknowledge", lambda route: route.abort())
    acknowledge(page, threat).click()
    expect(page.locator("#notice")).to_contain_text("not acknowledged")
    page.unroute("**/acknowledge")
    page.context.clear_cookies(name="lantern_form")
    acknowledge(page, threat).click()
    expect(page.locator("#notice")).to_contain_text("you signed in again. Press Acknowledge")
    assert page.input_value("#subject") == "Storm"
    # The alerts were read again meanwhile, with a token that is good.
    acknowledge(page, threat).click()
    expect(page.locator(".threat-alert")).to_have_count(0)
    expect(page.locator("#notice")).to_be_empty()
    assert page.input_value("#subject") == "Storm"


def test_acknowledging_where_the_threat_itself_is_shown_draws_the_page_anew(site: Site, threaten: Raise) -> None:
    page, threat = site.page("pri"), threaten()
    page.goto(f"/reports/threats/{threat}")
    acknowledge(page, threat).click()
    expect(page.locator("main").get_by_role("button", name="Acknowledge")).to_have_count(0)
    assert page.url == f"{site.url}/reports/threats/{threat}"


def test_acknowledging_works_without_script(site: Site, threaten: Raise) -> None:
    kept = site.page("pri").context.storage_state()
    page = site.browser.new_context(base_url=site.url, java_script_enabled=False, storage_state=kept).new_page()
    threat = threaten()
    page.goto("/inbox")
    acknowledge(page, threat).click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    eventually_sync(lambda: _assert_none_open(site.stack.browser("pri")))


@pytest.mark.accepts(178, 318)
def test_an_alert_says_how_old_it_is_now(site: Site, threaten: Raise) -> None:
    page, threat = site.page("pri"), threaten()
    page.clock.install()
    # What the server says now would set the clock by its own time, which is not moved.
    page.route("**/alerts", lambda route: route.abort())
    page.goto("/compose")
    age = alert(page, threat).locator("time.threat-age")
    expect(age).to_have_text("just now")
    page.clock.fast_forward("05:00")
    expect(age).to_have_text("5 min ago")
    # Nobody is interrupted to be told that a minute went by.
    expect(age).to_have_attribute("aria-live", "off")
    page.clock.fast_forward("03:00:00")
    expect(age).to_have_text("3 h ago")
    assert faults(page) == []


@pytest.mark.accepts(177, 318)
def test_an_alert_that_comes_moves_neither_the_focus_nor_the_others(site: Site, threaten: Raise) -> None:
    page, first = site.page("pri"), threaten()
    page.goto("/compose")
    acknowledge(page, first).focus()
    page.evaluate("""() => {
      window.drawn = [];
      new MutationObserver((changes) => changes.forEach((each) => each.addedNodes.forEach(
        (node) => node.dataset?.message && window.drawn.push(node.dataset.message)))
      ).observe(document.getElementById("alerts"), { childList: true, subtree: true });
    }""")
    second = threaten()
    expect(alert(page, second)).to_be_visible()
    expect(acknowledge(page, first)).to_be_focused()
    third = threaten()
    expect(alert(page, third)).to_be_visible()
    expect(acknowledge(page, first)).to_be_focused()
    # A region that is read out at once reads what is drawn.
    assert page.evaluate("window.drawn") == [second, third]


@pytest.mark.accepts(177)
def test_a_list_of_more_alerts_stays_open_when_another_comes(site: Site, threaten: Raise) -> None:
    page = site.page("pri")
    early = [threaten() for _ in range(13)]
    page.goto("/compose")
    page.locator(".more-alerts > summary").click()
    expect(page.get_by_role("link", name="All 13 open alerts")).to_be_visible()
    focused = acknowledge(page, early[5])
    focused.focus()
    newest = threaten()
    expect(alert(page, newest)).to_be_visible()
    expect(focused).to_be_focused()
    expect(page.get_by_role("link", name="All 14 open alerts")).to_be_visible()
    expect(page.locator(".more-alerts > summary")).to_have_text("12 more possible threats")
    assert page.locator("#alerts > .threat-alert").count() == 2
    assert faults(page) == []


_FOCUS = """() => {
  const at = document.activeElement, parts = [0.1, 0.5, 0.9];
  const is_seen = [...at.getClientRects()].some(({ left, top, width, height }) => parts.some((x) => parts.some((y) =>
    at.contains(document.elementFromPoint(left + x * width, top + y * height)))));
  return [at.outerHTML.slice(0, 200), is_seen];
}"""
"""What has the focus, and whether any of it is seen."""


def walk(page: Any, key: str) -> int:
    """Press the key until the focus has left the page, and return how many had it. AssertionError if one was hidden."""
    # A long list has hundreds of places.
    for number in range(1_000):
        page.keyboard.press(key)
        place, is_seen = page.evaluate(_FOCUS)
        if place.startswith("<body"):
            return number
        assert is_seen or "skip-link" in place, place
    pytest.fail("the focus does not leave the page")


@pytest.mark.accepts(318)
@pytest.mark.parametrize(("width", "height"), [(320, 256), (320, 180), (390, 844)])
def test_alerts_cover_nothing_that_has_the_focus_at_400_percent(
    site: Site, threaten: Raise, width: int, height: int
) -> None:
    look: dict[str, Any] = {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce"}
    page = site.page("pri", **look)
    for _ in range(2):
        threaten()
    page.goto("/reports/history")
    expect(page.locator(".threat-alert")).to_have_count(2)
    assert faults(page) == []
    for key in ("Tab", "Shift+Tab"):
        assert walk(page, key) > 20
    # Whoever has scrolled down still sees how many there are.
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("[data-open-count]")).to_be_in_viewport()
    page.locator(".nav-more summary").click()
    page.locator(".nav-more a").last.focus()
    assert page.evaluate(_FOCUS)[1]


@pytest.mark.accepts(184, 318)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_page_says_that_one_is_signed_out(site: Site, threaten: Raise, scheme: Any) -> None:
    page = site.page("pri", color_scheme=scheme)
    page.goto("/compose")
    page.fill("#subject", "Storm")
    eventually_sync(lambda: _assert_listens(page))
    kept = page.context.cookies()
    page.context.clear_cookies(name="lantern_session")
    threaten()
    expect(page.locator(".alert-stale")).to_contain_text("You are signed out")
    expect(page.get_by_role("link", name="Sign in (new tab)")).to_have_attribute("target", "_blank")
    assert page.input_value("#subject") == "Storm"
    assert faults(page) == []
    # The page is looked at again after signing in in the other tab.
    page.context.add_cookies(kept)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".threat-alert")).to_have_count(1)
    expect(page.locator(".alert-stale")).to_have_count(0)


@pytest.mark.accepts(184, 318)
def test_an_open_page_says_that_the_server_does_not_answer(site: Site) -> None:
    page = site.page("pri")
    page.clock.install()
    page.route("**/alerts/stream", lambda route: route.abort())
    page.goto("/compose")
    page.route("**/alerts", lambda route: route.abort())
    with page.expect_event("requestfailed", lambda each: each.url.endswith("/alerts")):
        page.clock.fast_forward("00:10")
    # One answer that fails interrupts nobody.
    expect(page.locator(".alert-stale")).to_have_count(0)
    let_time_pass(page, is_stale=True)
    expect(page.locator(".alert-stale")).to_contain_text("cannot be read at the moment. Reconnecting…")
    page.unroute("**/alerts")
    let_time_pass(page, is_stale=False)


@pytest.mark.accepts(184, 318)
def test_an_open_page_says_that_alerts_cannot_be_read_while_notify_is_away(site: Site) -> None:
    page, stack = site.page("pri"), site.stack
    page.clock.install()
    page.goto("/compose")
    eventually_sync(lambda: _assert_listens(page))
    assert stack.gateway.alerts.is_connected.wait(15)
    notify = stack.processes.pop()
    notify.terminate()
    notify.wait(15)
    try:
        let_time_pass(page, is_stale=True)
    finally:
        stack.processes.append(start("notify", "serve", {**os.environ, **stack.environments["notify"]}))
    let_time_pass(page, is_stale=False)
