"""Dates, ages and numbers as pages say them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from protos.types.v1 import types_pb2 as types
from services.gateway import words

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 14, 18, 0, tzinfo=UTC)


@pytest.mark.accepts(53)
def test_a_date_is_in_the_districts_zone() -> None:
    assert words.full_date(datetime(2026, 11, 14, 13, 5, tzinfo=UTC), ZONE) == "14 Nov 2026, 8:05 am"
    assert words.full_date(datetime(2026, 7, 14, 4, 0, tzinfo=UTC), ZONE) == "14 Jul 2026, 12:00 am"
    assert words.full_date(datetime(2026, 7, 14, 16, 0, tzinfo=UTC), ZONE) == "14 Jul 2026, 12:00 pm"


@pytest.mark.parametrize(
    ("when", "short"),
    [
        (datetime(2026, 11, 14, 13, 5, tzinfo=UTC), "8:05 am"),
        (datetime(2026, 11, 13, 13, 5, tzinfo=UTC), "13 Nov, 8:05 am"),
        (datetime(2025, 11, 14, 13, 5, tzinfo=UTC), "14 Nov 2025"),
        # Still the 13th in New York.
        (datetime(2026, 11, 14, 4, 59, tzinfo=UTC), "13 Nov, 11:59 pm"),
    ],
)
def test_a_short_date_says_what_is_not_obvious(when: datetime, short: str) -> None:
    assert words.short_date(when, ZONE, NOW) == short


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "just now"), (59, "just now"), (120, "2 min ago"), (3600, "1 h ago"), (3 * 86_400, "3 days ago")],
)
def test_an_age_is_in_words(seconds: int, age: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == age


def test_numbers_have_thousands_and_a_unit() -> None:
    assert words.plural(1, "message", "messages") == "1 message"
    assert words.plural(1_000_000, "message", "messages") == "1,000,000 messages"


@pytest.mark.accepts(247)
def test_every_state_and_channel_has_its_word() -> None:
    assert set(words.STATES) == set(types.DeliveryState.values()) - {0}
    assert set(words.CHANNELS) == set(types.Channel.values()) - {0}
    assert set(words.CATEGORIES) == set(types.Category.values()) - {0}
    assert {state.tone for state in words.STATES.values()} <= set(words.ICONS)


@pytest.mark.accepts(23, 24)
def test_type_offers_polls_and_sign_ups_after_the_five() -> None:
    labels = [choice.label for choice in words.CHANNELS.values()]
    assert labels == ["E-mail", "SMS", "TTS", "Recorded", "Push notifications", "Poll", "Sign up"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3569, "59 min"),
        (3570, "1.0 h"),
        (86_400, "24.0 h"),
        (259_200, "3.0 days"),
    ],
)
def test_how_long_something_took_is_in_the_unit_that_people_use(seconds: float, said: str) -> None:
    assert words.lasting(seconds) == said


def test_a_share_of_nothing_is_a_dash() -> None:
    assert [words.share(1, 3), words.share(0, 5), words.share(0, 0)] == ["33 %", "0 %", "–"]


def test_a_device_is_named_by_the_end_of_its_token() -> None:
    tokens = "6bee6774196d3caf,22d73cbdcf380943"
    assert words.destinations(tokens, types.CHANNEL_PUSH) == "Device …6d3caf, Device …380943"
    assert words.destinations("+13095550106,+17015550106", types.CHANNEL_SMS) == "+13095550106, +17015550106"
