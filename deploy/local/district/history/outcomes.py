"""What became of each past recipient on each channel, at the rates of data/traffic.json."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deploy.local.district.history.drafts import Draft, Target
from deploy.local.district.model import Person
from deploy.local.district.source import data, pick_weighted
from services.directory.contacts import Contact, read_contact

# Channel to the kind of contact it uses, and to the consent that can forbid it.
KIND = {"email": "email", "poll": "email", "signup": "email", "sms": "mobile", "tts": "mobile", "recorded": "mobile",
        "push": "device"}  # fmt: skip
CONSENT = {"email": "email", "poll": "email", "signup": "email", "sms": "sms", "tts": "voice", "recorded": "voice",
           "push": "push"}  # fmt: skip
Outcome = dict[str, str]


@dataclass(frozen=True)
class Reach:
    """A destination, and whether it can be used."""

    value: str
    is_usable: bool


class Outcomes:
    """Decides outcomes. Contacts are normalised as directory does it: Once Per Family finds the same duplicates."""

    def __init__(self, rng: random.Random, end: datetime) -> None:
        self._rng = rng
        self._end = end
        self._plan: dict[str, Any] = data("traffic")
        self._reaches: dict[tuple[str, str], Reach | None] = {}

    def of(self, draft: Draft) -> Iterator[tuple[Target, list[Outcome]]]:
        """Yield each recipient that could be addressed at all, in order, with one outcome a channel."""
        seen: set[tuple[str, str]] | None = set() if draft.category in self._plan["once_per_family"] else None
        for target in draft.targets:
            found = [(channel, self._reach(target, channel)) for channel in draft.channels]
            rows = [self._outcome(draft, target, channel, reach, seen) for channel, reach in found if reach]
            if rows:
                yield target, rows

    def _reach(self, target: Target, channel: str) -> Reach | None:
        if target.person is None:
            return Reach(target.address, is_usable=True)
        key = (target.person.sourced_id, KIND[channel])
        if key not in self._reaches:
            self._reaches[key] = _best(target.person, KIND[channel])
        return self._reaches[key]

    def _outcome(
        self, draft: Draft, target: Target, channel: str, reach: Reach, seen: set[tuple[str, str]] | None
    ) -> Outcome:
        state, code, seconds = self._fate(draft, target, channel, reach, seen)
        at = min(draft.sent_at + timedelta(seconds=seconds), self._end)
        outcome = {"channel": channel, "state": state, "at": at.isoformat(timespec="seconds"),
                   "destination": reach.value}  # fmt: skip
        return {**outcome, "error_code": code} if code else outcome

    def _fate(
        self, draft: Draft, target: Target, channel: str, reach: Reach, seen: set[tuple[str, str]] | None
    ) -> tuple[str, str, float]:
        """Return (state, provider's code or empty, seconds after sending)."""
        if draft.verdict == "hold":
            return "withheld", "", 5
        if not reach.is_usable:
            return "error", self._plan["invalid_contact_codes"].get(channel, ""), 1
        if seen is not None and (channel, reach.value) in seen:
            return "duplicate", "", 0
        if seen is not None:
            seen.add((channel, reach.value))
        if _has_withdrawn(target.person, channel) and not draft.is_emergency:
            return "opted_out", self._plan["opted_out_code"] if channel == "sms" else "", 0
        return self._drawn(channel)

    def _drawn(self, channel: str) -> tuple[str, str, float]:
        rates = self._plan["outcomes"][channel]
        state = pick_weighted(self._rng, {"sent": rates["sent"], "error": sum(rates["error"].values()),
                                          "expired": rates["expired"]})  # fmt: skip
        if state == "expired":
            return state, "", self._plan["expiry_hours"][channel] * 3600
        code = pick_weighted(self._rng, rates["error"]) if state == "error" else ""
        return state, code, 1 + self._rng.expovariate(1 / rates["latency_seconds"])


def _has_withdrawn(person: Person | None, channel: str) -> bool:
    return person is not None and person.consent.get(CONSENT[channel]) == "withdrawn"


def _best(person: Person, kind: str) -> Reach | None:
    """Return the first usable contact of a kind, else one that cannot be used, else None."""
    values = {"email": [person.email], "mobile": [person.mobile], "device": person.devices}[kind]
    contacts: list[Contact] = [read_contact(kind, value) for value in values if value]
    usable = [one for one in contacts if not one.problem]
    chosen = next(iter(usable or contacts), None)
    return Reach(chosen.value, not chosen.problem) if chosen else None
