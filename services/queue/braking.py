"""When e-mail to many is held back, because too much of it bounces or is complained about (statement 311); pure.

Amazon SES reviews a sender at 5 % hard bounces or 0.1 % complaints, and stops one at 10 % or 0.5 %: then no emergency
and no alert leaves either (its "sending review process" pages). So ordinary e-mail stops by itself at the first of
these rates; emergencies and alerts go on. A rate needs numbers, so that two wrong addresses of ten stop nobody.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

WINDOW: Final = timedelta(hours=24)
"""E-mails submitted since then are judged, or since the brake was last released."""
FEWEST_ANSWERED: Final = 500
"""Deliveries that the provider took and that arrived or failed, before a rate means anything."""
MOST_BOUNCED: Final = 0.05
MOST_COMPLAINED: Final = 0.001
FEWEST_COMPLAINTS: Final = 3


@dataclass(frozen=True)
class Mailing:
    """What became of the e-mail deliveries of a window."""

    answered: int
    """Arrived or failed for good, of what the provider had: only that counts there."""
    bounced: int
    """Of these, to addresses that do not exist or refuse for ever."""
    complained: int
    """Recipients who called one spam."""

    @property
    def is_too_bad(self) -> bool:
        """Whether ordinary e-mail has to stop."""
        if self.answered < FEWEST_ANSWERED:
            return False
        has_complaints = self.complained >= max(FEWEST_COMPLAINTS, self.answered * MOST_COMPLAINED)
        return has_complaints or self.bounced >= self.answered * MOST_BOUNCED

    def in_words(self) -> str:
        """Return the numbers in a sentence."""
        shares = f"{self.bounced:,} came back and {self.complained:,} were reported as spam"
        return f"Of {self.answered:,} e-mails of the last {WINDOW // timedelta(hours=1)} hours {shares}."
