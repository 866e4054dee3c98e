"""What stands around the link of a poll or a sign-up, in each language that we speak and in the others."""

import string
from datetime import UTC, datetime

import pytest

from services.kit.dates import SPOKEN
from services.queue.domain import Channel
from services.queue.inviting import Invitations
from services.queue.links import Links
from services.queue.surveys import Survey

INVITATIONS = Invitations("https://lantern.example.org/answer", Links("s" * 32), "America/New_York")
SURVEY = Survey(Channel.POLL, [], datetime(2027, 3, 4, 5, 5, tzinfo=UTC))


@pytest.mark.parametrize("language", sorted(SPOKEN))
def test_what_we_speak_is_not_translated_and_names_the_student(language: str) -> None:
    assert INVITATIONS.around(SURVEY, language) is None
    alone = INVITATIONS.usual(language, once_per_family=False)
    family = INVITATIONS.usual(language, once_per_family=True)
    assert ("Guadalupe Rodriguez" in alone, "Guadalupe Rodriguez" in family) == (True, False)
    assert [part[1] for part in string.Formatter().parse(alone) if part[1]] == []


def test_what_we_do_not_speak_is_translated_from_english() -> None:
    around = INVITATIONS.around(SURVEY, "vi")
    assert around is not None
    assert around.about == "Your answer about {student}:"
    assert "until Thursday, 4 March 2027, 12:05 am (New York time)." in around.below
    assert INVITATIONS.around(SURVEY, "es-MX") is None
