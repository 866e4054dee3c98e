"""What arrived: every message that a simulated vendor accepted, bounded, with exact counts."""

from __future__ import annotations

import itertools
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

FULL_TEXT_KEPT = 5_000
"""For this many of the newest arrivals the whole content is kept; of older ones only subject and plain text."""

_PER_ATTEMPT = frozenset({"attempt", "attempt_id", "batch", "batch_id"})
_LAST_PART = re.compile(r"[._][^._]*$")


@dataclass(slots=True, eq=False)
class Arrival:
    """One accepted message: an SMS, a call, an e-mail to one recipient or a push message."""

    channel: str
    to: str
    sender: str
    text: str
    vendor_id: str
    reaches: bool
    tags: dict[str, str] = field(default_factory=dict)
    subject: str = ""
    status: str = "queued"
    code: int | None = None
    at: float = field(default_factory=time.time)
    changed_at: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    content: Callable[[], dict[str, Any]] | None = None
    seq: int = 0
    key: int = 0

    def as_json(self) -> dict[str, Any]:
        """The arrival as /arrived.json shows it; times are seconds since 1970."""
        fields = ("seq", "channel", "to", "sender", "subject", "text", "vendor_id", "status", "code", "tags", "at")
        shown = {name: getattr(self, name) for name in fields} | {"reaches": self.reaches}
        shown |= {"changed_at": self.changed_at or self.at, "details": self.details}
        return shown | (self.content() if self.content else {})


def recipient_key(arrival: Arrival) -> int:
    """A number that is the same for every attempt to give one message to one recipient.

    It is made of channel, destination and the tags that travelled with the message (query of the callback address,
    EmailTags, MessageAttributes) without those that name the attempt or batch; without tags, of the text. The
    `delivery_key` of our own queue is entry, number and attempt, joined by dots or underscores: only the last varies.
    """
    tags = arrival.tags
    if (delivery := tags.get("delivery_key")) is not None:
        tags = {**tags, "delivery_key": _LAST_PART.sub("", delivery)}
    lasting = tuple(sorted(pair for pair in tags.items() if pair[0] not in _PER_ATTEMPT))
    return hash((arrival.channel, arrival.to, lasting or (arrival.subject, arrival.text)))


class Arrivals:
    """A bounded list, newest last, with indices by vendor's id and by destination."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` arrivals."""
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._sequence = itertools.count(1)
        self._all: deque[Arrival] = deque()
        self._full: deque[Arrival] = deque()
        self._by_id: dict[str, Arrival] = {}
        self._by_to: dict[str, deque[Arrival]] = {}
        self._reached: Counter[int] = Counter()
        self._attempted: Counter[int] = Counter()
        self.by_channel: Counter[str] = Counter()
        self.total = self.doubles = self.repeats = self.dropped = 0

    reset = _clear

    def add(self, arrival: Arrival) -> Arrival:
        """Take an arrival in and count it."""
        arrival.seq = next(self._sequence)
        arrival.text = sys.intern(arrival.text)
        arrival.key = recipient_key(arrival)
        self._all.append(arrival)
        self._by_id[arrival.vendor_id] = arrival
        self._by_to.setdefault(arrival.to, deque()).append(arrival)
        self._count(arrival)
        self._forget_content(arrival)
        if len(self._all) > self._limit:
            self._drop_oldest()
        return arrival

    def _count(self, arrival: Arrival) -> None:
        self.total += 1
        self.by_channel[arrival.channel] += 1
        self.repeats += self._attempted[arrival.key] > 0
        self._attempted[arrival.key] += 1
        if arrival.reaches:
            self.doubles += self._reached[arrival.key] > 0
            self._reached[arrival.key] += 1

    def _forget_content(self, arrival: Arrival) -> None:
        if arrival.content is None:
            return
        self._full.append(arrival)
        if len(self._full) > FULL_TEXT_KEPT:
            self._full.popleft().content = None

    def _drop_oldest(self) -> None:
        oldest = self._all.popleft()
        self.dropped += 1
        self._by_id.pop(oldest.vendor_id, None)
        same = self._by_to[oldest.to]
        same.popleft()
        if not same:
            del self._by_to[oldest.to]
        for counter in (self._attempted, self._reached):
            if counter[oldest.key] <= 1:
                del counter[oldest.key]
            else:
                counter[oldest.key] -= 1

    def find(self, vendor_id: str) -> Arrival | None:
        """The arrival with this vendor's id, if it is still kept."""
        return self._by_id.get(vendor_id)

    def newest_first(self, to: str = "") -> Iterator[Arrival]:
        """All arrivals, or those of one destination, newest first."""
        return reversed(self._by_to.get(to, deque()) if to else self._all)

    def counts(self) -> dict[str, Any]:
        """Exact counts since the last reset.

        `doubles` are arrivals at a recipient who already had that very message; `repeats` also counts second attempts
        after one that did not reach the recipient. Both look back over the kept arrivals.
        """
        return {
            "total": self.total,
            "recipients": len(self._attempted),
            "reached": len(self._reached),
            "doubles": self.doubles,
            "repeats": self.repeats,
            "dropped": self.dropped,
            "kept": len(self._all),
            "by_channel": dict(self.by_channel),
        }

    def doubled(self) -> list[Arrival]:
        """The newest 100 arrivals at recipients who got the same message more than once, newest first."""
        found = (a for a in self.newest_first() if a.reaches and self._reached[a.key] > 1)
        return list(itertools.islice(found, 100))
