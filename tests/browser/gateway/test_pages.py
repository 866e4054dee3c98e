"""Pages as people meet them: accessible, by keyboard, light and dark, wide and narrow."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from services.kit.ids import new_id
from tests.browser.gateway.conftest import Site
from tests.support.eventually import eventually_sync

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PAGES = (
    "/reports/history",
    "/reports/attendance",
    "/reports/threats",
    "/inbox",
    "/sent",
    "/compose",
    "/nothing",
    "/referrals",
    "/people/find",
    "/attendance-rules",
    "/attendance-rules/new",
    "/reports/scheduled",
)
OPERATORS_PAGES = (
    "/quiet-hours",
    "/users/profiles/permissions",
    "/schools/info",
    "/schools/fields",
    "/senders",
    "/contact-standing",
    "/policy",
    "/audit?rule_column=who&rule_operator=not_empty&rule_value=",
)


@pytest.fixture(scope="module")
def sent(site: Site) -> str:
    """A message in the principal's history; returns its subject."""
    browser, subject = site.stack.browser("pri"), "Early dismissal on Friday"
    body = {
        "idempotency_key": new_id(),
        "subject": subject,
        "body": "Buses leave at noon.",
        "channels": ["email", "sms"],
    }
    answer = browser.send_json("POST", "/api/v1/messages", {**body, "audience": {"roles": ["parent"]}})
    assert answer.status_code == 200

    def is_there() -> None:
        assert subject in browser.get("/reports/history").get_data(as_text=True)

    eventually_sync(is_there)
    return subject


def faults(page: Any) -> list[str]:
    """Return what axe finds against WCAG 2.2 AA, and whether the page is wider than its window."""
    found = Axe().run(page, options=RULES).response["violations"]
    named = [f"{each['id']}: {each['nodes'][0]['target']}" for each in found]
    is_too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*named, "wider than the window"] if is_too_wide else named


@pytest.mark.accepts(318)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_is_accessible(site: Site, sent: str, width: int, scheme: str) -> None:
    look: dict[str, Any] = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    assert faults(site.page(**look)) == []
    found = []
    for username, addresses in (("pri", PAGES), ("off", OPERATORS_PAGES)):
        page = site.page(username, **look)
        for address in addresses:
            answer = page.goto(address)
            assert answer.status == (404 if address == "/nothing" else 200), address
            found += [f"{address} {fault}" for fault in faults(page)]
    assert found == []


