"""What is answered to a text that asks to stop, to start or for help in another language."""

import pytest

from protos.queue.v1 import queue_pb2 as queue
from services.gateway.inbound_answers import CATALOGUE, twiml
from services.queue.actions.consenting import Heard, heard


@pytest.mark.accepts(306)
def test_every_language_says_everything_and_names_words_that_are_understood() -> None:
    for language, said in CATALOGUE.items():
        assert set(said) == {"stopped", "emergencies", "started", "help"}
        for action, undone_by in (("stopped", "started"), ("started", "stopped"), ("help", "stopped")):
            assert said[action].startswith("{name}")
            (word,) = (each for each in said[action].split() if each.isupper() and len(each) > 1 and each != "SMS.")
            assert heard(word) == Heard(undone_by, language)


def test_emergencies_are_named_only_where_they_still_come() -> None:
    found = queue.RecordInboundResponse(action="stopped", language="es")
    assert "emergencias" not in twiml(found, "Lincoln & Sons")
    found.emergencies_come = True
    assert "Lincoln &amp; Sons: Ya no" in twiml(found, "Lincoln & Sons")
    assert "Las emergencias se siguen enviando.</Message>" in twiml(found, "Lincoln & Sons")
