"""Which sender a message takes, and what may be one."""

import pytest

from services.queue.domain import Channel
from services.queue.message_types import MessageType
from services.queue.senders import NOBODY, From, Identity, Way, chosen, normal

EMERGENCY, ANNOUNCEMENT = MessageType.EMERGENCY, MessageType.ANNOUNCEMENT
EVERY = [
    Identity("", None, Way.CALL, "+12125550001"),
    Identity("", EMERGENCY, Way.CALL, "+12125550911"),
    Identity("lincoln", None, Way.CALL, "+12125550002"),
    Identity("grant", EMERGENCY, Way.CALL, "+12125550003"),
    Identity("", None, Way.EMAIL, "news@example.org", "Lincoln County Schools"),
    Identity("lincoln", None, Way.EMAIL, "", "Lincoln High"),
    Identity("lincoln", MessageType.ATTENDANCE, Way.EMAIL, "attendance@example.org"),
]


@pytest.mark.parametrize(
    ("channel", "message_type", "school_id", "found"),
    [
        (Channel.TTS, ANNOUNCEMENT, "", From("+12125550001")),
        (Channel.RECORDED, EMERGENCY, "", From("+12125550911")),
        (Channel.TTS, ANNOUNCEMENT, "lincoln", From("+12125550002")),
        # Families know the emergency number: a school's number for everything does not stand for it.
        (Channel.TTS, EMERGENCY, "lincoln", From("+12125550911")),
        (Channel.TTS, EMERGENCY, "grant", From("+12125550003")),
        (Channel.SMS, ANNOUNCEMENT, "lincoln", NOBODY),
        (Channel.PUSH, ANNOUNCEMENT, "", NOBODY),
        (Channel.EMAIL, ANNOUNCEMENT, "", From("news@example.org", "Lincoln County Schools")),
        (Channel.POLL, MessageType.SURVEY, "lincoln", From("news@example.org", "Lincoln High")),
        (Channel.EMAIL, MessageType.ATTENDANCE, "lincoln", From("attendance@example.org", "Lincoln High")),
        # A school never bears the district's name (statement 229), and a person bears their own.
        (Channel.EMAIL, ANNOUNCEMENT, "grant", From("news@example.org")),
        (Channel.EMAIL, MessageType.PERSONAL, "lincoln", From("news@example.org")),
        (Channel.EMAIL, MessageType.ALERT, "", From("news@example.org")),
    ],
)
@pytest.mark.accepts(229, 230)
def test_the_most_particular_sender_counts(
    channel: Channel, message_type: MessageType, school_id: str, found: From
) -> None:
    assert chosen(EVERY, channel, message_type, school_id) == found
    assert chosen(reversed(EVERY), channel, message_type, school_id) == found


@pytest.mark.parametrize(
    ("way", "text", "found"),
    [
        (Way.EMAIL, " News@Example.org ", "news@example.org"),
        (Way.EMAIL, "+12125550001", ""),
        (Way.SMS, "(212) 555-0100", "+12125550100"),
        (Way.SMS, "MG" + "0a" * 16, "MG" + "0a" * 16),
        (Way.SMS, "MG123", ""),
        (Way.CALL, "MG" + "0a" * 16, ""),
        (Way.CALL, "911", ""),
    ],
)
def test_a_sender_has_one_form(way: Way, text: str, found: str) -> None:
    assert normal(way, text) == found
