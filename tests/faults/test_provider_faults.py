"""Providers that hang, refuse, break off, or tell of what they did twice, late or never, while a school is written to.

Afterwards every family was reached once or is named as an error, and the numbers are exact.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import requests

from services.kit.ids import new_id
from tests.e2e.roster import SENIORS
from tests.e2e.system import System
from tests.faults.sending import SETTLED_SECONDS, Families, Sender, check_families
from tests.support.eventually import eventually_sync

_PROVIDERS = ("sms", "voice", "ses")
RECIPIENTS = SENIORS
"""How many families each fault meets."""
_SOME = 30
"""Requests that go wrong where each of them may cost a family its e-mail: no more than are in question at once."""
_MANY = RECIPIENTS // 4
_CHANNELS = ("CHANNEL_EMAIL", "CHANNEL_SMS", "CHANNEL_TTS")
_UNSURE = {"hang", "timeout_after_accept"}
"""Faults after which SES, which cannot be asked, leaves it unknown whether it took an e-mail."""


@pytest.fixture
def providers(system: System) -> Iterator[System]:
    """The system; its providers work again at the end."""
    yield system
    _set(system, {"mode": "ok"})


def _set(system: System, mode: dict[str, Any]) -> None:
    answer = requests.post(f"{system.run['vendors']}/control/modes", json=dict.fromkeys(_PROVIDERS, mode), timeout=10)
    answer.raise_for_status()


@pytest.mark.accepts(62, 63, 65, 66)
@pytest.mark.parametrize(
    "mode",
    [
        {"mode": "429", "retry_after_seconds": 1, "count": _MANY},
        {"mode": "500", "count": _MANY},
        {"mode": "hang", "count": _SOME},
        {"mode": "timeout_after_accept", "count": _SOME},
        {"mode": "duplicate_receipts"},
        {"mode": "late_receipts", "late_seconds": 6},
        {"mode": "reorder"},
    ],
    ids=lambda mode: mode["mode"],
)
def test_a_fault_of_the_providers_costs_nobody_a_message_and_nobody_gets_two(
    providers: System, mode: dict[str, Any]
) -> None:
    _set(providers, mode)
    bad = mode["count"] if mode["mode"] in _UNSURE else 0
    _send_and_check(providers, _CHANNELS, {"CHANNEL_EMAIL": bad})


@pytest.mark.accepts(58, 66)
def test_texts_and_calls_whose_receipts_never_come_are_asked_about(providers: System) -> None:
    _set(providers, {"mode": "drop_receipts"})
    _send_and_check(providers, ("CHANNEL_SMS", "CHANNEL_TTS"), {})


def _send_and_check(system: System, wanted: Sequence[str], unknown: dict[str, int]) -> None:
    principal, mark = Sender(system, "principal"), new_id()[-10:]
    audience = {"school_ids": [system.schools["s1"]], "roles": ["parent"], "grades": ["12"]}
    channels = [each.removeprefix("CHANNEL_").lower() for each in wanted]
    sent = principal.send(f"Closed {mark}", f"Closed {mark}.", channels, audience)
    families = Families(RECIPIENTS, dict.fromkeys(wanted, 0), unknown)
    eventually_sync(lambda: check_families(principal, families, sent["message_id"], mark), SETTLED_SECONDS)
    assert system.broken_entries() == []