@pytest.mark.accepts(216, 223, 318)
def test_recipients_take_rules_in_their_dialog(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history")
    page.locator("tr", has_text=sent).first.locator(".col-to a").click()
    dialog = page.locator("dialog.page-dialog")
    expect(dialog.locator("tbody tr")).to_have_count(2)
    dialog.locator(".list-filters summary").click()
    dialog.get_by_label("Column").last.select_option("regarding_student")
    dialog.get_by_label("Value").last.fill("amy")
    dialog.get_by_role("button", name="Add a rule").click()
    dialog.get_by_label("Column").last.select_option("school")
    dialog.get_by_label("Value").last.fill("lincoln")
    assert faults(page) == []
    dialog.get_by_role("button", name="Search").click()
    expect(dialog.locator("tbody tr")).to_have_count(1)
    expect(dialog.get_by_label("Value")).to_have_count(2)
    dialog.get_by_role("link", name="Clear").click()
    expect(dialog.locator("tbody tr")).to_have_count(2)


def test_a_record_opens_over_its_page_and_gives_the_focus_back(site: Site, sent: str) -> None:
    page = site.page("pri")
    # A busy browser runs timers well after the page is there, and keys are pressed meanwhile.
    page.add_init_script("const later = setTimeout; setTimeout = (act, ms = 0) => later(act, Math.max(ms, 300));")
    page.goto("/reports/history")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.page-dialog")).to_be_visible()
    assert "/entries/" in page.url
    assert faults(page) == []
    page.keyboard.press("ArrowRight")
    expect(page.locator('a[data-arrow="previous"]')).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.page-dialog")).to_have_count(0)
    assert page.url.endswith("/reports/history")
    expect(page.locator("[data-record]:focus")).to_have_count(1)


@pytest.mark.accepts(84, 318)
def test_enter_on_next_record_walks_on_and_stops_at_the_last(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history")
    records = [str(each.get_attribute("href")) for each in page.locator("[data-record]").all()]
    following, previous = (page.get_by_role("link", name=f"{name} record") for name in ("Next", "Previous"))
    page.locator("[data-record]").first.press("Enter")
    following.focus()
    for address in records[1:]:
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(re.escape(address)))
        expect(following).to_be_focused()
    expect(following).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.page-dialog")).to_be_visible()
    assert page.url.endswith(records[-1])
    page.keyboard.press("Shift+Tab")
    expect(previous).to_be_focused()
    assert faults(page) == []


@pytest.mark.accepts(213, 318)
def test_the_keyboards_place_stays_when_rows_are_drawn_again(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history?size=1")
    head, following = page.get_by_role("link", name=re.compile("^Type")), page.get_by_role("link", name="Next")
    for order in ("ascending", "descending"):
        head.press("Enter")
        expect(page.locator(f'th[aria-sort="{order}"]', has_text="Type")).to_be_visible()
        expect(head).to_be_focused()
    following.press("Enter")
    expect(page.get_by_label("Page", exact=True)).to_have_value("2")
    expect(following).to_be_focused()
    page.get_by_label("Rows").fill("50")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").nth(1)).to_be_visible()
    expect(page.get_by_label("Rows")).to_be_focused()
    page.locator("#report-filters > summary").press("Enter")
    page.get_by_role("checkbox", name="Secure", exact=True).check()
    page.get_by_role("button", name="Search", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="No messages fit")).to_be_visible()
    expect(page.locator("#report-filters > summary")).to_be_focused()


def test_the_keyboards_place_stays_in_the_tables_of_pop_ups(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history")
    page.locator("tr", has_text=sent).first.locator(".col-to a").press("Enter")
    dialog = page.locator("dialog.page-dialog")
    head, find = dialog.get_by_role("link", name=re.compile("^Name")), dialog.get_by_role("button", name="Find")
    head.press("Enter")
    expect(dialog.locator("th[aria-sort]", has_text="Name")).to_be_visible()
    expect(head).to_be_focused()
    find.press("Enter")
    expect(page).to_have_url(re.compile("q="))
    expect(find).to_be_focused()
    # The names of what is in the pop-up are not the page's.
    expect(page).to_have_title("Communication History · Lantern")
    assert faults(page) == []


def test_a_dialog_has_an_address_that_works_alone_and_without_script(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history")
    address = page.locator("td.col-to a").first.get_attribute("href")
    bare = site.browser.new_context(
        base_url=site.url, java_script_enabled=False, storage_state=page.context.storage_state()
    )
    alone = bare.new_page()
    alone.goto(address)
    expect(alone.get_by_role("heading", name=re.compile("Recipients"))).to_be_visible()
    alone.get_by_role("link", name="Close").click()
    expect(alone.get_by_role("heading", name="Communication reports")).to_be_visible()


@pytest.mark.accepts(20)
def test_filters_wait_for_search_and_the_address_holds_them(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history")
    page.keyboard.press("/")
    page.get_by_role("checkbox", name="Secure", exact=True).check()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="No messages fit")).to_be_visible()
    assert "secure=1" in page.url
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_message_is_written_previewed_and_sent(site: Site) -> None:
    page = site.page("pri")
    page.goto("/compose")
    page.fill("#subject", "Picture day")
    page.fill("#body", "Bring a smile.")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Before it goes")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Send to")).click()
    expect(page.get_by_role("heading", name="Message sent")).to_be_visible()
    page.get_by_role("link", name="Which families it reaches").click()
    expect(page.get_by_role("heading", name="Families reached")).to_be_visible()
    assert faults(page) == []


def test_a_chosen_teacher_stays_chosen_when_the_list_comes_late(site: Site) -> None:
    page = site.page("amy")
    held: list[Any] = []
    page.goto("/compose")

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/people?*", hold)
    page.get_by_label("Find a teacher by name").fill("Tom")
    eventually_sync(lambda: _assert_any(page, held))
    page.get_by_role("checkbox", name="Tom Reed").check()
    page.get_by_role("checkbox", name="Ida Cole").check()
    with page.expect_response("**/people?*"):
        held[0].continue_()
    # The answer finds one of them; the other was chosen meanwhile, and stays.
    expect(page.locator("#people-choices").get_by_role("checkbox", checked=True)).to_have_count(2)
    expect(page.locator("#people-choices").get_by_role("checkbox")).to_have_count(2)


