"""The Attendance tab as pages (section J); on real services."""

import re

import pytest

from protos.types.v1 import types_pb2 as types
from tests.integration.gateway.stack import Browser, Stack
from tests.integration.gateway.telling import student_message, tell_submitted
from tests.support.eventually import eventually_sync


def listed(stack: Stack, browser: Browser) -> str:
    """Let reports hear of an attendance message, and return the id of its entry once the tab lists it."""
    told = student_message(
        stack, sender_id=stack.people["off"], sender_name="Ada North", sender_role=types.ROLE_ADMIN,
        kind=types.MESSAGE_KIND_ATTENDANCE, subject="Absent today", body="{student} was absent.",
    )  # fmt: skip
    tell_submitted(stack, told)

    def is_listed() -> None:
        assert told.entries[0].entry_id in browser.get("/reports/attendance").get_data(as_text=True)

    eventually_sync(is_listed)
    return str(told.entries[0].entry_id)


@pytest.mark.accepts(19, 122, 123, 125, 126, 131)
def test_the_tab_shows_filters_columns_and_the_whole_message(stack: Stack) -> None:
    browser = stack.browser("pri")
    entry_id = listed(stack, browser)
    page = browser.get("/reports/attendance").get_data(as_text=True)
    tabs = page[page.index('<nav class="tabs"') : page.index("</ul></nav>", page.index('<nav class="tabs"'))]
    assert re.findall(r'href="(/reports/[a-z]+)"', tabs) == [
        "/reports/history", "/reports/attendance", "/reports/scheduled", "/reports/threats",
    ]  # fmt: skip
    form = page[page.index('<form method="get" action="/reports/attendance"') :]
    form = form[: form.index("</form>")]
    names = set(re.findall(r'name="([a-z_]+)"', form)) - {"searched", "size"}
    rules = {"rule_column", "rule_operator", "rule_value"}
    assert names - rules == {"type", "school", "start", "end", "from_time", "to_time"}
    heads = re.findall(r'<th scope="col" class="(?:text|date|number)[^>]*>(?:<a[^>]*>)?([A-Za-z ]+)', page)
    assert heads == [
        "Date", "Type", "Message", "Source", "From", "Recipient type", "To", "Regarding student", "Total", "Sent",
        "Pending", "Errors",
    ]  # fmt: skip
    base = f"/reports/attendance/entries/{entry_id}"
    assert f'href="{base}/message"' in page
    assert "{student} was absent." in browser.get(f"{base}/message").get_data(as_text=True)
    record = browser.get(base).get_data(as_text=True)
    assert "Absent today" in record
    assert "Marks" not in record


@pytest.mark.accepts(219)
def test_a_column_hidden_here_stays_in_history(stack: Stack) -> None:
    browser = stack.browser("pri")
    listed(stack, browser)
    columns = {"column": ["date", "message"], "next": "/reports/attendance"}
    assert browser.post("/preferences/columns/attendance", columns).status_code == 303
    assert 'class="number">' not in browser.get("/reports/attendance").get_data(as_text=True)
    assert "col-total" in browser.get("/reports/history?all_users=1").get_data(as_text=True)


@pytest.mark.accepts(213, 214)
def test_it_is_exported(stack: Stack) -> None:
    answer = stack.browser("pri").get("/reports/attendance/excel")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == "attachment; filename=attendance.xlsx"


@pytest.mark.accepts(1, 4)
def test_no_one_without_communication_reports_reaches_it(stack: Stack) -> None:
    browser = stack.browser("mum")
    for address in ("", "/excel", "/live", "/entries/0190aaaa-0000-7000-8000-000000000001/recipients"):
        assert browser.get(f"/reports/attendance{address}").status_code == 403
