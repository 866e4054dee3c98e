"""Time as an argument: actions take a Clock, so that tests can say what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC time."""


def utc_now() -> datetime:
    """Return the present moment in UTC, from the machine's clock."""
    return datetime.now(UTC)
