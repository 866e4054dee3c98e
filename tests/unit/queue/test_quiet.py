"""Quiet hours on the wall clock, and segments of texts."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.queue.domain import MAILED, Channel, Lane
from services.queue.quiet import Quiet, QuietHours, is_zone
from services.queue.segments import Segments, segments_of

NEW_YORK = "America/New_York"
NIGHT = QuietHours(NEW_YORK, time(21), time(7))
NOON = QuietHours(NEW_YORK, time(12), time(13))
GAP = QuietHours(NEW_YORK, time(1), time(2, 30))
EVENING = datetime(2026, 11, 26, 3, 30, tzinfo=UTC)
"""22:30 of the 25th in New York."""
MORNING = datetime(2026, 11, 26, 12, tzinfo=UTC)
"""7:00 of the 26th."""


@pytest.mark.parametrize(
    ("hours", "moment", "end"),
    [
        (NIGHT, EVENING, MORNING),
        (NIGHT, datetime(2026, 11, 26, 2, tzinfo=UTC), MORNING),
        (NIGHT, datetime(2026, 11, 26, 1, 59, tzinfo=UTC), None),
        (NIGHT, datetime(2026, 11, 26, 11, 59, 59, tzinfo=UTC), MORNING),
        (NIGHT, MORNING, None),
        (QuietHours("America/Chicago", time(21), time(7)), EVENING, datetime(2026, 11, 26, 13, tzinfo=UTC)),
        (NOON, datetime(2026, 7, 1, 16, 5, tzinfo=UTC), datetime(2026, 7, 1, 17, tzinfo=UTC)),
        (QuietHours(NEW_YORK, time(0), time(7)), datetime(2026, 11, 26, 5, tzinfo=UTC), MORNING),
        # Clocks go back in this night: it is an hour longer.
        (NIGHT, datetime(2026, 11, 1, 2, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC)),
        # They skip 2:30 in this one: the first time that exists after it.
        (GAP, datetime(2027, 3, 14, 6, 30, tzinfo=UTC), datetime(2027, 3, 14, 7, tzinfo=UTC)),
    ],
)  # fmt: skip
@pytest.mark.accepts(307)
def test_quiet_hours_end_on_the_wall_clock(hours: QuietHours, moment: datetime, end: datetime | None) -> None:
    assert hours.end(moment) == (end or moment)


@pytest.mark.accepts(307)
def test_emergencies_alerts_and_email_pass() -> None:
    hours = {"s1": NIGHT}
    for channel in Channel:
        for lane in Lane:
            waits = channel not in MAILED and lane in {Lane.NORMAL, Lane.BULK}
            end = Quiet(hours, lane, "").leaves_at(channel, "s1", EVENING)
            assert end == (MORNING if waits else EVENING), (channel, lane)


def test_recipients_of_no_school_are_their_senders() -> None:
    hours = Quiet({"s1": NIGHT}, Lane.NORMAL, "s1")
    assert hours.leaves_at(Channel.SMS, "", EVENING) == MORNING
    assert hours.leaves_at(Channel.SMS, "s2", EVENING) == EVENING
    assert hours.last_leaves_at(Channel.SMS, EVENING) == MORNING


def _local(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo(NEW_YORK)).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "start", "life", "end"),
    [
        (NIGHT, _local(24, 9), 8, _local(24, 17)),
        (NIGHT, _local(24, 13), 8, _local(24, 21)),
        (NIGHT, _local(24, 20, 50), 8, _local(25, 14, 50)),
        (NIGHT, _local(24, 21, 30), 8, _local(25, 15)),
        (NIGHT, _local(24, 9), 24, _local(25, 19)),
        (NIGHT, _local(24, 9), 30, _local(26, 11)),
        (NOON, _local(24, 11), 8, _local(24, 20)),
        # Clocks go back in this night: it is an hour longer.
        (NIGHT, _local(31, 20, month=10), 8, _local(1, 14)),
    ],
)
@pytest.mark.accepts(60, 307)
def test_quiet_time_does_not_count(hours: QuietHours, start: datetime, life: int, end: datetime) -> None:
    assert hours.after(start, timedelta(hours=life)) == end


@pytest.mark.accepts(60, 307)
def test_what_waits_in_the_evening_lives_until_the_last_school_had_its_time() -> None:
    evening, asked = _local(24, 20, 50), _local(24, 23)
    quiet = Quiet({"s1": NIGHT, "s2": NOON}, Lane.NORMAL, "")

    def end(channel: Channel, hours: Quiet = quiet, asked: datetime | None = None) -> datetime:
        return hours.expires_at(channel, evening, is_emergency=False, asked=asked)

    assert end(Channel.TTS) == _local(25, 14, 50)
    assert end(Channel.TTS, asked=asked) == asked
    assert end(Channel.TTS, Quiet({}, Lane.NORMAL, "")) == _local(25, 4, 50)
    assert end(Channel.TTS, Quiet({"s1": NIGHT}, Lane.ALERT, "")) == _local(25, 4, 50)
    assert end(Channel.EMAIL) == _local(27, 20, 50)


@pytest.mark.accepts(60, 307)
def test_a_school_that_is_quiet_nearly_always_keeps_nothing_alive_for_years() -> None:
    nearly_always = QuietHours(NEW_YORK, time(8, 1), time(8))
    quiet = Quiet({"s1": NIGHT, "s2": nearly_always}, Lane.NORMAL, "")
    noon = _local(24, 12)
    assert quiet.expires_at(Channel.SMS, noon, is_emergency=False, asked=None) == noon + timedelta(days=7)
    assert quiet.leaves_at(Channel.SMS, "s2", noon) < noon + timedelta(days=1)


@pytest.mark.parametrize(("name", "is_known"), [(NEW_YORK, True), ("Mars/Base", False), ("", False), ("../x", False)])
def test_a_roster_may_name_zones_that_are_none(name: str, is_known: bool) -> None:
    assert is_zone(name) is is_known


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", Segments(0, False, 0)),
        ("x" * 160, Segments(1, False, 160)),
        ("x" * 161, Segments(2, False, 161)),
        ("x" * 306, Segments(2, False, 306)),
        ("x" * 307, Segments(3, False, 307)),
        ("é" * 160, Segments(1, False, 160)),
        ("€" * 80, Segments(1, False, 160)),
        # An escape and its character stay together: 152 places and not 153 are used in the first.
        ("€" * 153, Segments(3, False, 306)),
        ("á" * 70, Segments(1, True, 70)),
        ("á" * 71, Segments(2, True, 71)),
        ("ñ" * 161, Segments(2, False, 161)),
        ("👍" * 35, Segments(1, True, 70)),
        ("👍" * 67, Segments(3, True, 134)),
    ],
)
def test_texts_are_charged_by_segments(text: str, segments: Segments) -> None:
    assert segments_of(text) == segments
