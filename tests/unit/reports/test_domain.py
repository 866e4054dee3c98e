"""Rules of the reports without a database."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reports.domain import FlagControl, day_bounds, flag_control, page_of

EARLY = datetime(2026, 11, 10, tzinfo=UTC)
LATE = EARLY + timedelta(hours=1)


@pytest.mark.accepts(102, 106, 107, 119)
@pytest.mark.parametrize(
    ("may_flag", "has_referral", "teacher", "admin", "control"),
    [
        (True, False, None, None, FlagControl.EDITABLE),
        (True, False, None, EARLY, FlagControl.EDITABLE),
        (True, False, EARLY, None, FlagControl.HIDDEN),
        (True, False, EARLY, LATE, FlagControl.HIDDEN),
        (True, False, LATE, EARLY, FlagControl.EDITABLE),
        (False, False, EARLY, None, FlagControl.READ_ONLY),
        (True, True, EARLY, None, FlagControl.LOCKED),
        (False, True, None, None, FlagControl.LOCKED),
    ],
)
def test_the_flag_cell(
    may_flag: bool, has_referral: bool, teacher: datetime | None, admin: datetime | None, control: FlagControl
) -> None:
    found = flag_control(may_flag=may_flag, has_referral=has_referral, teacher_set_at=teacher, admin_set_at=admin)
    assert found is control


@pytest.mark.accepts(26)
@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-01", 24)])
def test_a_day_is_as_long_as_it_is_in_the_zone(day: str, hours: int) -> None:
    since, before = day_bounds(date.fromisoformat(day), date.fromisoformat(day), "America/New_York")
    assert since is not None
    assert before is not None
    assert before - since == timedelta(hours=hours)


def test_an_open_side_has_no_bound() -> None:
    assert day_bounds(None, None, "America/New_York") == (None, None)


@pytest.mark.accepts(211, 212)
@given(st.integers(0, 10**6), st.integers(0, 500), st.integers(0, 5000))
def test_a_page_always_has_rows_if_there_are_any(number: int, size: int, total: int) -> None:
    page = page_of(number, size, total)
    assert 1 <= page.number <= page.total_pages
    assert page.offset < max(1, total)
    assert page.total_pages * page.size >= total > (page.total_pages - 1) * page.size or total == 0
