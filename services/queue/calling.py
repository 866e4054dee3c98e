"""Which number a call rings, and when a family is called again: pure rules.

The destination of a call is up to three numbers of one person, in the order to try, separated by commas. Attempt n
rings the n-th number, and after the last one begins again: three rounds in all. The next number is rung soon, the next
round after 5 and 15 minutes; in the urgent lanes after a tenth of it.
"""

from datetime import timedelta
from typing import Final
from xml.sax.saxutils import escape

from services.queue.domain import Lane, backoff

MOST_NUMBERS: Final = 3
"""Numbers of one person that are rung."""
ROUNDS: Final = 3
"""How often each number is rung before the delivery is an error."""
NEXT_NUMBER_SHARE: Final = 0.1
"""Pause before the next number of the same person, as a share of the first pause between rounds."""
_LONGEST_SPOKEN: Final = 3_600
"""Characters of a text in XML: Twilio takes TwiML of at most 4,000 with a call."""


def numbers_of(destination: str) -> list[str]:
    """Return the numbers of a destination, in the order to try."""
    return [each for each in destination.split(",") if each]


def can_be_spoken(text: str) -> bool:
    """Tell whether a text can be read aloud in one call."""
    return len(escape(text)) <= _LONGEST_SPOKEN


def in_turn(destination: str, attempt: int) -> list[str]:
    """Return the numbers beginning with the one that this attempt rings."""
    every = numbers_of(destination)
    start = (attempt - 1) % len(every) if every else 0
    return every[start:] + every[:start]


def turns_before(destination: str, attempt: int, place: int) -> int:
    """Return how many turns were over before the number at this place of `in_turn` was rung, in this attempt's round.

    Behind the last number of the round comes the first one again, which stands in for those that are refused.
    """
    numbers = len(numbers_of(destination))
    return place if (attempt - 1) % numbers + place < numbers else 0


def is_last(destination: str, attempt: int) -> bool:
    """Tell whether no call follows this attempt."""
    return attempt >= len(numbers_of(destination)) * ROUNDS


def pause_before_next(destination: str, attempt: int, lane: Lane, first_pause_seconds: float) -> timedelta | None:
    """Return the wait before the call after this attempt, which nobody took; None when it was the last."""
    if is_last(destination, attempt):
        return None
    numbers = len(numbers_of(destination))
    if attempt % numbers:
        return backoff(1, lane, first_pause_seconds * NEXT_NUMBER_SHARE)
    return backoff(attempt // numbers, lane, first_pause_seconds)
