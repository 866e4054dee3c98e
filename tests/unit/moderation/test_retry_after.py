"""How long the vendor asks to be left alone."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.moderation.providers.modapi import retry_after_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3600", 3600), ("0.5", 0.5), (None, 0), ("", 0), ("soon", 0), ("-5", 0), ("nan", 0), ("inf", 0), ("1e999", 0)],
)
def test_what_is_no_number_of_seconds_asks_for_nothing(value: str | None, seconds: float) -> None:
    assert retry_after_seconds(value) == seconds


def test_a_date_counts_from_now() -> None:
    assert 80 < retry_after_seconds(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)) <= 90
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
