"""What a message is about, as families and the law tell messages apart: the unit of consent (statement 306)."""

from enum import StrEnum
from typing import Final


class MessageType(StrEnum):
    """The types; an entry has one, fixed when it is sent."""

    EMERGENCY = "emergency"
    """Sent as an emergency: all channels of it."""
    ATTENDANCE = "attendance"
    """Made by an attendance rule."""
    ANNOUNCEMENT = "announcement"
    """Anything else that staff send."""
    SURVEY = "survey"
    """Polls and sign-ups."""
    PERSONAL = "personal"
    """Written by a student or parent, or in answer to a message, to its author alone."""
    ALERT = "alert"
    """Tells staff of a threat."""


CHOOSABLE: Final = frozenset(MessageType) - {MessageType.ALERT}
"""Types that one can be written to without, or not; only a STOP ends alerts, since carriers enforce it."""
LISTED: Final = frozenset({MessageType.ATTENDANCE, MessageType.ANNOUNCEMENT, MessageType.SURVEY})
"""Types that go to many: their e-mails offer to unsubscribe."""
