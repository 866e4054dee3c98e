"""In whose name and from where messages go: sender identities by school, type of message and way; pure.

An identity is the district's (no school) or a school's, for one type of messages or for all. A message takes the most
particular one there is, the type before the school: a number that families know as the emergency number stays that,
whatever a school's own is. Without any, the configuration's sender stands. It is fixed when a message is sent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.queue.contacts import normal_email, normal_number
from services.queue.domain import CALLS, MAILED, Channel
from services.queue.message_types import MessageType

MAX_NAME: Final = 100
_UNNAMED: Final = frozenset({MessageType.PERSONAL, MessageType.ALERT})
"""They bear a person's name, or the system's."""
_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}")


class Way(StrEnum):
    """What shows where a message comes from."""

    EMAIL = "email"
    SMS = "sms"
    CALL = "call"


@dataclass(frozen=True)
class Identity:
    """From where, and for e-mail in whose name, some messages go."""

    school_id: str
    """Empty: the district's."""
    message_type: MessageType | None
    """None: every type without an identity of its own."""
    way: Way
    address: str
    """Address, E.164 number, or for texts a messaging service (MG…); empty for an e-mail's name alone."""
    name: str = ""
    """From Name of e-mails; it counts for messages in the name of the same school or district alone."""


@dataclass(frozen=True)
class From:
    """What an entry goes out with; what is empty is the configuration's."""

    address: str = ""
    name: str = ""


NOBODY: Final = From()


def way_of(channel: Channel) -> Way | None:
    """Return the way of a channel; push has none."""
    if channel in MAILED:
        return Way.EMAIL
    if channel in CALLS:
        return Way.CALL
    return Way.SMS if channel is Channel.SMS else None


def chosen(identities: Iterable[Identity], channel: Channel, message_type: MessageType, school_id: str) -> From:
    """Return what an entry goes out with; `school_id` is empty for what goes out as the district."""
    fitting = [
        each
        for each in identities
        if each.way is way_of(channel)
        and each.message_type in {None, message_type}
        and each.school_id in {"", school_id}
    ]
    fitting.sort(key=lambda each: (each.message_type is None, not each.school_id))
    names = [] if message_type in _UNNAMED else [each.name for each in fitting if each.school_id == school_id]
    return From(
        next((each.address for each in fitting if each.address), ""),
        next((each for each in names if each), ""),
    )


def normal(way: Way, text: str) -> str:
    """Return where a way's messages may come from in its one form; empty when it is none."""
    text = text.strip()
    if way is Way.EMAIL:
        return normal_email(text)
    if way is Way.SMS and _SERVICE.fullmatch(text):
        return text
    return normal_number(text)
