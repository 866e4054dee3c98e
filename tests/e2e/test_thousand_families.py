"""A message to a thousand families by two channels, as its sender and the providers see it."""

import pytest
from playwright.sync_api import Locator, Page, expect

from services.kit.ids import new_id
from tests.e2e.people import People
from tests.e2e.roster import EMAIL_ERRORS, FAMILIES, SMS_ERRORS, SMS_REFUSED
from tests.e2e.system import System
from tests.support.eventually import eventually_sync

_SETTLED_MS = 90_000


@pytest.fixture(scope="module")
def sent(people: People) -> str:
    """The subject of a message that the principal wrote in the composer and sent to every family of the school."""
    subject = f"Early dismissal {new_id()[-8:]}"
    page = people.page("principal")
    page.goto("/compose")
    page.fill("#subject", subject)
    page.fill("#body", f"{subject}: buses leave at noon.")
    page.get_by_role("checkbox", name="E-mail", exact=True).check()
    page.get_by_role("checkbox", name="SMS", exact=True).check()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Before it goes")).to_be_visible()
    page.get_by_role("button", name=f"Send to {FAMILIES:,} recipients").click()
    expect(page.get_by_role("heading", name="Message sent")).to_be_visible()
    page.close()
    return subject


def count(page: Page, subject: str, kind: str, column: str) -> Locator:
    """Return the cell of a count in the row of a message's channel."""
    row = page.locator("tr[data-entry]", has_text=subject).filter(has=page.locator("td.col-type", has_text=kind))
    return row.locator(f"[data-count={column}]:visible")


def _assert_listed(page: Page, subject: str) -> None:
    page.goto("/reports/history")
    assert page.locator("tr[data-entry]", has_text=subject).count() == 2


@pytest.mark.accepts(57, 58, 61, 62)
def test_history_in_the_browser_counts_every_family_exactly(people: People, sent: str, system: System) -> None:
    page = people.page("principal")
    eventually_sync(lambda: _assert_listed(page, sent), 30)
    expected = {
        "E-mail": {"total": FAMILIES, "sent": FAMILIES - EMAIL_ERRORS, "errors": EMAIL_ERRORS, "pending": 0},
        "SMS": {"total": FAMILIES, "sent": FAMILIES - SMS_ERRORS, "errors": SMS_ERRORS, "pending": 0},
    }
    for kind, counts in expected.items():
        for column, number in counts.items():
            # The page was opened once: its numbers move by themselves until everything is settled.
            expect(count(page, sent, kind, column)).to_have_text(f"{number:,}", timeout=_SETTLED_MS)
    assert system.broken_entries() == []


@pytest.mark.accepts(69, 95)
def test_the_errors_open_to_exactly_the_families_that_were_not_reached(people: People, sent: str) -> None:
    page = people.page("principal")
    page.goto("/reports/history")
    link = count(page, sent, "E-mail", "errors")
    expect(link).to_have_text(str(EMAIL_ERRORS), timeout=_SETTLED_MS)
    link.click()
    dialog = page.locator("dialog.page-dialog")
    expect(dialog.get_by_role("heading", level=2).first).to_contain_text(str(EMAIL_ERRORS))
    cells = dialog.locator("tbody td.col-destination")
    expect(cells).to_have_count(EMAIL_ERRORS)
    assert all("+bounce@" in each for each in cells.all_inner_texts())


def test_every_family_is_reached_once_and_nobody_else(people: People, sent: str, system: System) -> None:
    page = people.page("principal")
    page.goto("/reports/history")
    for kind in ("E-mail", "SMS"):
        expect(count(page, sent, kind, "pending")).to_have_text("0", timeout=_SETTLED_MS)
    e_mails, texts = system.arrivals("email", sent), system.arrivals("sms", sent)
    assert len(e_mails) == len({each["to"] for each in e_mails}) == FAMILIES
    assert len(texts) == len({each["to"] for each in texts}) == FAMILIES - SMS_REFUSED
    assert {each["to"].split("@")[0].split("+")[0] for each in e_mails} == {
        f"family{number:04d}" for number in range(1, FAMILIES + 1)
    }
    assert sum(system.reached("email", sent).values()) == FAMILIES - EMAIL_ERRORS
    assert sum(system.reached("sms", sent).values()) == FAMILIES - SMS_ERRORS


def test_families_see_the_school_as_the_sender(sent: str, system: System, people: People) -> None:
    page = people.page("principal")
    page.goto("/reports/history")
    expect(count(page, sent, "E-mail", "pending")).to_have_text("0", timeout=_SETTLED_MS)
    assert {"Lincoln High" in each["sender"] for each in system.arrivals("email", sent)} == {True}
