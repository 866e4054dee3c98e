"""What columns show, here and on the pages: a rule must find what a reader sees."""

import pytest

from services.gateway import words as pages
from services.queue.domain import Channel, State
from services.queue.events_out import CHANNELS
from services.queue.labels import CHANNEL_LABELS, STATE_LABELS
from services.queue.words import STATES
from services.reports.domain import CHANNEL_LABELS as REPORTED_LABELS


@pytest.mark.accepts(216, 247)
def test_states_and_channels_are_called_the_same_everywhere() -> None:
    assert {each: pages.STATES[STATES[each]].label for each in State} == STATE_LABELS
    assert {each: pages.CHANNELS[CHANNELS[each]].label for each in Channel} == CHANNEL_LABELS == REPORTED_LABELS
