"""When a schedule sends: on the wall clock, across daylight saving, once."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.errors import InvalidArgument
from services.queue.timing import Timing, in_utc, read_timing

NEW_YORK = "America/New_York"
ZONES = (NEW_YORK, "America/Phoenix", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "UTC")
RULES = (
    "FREQ=DAILY",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=2SU",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "",
)


def timing(start: str, at: str, rule: str = "", end: str = "", zone: str = NEW_YORK) -> Timing:
    return read_timing(start, at, rule, end, zone)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.accepts(138)
def test_the_time_on_the_wall_stays_when_the_clocks_change() -> None:
    daily = timing("2026-10-31", "08:00", "FREQ=DAILY")
    # Daylight saving ends on 1 November 2026 in New York: four hours behind UTC before it, five after.
    assert daily.next_few(utc(2026, 10, 31), 3) == [utc(2026, 10, 31, 12), utc(2026, 11, 1, 13), utc(2026, 11, 2, 13)]


@pytest.mark.accepts(138)
def test_a_time_that_the_clocks_skip_moves_to_the_next_that_exists() -> None:
    daily = timing("2026-03-07", "02:30", "FREQ=DAILY")
    found = daily.next_few(utc(2026, 3, 7), 3)
    assert found == [utc(2026, 3, 7, 7, 30), utc(2026, 3, 8, 7), utc(2026, 3, 9, 6, 30)]
    assert found[1].astimezone(ZoneInfo(NEW_YORK)).time() == time(3)


@pytest.mark.accepts(138)
def test_a_time_that_the_clocks_show_twice_happens_once() -> None:
    daily = timing("2026-10-31", "01:30", "FREQ=DAILY")
    assert daily.next_few(utc(2026, 11, 1), 2) == [utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30)]
    once = timing("2026-11-01", "01:30")
    assert once.next_few(utc(2026, 10, 1)) == [utc(2026, 11, 1, 5, 30)]


@pytest.mark.accepts(138)
def test_nothing_follows_the_end() -> None:
    daily = timing("2026-11-02", "08:00", "FREQ=DAILY", "2026-11-03")
    assert daily.next_few(utc(2026, 11, 1)) == [utc(2026, 11, 2, 13), utc(2026, 11, 3, 13)]
    assert daily.after(utc(2026, 11, 3, 13)) is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"start_date": "2026-2-1"}, "/timing/start_date"),
        ({"send_time": "25:00"}, "/timing/send_time"),
        ({"end_date": "2025-01-01"}, "/timing/end_date"),
        ({"rule": "FREQ=SECONDLY"}, "/timing/rule"),
        ({"rule": "FREQ=MINUTELY"}, "/timing/rule"),
        ({"rule": "FREQ=HOURLY"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY;BYSECOND=1"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY;COUNT=3"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY;UNTIL=20270101"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY;FREQ=WEEKLY"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY;INTERVAL=0"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY;INTERVAL=99"}, "/timing/rule"),
        ({"rule": "BYDAY=MO"}, "/timing/rule"),
        ({"rule": "every day"}, "/timing/rule"),
        ({"rule": "FREQ=DAILY\nDTSTART:20260101"}, "/timing/rule"),
        ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "/timing/rule"),
    ],
)
def test_what_is_no_rule_is_refused_at_its_field(changes: dict[str, str], pointer: str) -> None:
    plain = {"start_date": "2026-11-02", "send_time": "08:00", "rule": "FREQ=DAILY", "end_date": "", "zone": NEW_YORK}
    with pytest.raises(InvalidArgument) as refused:
        read_timing(**{**plain, **changes})
    assert [each.pointer for each in refused.value.violations] == [pointer]


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.accepts(138)
@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    rule=st.sampled_from(RULES),
    at=st.times(),
    start=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    moment=MOMENTS,
)
def test_the_next_sending_is_later_and_shows_its_time_on_the_wall(
    zone: str, rule: str, at: time, start: date, moment: datetime
) -> None:
    made = timing(start.isoformat(), f"{at:%H:%M}", rule, zone=zone)
    found = made.next_few(moment, 4)
    assert all(each > moment for each in found)
    assert found == sorted(set(found))
    for each in found:
        local = each.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        wanted = datetime.combine(local.date(), made.send_time)
        # On the wall it is the asked time, unless the clocks skipped it: then it is the first minute after the gap.
        assert local == wanted or in_utc(wanted, ZoneInfo(zone)) == each
        assert local.date() >= start
    if found:
        assert list(made.between(found[0], found[-1])) == found
        assert made.after(found[0] - timedelta(microseconds=1)) == found[0]
