"""What notify hands to queue."""

import pytest

from services.notify.domain import REMINDERS, Occasion, Telling
from services.notify.messages import header

OF_THREATS = {Occasion.ALERT, Occasion.FOLLOW_UP, Occasion.WARNING, *REMINDERS}


@pytest.mark.parametrize("occasion", Occasion)
def test_only_what_is_told_of_a_threat_comes_from_threat_alerts(occasion: Occasion) -> None:
    made = header("m1", occasion, Telling("S", "B", "P"))
    name = "Threat alerts" if occasion in OF_THREATS else "Lantern"
    assert (made.sender.name, made.from_title) == (name, name)
