"""What is not written to, in a real browser: asked for, ticked and lifted by keyboard, on narrow screens too."""

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.gateway.conftest import Site
from tests.browser.gateway.test_pages import faults


@pytest.mark.accepts(311, 318)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (320, "dark")])
def test_what_a_domain_lost_is_found_ticked_and_lifted(site: Site, width: int, scheme: str) -> None:
    domain = f"wrong{width}.example.org"
    rows = [("email", f"p{number}@{domain}", "hard_bounce", "Bounce/Permanent/General") for number in range(25)]
    with psycopg.connect(site.stack.environments["queue"]["DATABASE_URL"]) as connection:
        connection.cursor().executemany("INSERT INTO suppressions VALUES (%s, %s, %s, %s, now())", rows)
    page = site.page("off", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto("/contact-standing")
    page.get_by_role("link", name="Not written to").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(20)
    page.get_by_label("Domain of the address").fill(f"a@{domain}")
    page.get_by_role("button", name="Search").press("Enter")
    expect(page.get_by_label("Domain of the address")).to_have_attribute("aria-invalid", "true")
    assert faults(page) == []
    page.get_by_label("Domain of the address").fill(domain)
    page.keyboard.press("Enter")
    expect(page.locator("#report .how-many")).to_have_text("25 addresses and numbers")
    page.get_by_role("button", name="Lift what is ticked").press("Enter")
    expect(page.get_by_role("alert").last).to_have_text("Tick what to lift: at least one, and 500 at most.")
    assert faults(page) == []
    page.get_by_role("link", name="Tick all of this page").press("Enter")
    expect(page.locator("tbody input:checked")).to_have_count(20)
    expect(page.get_by_role("link", name="Untick all")).to_be_focused()
    page.get_by_role("button", name="Lift what is ticked").press("Enter")
    expect(page.get_by_text("20 addresses and numbers are written to again.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(5)
    assert faults(page) == []
