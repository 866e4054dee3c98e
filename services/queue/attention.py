"""What stopped by itself, and somebody has to do something about: staff are told by notify; pure."""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What stopped."""

    ACCOUNT_REFUSED = auto()
    """A provider takes nothing from our account."""
    MAIL_HELD_BACK = auto()
    SCHEDULE_PAUSED = auto()
    ATTENDANCE_NOT_SENT = auto()
    SCHEDULE_NOT_SENT = auto()


@dataclass(frozen=True)
class Attention:
    """What needs somebody's attention."""

    kind: Kind
    reason: str
    """Why, in sentences for staff."""
    about_id: str = ""
    """What has the same id, a UUID, is one occasion and told once; empty: an occasion of its own."""
    owner_id: str = ""
    """Whose it is, beside the administrators; empty where it is nobody's."""
    subject_id: str = ""
    """The schedule or attendance rule; empty for others."""
