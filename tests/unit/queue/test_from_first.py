"""From which of the senders a text or call goes out, and how long that may take."""

from types import SimpleNamespace

import pytest

from services.queue.providers import twilio
from services.queue.providers.base import Answer, Handed
from services.queue.providers.twilio import from_first

SCHOOLS, OURS = "+12125550188", "+12125550100"


async def test_a_late_refusal_leaves_the_next_sender_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, given = 0.0, []
    monkeypatch.setattr(twilio, "time", SimpleNamespace(monotonic=lambda: now))

    async def create(sender: str, seconds: float) -> Handed:
        nonlocal now
        now += 9.0
        given.append((sender, seconds))
        taken = Handed(1, Answer.TAKEN, provider_message_id="SM1")
        return taken if sender == OURS else Handed(1, Answer.REFUSED, code="21212")

    answer = await from_first("twilio", (SCHOOLS, OURS), create, 10.0)
    assert answer.answer is Answer.TAKEN
    assert given == [(SCHOOLS, 10.0), (OURS, 2.0)]
