"""How a message repeats: chosen in the composer, said in words, and shown in the editor again; on real services."""

from typing import Any

import pytest

from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import Stack
from tests.integration.gateway.test_schedules import DAILY, form, scheduled
from tests.support.eventually import eventually_sync


@pytest.mark.accepts(136, 142)
@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"every": ["weekly"], "weeks": ["2"], "day": ["MO", "TH"]}, "Every 2 weeks on Monday and Thursday"),
        ({"every": ["monthly"], "place": ["1"], "place_day": ["MO"]}, "Every month on the first Monday"),
        ({"every": ["monthly"], "place": ["-1"], "place_day": ["weekday"]}, "Every month on the last weekday"),
    ],
)
def test_other_weeks_and_days_of_a_month_are_shown_in_words_and_in_the_editor_again(
    stack: Stack, chosen: dict[str, Any], words: str
) -> None:
    browser = stack.browser("tea")
    place = scheduled(browser, form(stack, **DAILY | chosen))
    assert f"<dd>{words}</dd>" in browser.get(place).get_data(as_text=True)
    page = browser.get(f"{place}/edit").get_data(as_text=True)
    rendered = filled(page, "/compose")
    assert {name: rendered[name] for name in chosen} == chosen
    assert scheduled(browser, {**rendered, "subject": "Later"}) == place

    def is_listed() -> None:
        tab = browser.get("/reports/scheduled", query_string={"sort": "recursion"}).get_data(as_text=True)
        assert f'<a href="{place}">{words}</a>' in tab

    eventually_sync(is_listed)
