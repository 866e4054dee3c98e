"""What a browser has to load, compressed: the budgets of a page (first rows included), the styles and the scripts."""

import re

from tests.integration.gateway.stack import Stack
from tests.integration.gateway.telling import student_message, tell_submitted
from tests.support.eventually import eventually_sync

PAGE_BYTES, STYLE_BYTES, SCRIPT_BYTES = 30_000, 40_000, 40_000
_WORDS = "Reading logs, library books and everything else that has to come back before the winter break"


def test_a_page_its_styles_and_its_scripts_stay_within_their_budgets(stack: Stack) -> None:
    browser = stack.browser("pri")
    for number in range(20):
        tell_submitted(stack, student_message(stack, subject=f"{number} {_WORDS}", body=_WORDS * 3))

    def are_there() -> None:
        assert browser.get("/api/v1/reports/history").get_json()["page"]["total_rows"] == "20"

    eventually_sync(are_there)
    compressed = {"Accept-Encoding": "gzip"}
    answer = browser.get("/reports/history", headers=compressed)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) < PAGE_BYTES
    page = browser.get("/reports/history").get_data(as_text=True)
    sizes = {"css": 0, "js": 0}
    for address, kind in re.findall(r'(?:src|href)="(/assets/[^"]+\.(css|js))"', page):
        sizes[kind] += len(browser.get(address, headers=compressed).data)
    assert 0 < sizes["css"] < STYLE_BYTES
    assert 0 < sizes["js"] < SCRIPT_BYTES
