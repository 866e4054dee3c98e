"""Words and waits of notify."""

from datetime import UTC, datetime

import pytest

from services.notify.domain import (
    LONGEST_RETRY_SECONDS,
    Occasion,
    alert_words,
    follow_up_words,
    idempotency_key,
    link_to,
    retry_seconds,
    warning_words,
)

LINK = "https://portal.example.org/reports/threats?message=m1"


@pytest.mark.accepts(178, 180, 183)
def test_an_alert_says_that_there_may_be_a_threat_and_where() -> None:
    words = alert_words(link_to("https://portal.example.org/", "m1"))
    assert words.subject == "Possible threat identified"
    assert words.push == f"Possible threat identified. {LINK}"
    assert LINK in words.body


@pytest.mark.accepts(205)
def test_a_follow_up_names_who_and_when_in_the_districts_time() -> None:
    at = datetime(2026, 11, 10, 3, 5, tzinfo=UTC)
    words = follow_up_words(LINK, "Lee Marsh", at, "America/New_York")
    assert words.push.startswith("Lee Marsh acknowledged a possible threat on November 9, 2026, 22:05 EST.")
    assert words.push.split(" https")[0] in words.body


def test_without_a_portal_there_is_no_link() -> None:
    link = link_to("", "m1")
    warnings = [warning_words(link, is_alerted=each) for each in (False, True)]
    for words in (alert_words(link), *warnings):
        assert "http" not in words.body + words.push
        assert "Sign in" in words.push


@pytest.mark.accepts(181)
def test_the_key_names_threat_and_occasion() -> None:
    assert idempotency_key("m1", Occasion.FOLLOW_UP) == "alert:m1:follow_up"


def test_waits_grow_to_a_limit() -> None:
    waits = [retry_seconds(attempts) for attempts in range(1, 40)]
    assert waits == sorted(waits)
    assert waits[0] == 0.25
    assert waits[-1] == LONGEST_RETRY_SECONDS
