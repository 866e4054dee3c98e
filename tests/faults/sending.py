"""Sending to families while something goes wrong, and what must hold afterwards."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from services.kit.ids import new_id
from tests.e2e.roster import FAMILIES
from tests.e2e.system import System
from tests.support.eventually import eventually_sync

SETTLED_SECONDS = 150.0 + FAMILIES / 20
ANSWERED_SECONDS = 120.0
_AT_THE_PROVIDER = 80
"""E-mails of one batch that may have been at the provider when its dispatcher died: two and a half slices."""
_BATCH = 500
_ARRIVES_BY = {"CHANNEL_EMAIL": "email", "CHANNEL_SMS": "sms", "CHANNEL_TTS": "voice"}


@dataclass
class Sender:
    """A person's program: it sends again with the same key until it has an answer."""

    system: System
    username: str

    def send(self, subject: str, text: str, channels: list[str], audience: dict[str, list[str]]) -> dict[str, Any]:
        """Send a message once, however often that takes; return what the queue said of it."""
        body = {"idempotency_key": new_id(), "subject": subject, "body": text, "channels": channels}

        def send_again() -> dict[str, Any]:
            try:
                answer = self.system.rest(self.username).post(
                    f"{self.system.url}/api/v1/messages", json={**body, "audience": audience}, timeout=20
                )
            except requests.RequestException as problem:
                raise AssertionError("the gateway does not answer") from problem
            # A part that is away is a 5xx; whatever else would be a refusal, and no repetition could mend it.
            assert answer.status_code < 500, answer.text
            if answer.status_code != 200:
                pytest.fail(answer.text)
            found: dict[str, Any] = answer.json()
            return found

        return eventually_sync(send_again, ANSWERED_SECONDS)

    def get(self, path: str) -> dict[str, Any]:
        """Read something. AssertionError when it cannot be read now."""
        try:
            answer = self.system.rest(self.username).get(f"{self.system.url}/api/v1/{path}", timeout=10)
        except requests.RequestException as problem:
            raise AssertionError("the gateway does not answer") from problem
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass(frozen=True)
class Families:
    """How many are written to, and how many of them cannot be reached, by channel."""

    count: int
    errors: Mapping[str, int]
    unknown: Mapping[str, int] | None = None
    """Most of whom nobody may know, by channel, where no process is killed; a channel that is not named has none."""
    cuts: int = 1
    """How often dispatchers may lose what they have in hand: they are killed, or lose their lease with the database."""

    def most_unknown(self, channel: str) -> int:
        """Return of how many nobody may know whether they were reached; a killed dispatcher leaves some in question."""
        if self.unknown is None:
            return self.cuts * _AT_THE_PROVIDER * math.ceil(self.count / _BATCH)
        return self.unknown.get(channel, 0)


def check_families(principal: Sender, families: Families, message_id: str, mark: str) -> None:
    """Compare the report with the rows behind it and with what reached people."""
    rows = principal.get("reports/history?all_users=1&size=100")["rows"]
    entries = [each for each in rows if each["message_id"] == message_id]
    assert {each["channel"] for each in entries} == set(families.errors)
    for entry in entries:
        counts = {name: int(value or 0) for name, value in entry["counts"].items() if name != "school_id"}
        assert counts["pending"] == counts["held"] == 0
        assert counts["total"] == families.count == counts["sent"] + counts["error"], counts
        reached = principal.system.reached(_ARRIVES_BY[entry["channel"]], f"Closed {mark}")
        assert set(reached.values()) == {1}, "somebody was reached twice"
        unknown = _unknown_outcomes(principal, entry["entry_id"])
        # Of whom nobody knows, some may have been reached; all others who were are Sent.
        assert counts["sent"] <= len(reached) <= counts["sent"] + unknown, (entry["channel"], len(reached), counts)
        # Some of them may have an address that nobody reaches; whoever has one is an error either way.
        expected, others = families.errors[entry["channel"]], counts["error"] - unknown
        assert max(0, expected - unknown) <= others <= expected, (entry["channel"], unknown, counts)
        most = families.most_unknown(entry["channel"])
        assert unknown <= most, (
            "families were given up that nobody had tried to reach",
            entry["channel"],
            unknown,
            most,
        )


def _unknown_outcomes(principal: Sender, entry_id: str) -> int:
    found, page = 0, 1
    while rows := principal.get(f"entries/{entry_id}/recipients?state=errors&dsize=500&dpage={page}")["deliveries"]:
        found += sum(each["error_code"] == "UNKNOWN_OUTCOME" for each in rows)
        if len(rows) < 500:
            break
        page += 1
    return found
