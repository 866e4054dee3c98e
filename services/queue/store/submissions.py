"""Writing one message with its recipients, piece by piece, in the caller's transaction."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import COUNTED_AS, Channel, State, batch_size
from services.queue.quiet import Quiet
from services.queue.records import Entry, Message, Outcome
from services.queue.store import copying, counts
from services.queue.translating import told_in

_NUMBER, _SCHOOL, _LANGUAGE = map(copying.RECIPIENT_COLUMNS.index, ("number", "school_id", "language"))
_OUTCOMES_TOGETHER = 5_000
_OPEN_SECONDS = 10.0
"""A COPY whose rows come slowly ends after this long: PostgreSQL gives a statement a minute."""


class Writer:
    """Collects recipients of a message's entries, and copies them with their outcomes and batches.

    `async with`: PostgreSQL takes rows while the caller puts the next ones together. The connection may be used for
    something else only after `idle`.
    """

    def __init__(self, connection: AsyncConnection, message: Message, quiet: Quiet, now: datetime) -> None:
        """The message and its entries must be in the tables already."""
        self._connection, self._message, self._quiet, self._now = connection, message, quiet, now
        self._outcomes: dict[tuple[str, str], list[Outcome]] = {}
        """By entry and school, those that are not written yet."""
        self._waiting: dict[tuple[str, str], dict[str, list[int]]] = {}
        """By entry and the language that it is told in, the numbers of each school."""
        self.languages: set[str] = set()
        """What the message is wanted in, besides its own; empty unless it is translated."""
        self._entries: dict[str, Entry] = {}
        self._counts: dict[tuple[str, str], dict[str, int]] = {}
        self._copying = AsyncExitStack()
        self._write: copying.Write | None = None
        """Copies rows, while a COPY is open."""
        self._open_until = 0.0

    async def __aenter__(self) -> "Writer":
        """Nothing is written yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no COPY open: the transaction is about to end."""
        await self._copying.__aexit__(kind, problem, trace)

    def add(self, entry: Entry, rows: Sequence[Sequence[Any]], decided: Mapping[int, Outcome]) -> None:
        """Add deliveries of an entry, whose rows are copied; those without an outcome join a batch."""
        self._entries[entry.entry_id] = entry
        entry_id = entry.entry_id
        waiting = self._waiting.setdefault((entry_id, ""), {})
        is_translated = self._message.is_translated
        for row in rows:
            number, school_id = row[_NUMBER], row[_SCHOOL]
            if is_translated:
                waiting = self._waiting_in(entry, row[_LANGUAGE])
            if outcome := decided.get(number):
                self._outcomes.setdefault((entry_id, school_id), []).append(outcome)
                self._count(entry_id, school_id, outcome.state, 1)
            elif school_id in waiting:
                waiting[school_id].append(number)
            else:
                waiting[school_id] = [number]

    def _waiting_in(self, entry: Entry, tag: str) -> dict[str, list[int]]:
        language = told_in(entry.channel, tag, self._message.language)
        if language:
            self.languages.add(language)
        return self._waiting.setdefault((entry.entry_id, language), {})

    async def copy(self, rows: Iterable[Sequence[Any]]) -> None:
        """Give PostgreSQL rows of `recipients`, and before them the outcomes that were added, once they are many."""
        if sum(map(len, self._outcomes.values())) >= _OUTCOMES_TOGETHER:
            await self.idle()
            await self._copy_outcomes()
        if self._write is None:
            self._write = await self._copying.enter_async_context(copying.copying_recipients(self._connection))
            self._open_until = time.monotonic() + _OPEN_SECONDS
        await self._write(rows)
        if time.monotonic() > self._open_until:
            await self.idle()

    async def idle(self) -> None:
        """Wait until PostgreSQL has what it was given."""
        self._write = None
        await self._copying.aclose()

    async def finish(
        self,
        entries: Iterable[Entry],
        state: State,
        waits_until: datetime | None = None,
        waiting: Collection[str] | None = None,
    ) -> None:
        """Write what is left, the batches in this state, held or pending, and the counters.

        `waits_until`: when those that wait for a translation leave without it; `waiting`: the languages for which they
        wait, None for all.
        """
        await self.idle()
        await self._copy_outcomes()
        batches = []
        # Of what is due at one time the first written goes first: what had to wait for its translation.
        for (entry_id, language), by_school in sorted(self._waiting.items(), key=lambda each: not each[0][1]):
            entry = self._entries[entry_id]
            size = batch_size(entry.channel)
            wait = waits_until if language and (waiting is None or language in waiting) else None
            for school_id, numbers in by_school.items():
                self._count(entry_id, school_id, state, len(numbers))
                parts = (numbers[start : start + size] for start in range(0, len(numbers), size))
                batches += [(*self._batch(entry, school_id, each, state, wait), language) for each in parts]
        if batches:
            await copying.copy_batches(self._connection, batches)
        await counts.insert(self._connection, self._counts, [each.entry_id for each in entries], self._now)

    def _count(self, entry_id: str, school_id: str, state: State, how_many: int) -> None:
        of_school = self._counts.setdefault((entry_id, school_id), {})
        of_school[COUNTED_AS[state]] = of_school.get(COUNTED_AS[state], 0) + how_many

    def _batch(
        self, entry: Entry, school_id: str, numbers: list[int], state: State, waits_until: datetime | None
    ) -> tuple[Any, ...]:
        due_at = self._quiet.leaves_at(entry.channel, school_id, self._message.send_at)
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
            max(due_at, waits_until or due_at),
            entry.expires_at,
            self._now,
        )

    async def _copy_outcomes(self) -> None:
        outcomes, self._outcomes = self._outcomes, {}
        every = [
            (entry_id, self._entries[entry_id].created_at, school_id, self._now, its_outcomes)
            for (entry_id, school_id), its_outcomes in outcomes.items()
        ]
        if every:
            await copying.copy_outcomes(self._connection, every)
