"""The relay: publishes the outbox's rows in order and deletes them once NATS has them.

Every process that writes events runs one; a PostgreSQL advisory lock lets one of them lead, so that order holds, and
the next takes over when its connection ends. A commit wakes the relay of its own process; if that one does not lead it
passes the wake on by NOTIFY, in a transaction of its own because NOTIFY inside theirs would line up the commits. A
slow poll catches whatever is missed.

A batch is under way all at once, and each event names the one that must be the stream's last before it: when one is
lost, NATS refuses those behind it. After that, and at the start, events go one by one until a whole batch has gone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString

import psycopg
from nats.js.api import Header
from opentelemetry import propagate
from psycopg.rows import TupleRow
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.bus import Bus, BusError
from services.kit.clock import utc_now
from services.kit.db import TAKES_CHANGES, connect, on_events_committed
from services.kit.outage import Outage
from services.kit.telemetry import meter

_published = meter(__name__).create_counter("lantern.outbox.published", "{event}", "Events that left the outbox.")
_lag = meter(__name__).create_histogram("lantern.outbox.lag", "s", "From an event's commit to its publication.")
_age = meter(__name__).create_gauge(
    "lantern.outbox.age",
    "s",
    "Age of the oldest event that waits in the outbox for others or for NATS; 0 when none does.",
)

_LOCK = 7_013_402_119
_CHANNEL: LiteralString = "outbox"
_BATCH_ROWS = 500
_POLL_SECONDS = 1.0
_FULL_SCAN_SECONDS = 30.0
_SETTLED_SECONDS = 60.0
_KEEP_CONSUMED = timedelta(days=14)
_SELECT: LiteralString = (
    "SELECT id, event_id::text, subject, payload, traceparent, created_at"
    " FROM outbox WHERE id > %s ORDER BY id LIMIT %s"
)


class Relay:
    """Publishes one database's outbox. `run` it for as long as the process lives."""

    def __init__(self, engine: AsyncEngine, bus: Bus) -> None:
        """Take the engine whose transactions add events, and the bus that they go to."""
        self._engine, self._bus = engine, bus
        self._woken = asyncio.Event()
        self._outage = Outage(part="outbox relay")
        self._is_careful = True
        # Rows at or below the floor were published long ago. Scanning above it skips their dead index entries, of which
        # a long-held snapshot (an export) may keep very many; a full scan now and then finds a row that committed late.
        self._floor = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._next_full_scan = 0.0
        self._next_forget = 0.0
        on_events_committed(engine, self._woken.set)

    async def run(self) -> None:
        """Publish until cancelled; a lost database or bus is waited for."""
        while True:
            try:
                await self._session()
            except (psycopg.Error, OSError, BusError) as problem:
                await self._outage.wait(type(problem).__name__)

    async def _session(self) -> None:
        async with await connect(self._engine, "outbox relay") as connection:
            # What cannot be deleted would be published again and again.
            await connection.execute(TAKES_CHANGES)
            while not await self._leads(connection):
                # Whoever leads tells of what waits.
                _age.set(0)
                await self._stand_by(connection)
            self._floor, self._next_full_scan, self._is_careful = 0, 0.0, True
            await connection.execute(f"LISTEN {_CHANNEL}")
            while True:
                self._woken.clear()
                while await self._publish_batch(connection) == _BATCH_ROWS:
                    pass
                await self._forget(connection)
                await self._wait(connection)

    async def _leads(self, connection: psycopg.AsyncConnection[TupleRow]) -> bool:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
        return bool(row and row[0])

    async def _stand_by(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        until = time.monotonic() + _POLL_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                return
            self._woken.clear()
            await connection.execute(f"NOTIFY {_CHANNEL}")

    async def _wait(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        """Return when a transaction has added events, here or elsewhere, or after the poll's time."""
        loop, descriptor = asyncio.get_running_loop(), connection.fileno()
        # A readable socket while no query runs means a notification, or that the server has gone: both need a look.
        loop.add_reader(descriptor, self._woken.set)
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(descriptor)

    async def _publish_batch(self, connection: psycopg.AsyncConnection[TupleRow]) -> int:
        rows = await (await connection.execute(_SELECT, (self._from(), _BATCH_ROWS))).fetchall()
        if not rows:
            _age.set(0)
            self._outage.over()
            return 0
        done, problem = await (self._one_by_one(rows) if self._is_careful else self._all_at_once(rows))
        self._is_careful = problem is not None
        await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (done,))
        self._note(done)
        if problem:
            _age.set(_seconds_since(next(row[5] for row in rows if row[0] not in done)))
            raise problem
        # Behind a full batch more wait.
        _age.set(_seconds_since(rows[0][5]) if len(rows) == _BATCH_ROWS else 0)
        self._outage.over()
        return len(rows)

    async def _one_by_one(self, rows: Sequence[TupleRow]) -> tuple[list[int], BusError | None]:
        done: list[int] = []
        for row in rows:
            if problem := await self._publish(row):
                return done, problem
            done.append(row[0])
        return done, None

    async def _all_at_once(self, rows: Sequence[TupleRow]) -> tuple[list[int], BusError | None]:
        before = [None, *(row[1] for row in rows[:-1])]
        problems = await asyncio.gather(*map(self._publish, rows, before))
        done = [row[0] for row, problem in zip(rows, problems, strict=True) if not problem]
        return done, next(filter(None, problems), None)

    async def _publish(self, row: TupleRow, last: str | None = None) -> BusError | None:
        """Return what went wrong, if anything did. `last` is the event that the stream has to end with."""
        _, event_id, subject, payload, traceparent, created_at = row
        headers = {"traceparent": traceparent} if traceparent else {}
        expected = {Header.EXPECTED_LAST_MSG_ID.value: last} if last else {}
        try:
            await self._bus.publish(subject, payload, event_id, {**headers, **expected})
        except BusError as problem:
            return problem
        _published.add(1, {"messaging.destination.name": subject})
        _lag.record(_seconds_since(created_at), context=propagate.extract(headers))
        return None

    def _from(self) -> int:
        now = time.monotonic()
        if now >= self._next_full_scan:
            self._next_full_scan = now + _FULL_SCAN_SECONDS
            return 0
        while self._marks and self._marks[0][0] < now - _SETTLED_SECONDS:
            self._floor = max(self._floor, self._marks.popleft()[1])
        return self._floor

    def _note(self, done: list[int]) -> None:
        now = time.monotonic()
        if done and not (self._marks and self._marks[-1][0] > now - 1.0):
            self._marks.append((now, done[-1]))

    async def _forget(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        """Once an hour, drop the record of events that NATS no longer holds."""
        if time.monotonic() < self._next_forget:
            return
        self._next_forget = time.monotonic() + 3600
        exists = await (await connection.execute("SELECT to_regclass('consumed_events') IS NOT NULL")).fetchone()
        if exists and exists[0]:
            await connection.execute(
                "DELETE FROM consumed_events WHERE consumed_at < %s", (utc_now() - _KEEP_CONSUMED,)
            )


def _seconds_since(moment: datetime) -> float:
    return max(0.0, (utc_now() - moment).total_seconds())
