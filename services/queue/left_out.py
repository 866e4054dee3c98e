"""Who is left out of a sending, counted and named by reason."""

from collections import Counter
from typing import Final

MOST_NAMED: Final = 50
"""Names of one reason; more are counted."""


class LeftOut(Counter[str]):
    """How many are left out, by reason, and the first of them by name."""

    def __init__(self) -> None:
        """Nobody is left out so far."""
        super().__init__()
        self.names: dict[str, list[str]] = {}

    def leave(self, reason: str, name: str = "", student: str = "") -> None:
        """Count one. The name is empty where the sender may not know it; `student` is whom the message is about."""
        self[reason] += 1
        named = self.names.setdefault(reason, [])
        if name and len(named) < MOST_NAMED:
            named.append(f"{name}, about {student}" if student and student != name else name)
