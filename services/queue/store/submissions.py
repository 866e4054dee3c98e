"""Writing one message with its recipients, piece by piece, in the caller's transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import COUNTED_AS, Channel, State, batch_size
from services.queue.records import Entry, Message, Outcome, Recipient
from services.queue.store import copying, counts

_FLUSH_ROWS = 5_000


class Writer:
    """Collects recipients of a message's entries, and copies them with their outcomes and batches."""

    def __init__(self, connection: AsyncConnection, message: Message, now: datetime) -> None:
        """The message and its entries must be in the tables already."""
        self._connection, self._message, self._now = connection, message, now
        self._recipients: list[tuple[str, datetime, Recipient]] = []
        self._outcomes: list[tuple[str, datetime, str, datetime, Outcome]] = []
        self._waiting: dict[tuple[str, str], list[int]] = {}
        self._entries: dict[str, Entry] = {}
        self._batches: list[tuple[Any, ...]] = []
        self.counts: dict[tuple[str, str], dict[str, int]] = {}

    async def add(self, entry: Entry, recipient: Recipient, state: State, outcome: Outcome | None) -> None:
        """Add one delivery; without an outcome it joins a batch in the state, held or pending."""
        self._recipients.append((entry.entry_id, entry.created_at, recipient))
        key = (entry.entry_id, recipient.school_id)
        counts_of = self.counts.setdefault(key, {})
        counts_of[COUNTED_AS[state]] = counts_of.get(COUNTED_AS[state], 0) + 1
        if outcome is None:
            self._join(entry, key, recipient.number, state)
        else:
            self._outcomes.append((entry.entry_id, entry.created_at, recipient.school_id, self._now, outcome))
        if len(self._recipients) >= _FLUSH_ROWS:
            await self._flush()

    async def finish(self, entries: Iterable[Entry], state: State) -> None:
        """Write what is left, and the counters."""
        for (entry_id, school_id), numbers in self._waiting.items():
            if numbers:
                self._batches.append(self._batch(self._entries[entry_id], school_id, numbers, state))
        self._waiting.clear()
        await self._flush()
        await counts.insert(self._connection, self.counts, [each.entry_id for each in entries], self._now)

    def _join(self, entry: Entry, key: tuple[str, str], number: int, state: State) -> None:
        self._entries[entry.entry_id] = entry
        numbers = self._waiting.setdefault(key, [])
        numbers.append(number)
        if len(numbers) == batch_size(entry.channel):
            self._batches.append(self._batch(entry, key[1], numbers, state))
            self._waiting[key] = []

    def _batch(self, entry: Entry, school_id: str, numbers: list[int], state: State) -> tuple[Any, ...]:
        return (
            entry.entry_id,
            entry.message_id,
            entry.created_at,
            school_id,
            Channel(entry.channel).value,
            int(self._message.lane),
            state.value,
            numbers,
            1,
            self._message.send_at,
            entry.expires_at,
            self._now,
        )

    async def _flush(self) -> None:
        if self._recipients:
            await copying.copy_recipients(self._connection, self._recipients)
        if self._outcomes:
            await copying.copy_outcomes(self._connection, self._outcomes)
        if self._batches:
            await copying.copy_batches(self._connection, self._batches)
        self._recipients, self._outcomes, self._batches = [], [], []