def test_enter_ends_the_search_for_a_teacher_and_sends_nothing(site: Site) -> None:
    page = site.page("amy")
    page.goto("/compose")
    page.fill("#subject", "Half a sentence")
    page.fill("#body", "I am not done")
    page.get_by_role("checkbox", name="Tom Reed").check()
    with page.expect_response("**/people?*"):
        page.get_by_label("Find a teacher by name").fill("Ida")
        page.keyboard.press("Enter")
    expect(page.get_by_role("checkbox", name="Ida Cole")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Tom Reed")).to_be_checked()
    assert page.input_value("#body") == "I am not done"
    assert faults(page) == []


def _assert_any(page: Any, held: list[Any]) -> None:
    # Playwright hears of requests only while it is asked something.
    page.evaluate("0")
    assert held


def test_escape_closes_a_dialog_that_is_drawn_and_not_modal_yet(site: Site, sent: str) -> None:
    page = site.page("pri")
    page.goto("/reports/history")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.page-dialog:modal")).to_be_visible()
    # As an arrow's answer stands for a moment: in the page, open, and the key pressed before the script has seen it.
    page.locator("dialog.page-dialog").evaluate("each => { each.replaceWith(each.cloneNode(true)); }")
    expect(page.locator("dialog.page-dialog:modal")).to_have_count(0)
    page.locator("dialog.page-dialog").evaluate("each => each.setAttribute('open', '')")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.page-dialog")).to_have_count(0)
    assert page.url.endswith("/reports/history")
    expect(page.locator("[data-record]:focus")).to_have_count(1)


@pytest.mark.accepts(318)
def test_alerts_at_the_top_cover_neither_the_menu_nor_what_is_scrolled_to(site: Site) -> None:
    page = site.page("pri")
    page.goto("/compose")
    page.evaluate(
        """() => {
          const alerts = document.createElement("div");
          alerts.style.height = "9rem";
          document.querySelector(".top").prepend(alerts);
          window.scrollTo(0, document.body.scrollHeight);
        }"""
    )
    is_clear = (
        "each => each.getBoundingClientRect().top >= document.querySelector('.top').getBoundingClientRect().bottom"
    )
    page.wait_for_function(f"({is_clear})(document.querySelector('.sidebar a'))")
    # The bar may grow once more meanwhile, by the line that says that alerts cannot be read.
    page.wait_for_function(
        f"() => {{ const body = document.querySelector('#body'); body.scrollIntoView(); return ({is_clear})(body); }}"
    )


@pytest.mark.accepts(39)
@pytest.mark.parametrize("width", [1280, 390])
def test_staff_tick_a_family_and_a_teacher_of_two_searches_and_write_to_both(site: Site, width: int) -> None:
    page = site.page("pri", viewport={"width": width, "height": 900})
    page.goto("/compose")
    page.get_by_role("radio", name="Certain people or families").check()
    find = page.get_by_label("Find people by name or number")
    # Who does not see the boxes hears how many there are: the status stays where it is.
    said = page.locator("#people-found").element_handle()
    for words, box in (("nobody", None), ("stone", "Family of Amy Stone"), ("tom", "Tom Reed")):
        with page.expect_response("**/people?*"):
            find.fill(words)
        expect(page.get_by_role("status").filter(has_text=f"“{words}”")).to_have_count(1)
        if box is None:
            expect(page.locator("#people-found")).to_have_text("Nobody in your schools fits “nobody”.")
            continue
        page.get_by_role("checkbox", name=box).check()
    assert said.evaluate("each => each.isConnected")
    expect(page.locator("#people-found")).to_have_text("1 found for “tom”.")
    expect(page.locator("#people-choices").get_by_role("checkbox", checked=True)).to_have_count(2)
    page.fill("#subject", "About today")
    page.fill("#body", "Please call me.")
    assert faults(page) == []
    page.get_by_role("button", name="Preview", exact=True).last.click()
    expect(page.get_by_role("button", name="Send to 2 recipients")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Family of Amy Stone")).to_be_checked()
    page.get_by_role("button", name="Send to 2 recipients").click()
    expect(page.get_by_text("Family of Amy Stone, Tom Reed")).to_be_visible()
