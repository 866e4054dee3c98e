"""Telling by NOTIFY, and hearing it: one connection a process, fanned out to whoever waits, within milliseconds.

What is told repeatedly while a subscriber is busy reaches it once. When the connection was lost something may have been
missed: subscribers hear of that, and read again what they follow.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.db import connect
from services.kit.outage import Outage

_IDS_PER_NOTICE = 200
"""PostgreSQL takes fewer than 8,000 bytes in a notice; an id has 36 and its comma."""


async def tell_listeners(connection: AsyncConnection, channel: str, ids: Sequence[str] = ("",)) -> None:
    """Tell whoever listens on the channel, at the commit, what changed; without ids, that something did."""
    for start in range(0, len(ids), _IDS_PER_NOTICE):
        payload = ",".join(ids[start : start + _IDS_PER_NOTICE])
        await connection.execute(sa.select(sa.func.pg_notify(channel, payload)))


class Subscription:
    """What one subscriber has not yet taken."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._is_gapped = False
        self._told = asyncio.Event()

    def tell(self, payload: str) -> None:
        """Add what was told."""
        self._ids.update(dict.fromkeys(payload.split(",")))
        self._told.set()

    def tell_gap(self) -> None:
        """Say that something may have been missed."""
        self._is_gapped = True
        self._told.set()

    async def take(self) -> tuple[list[str], bool]:
        """Wait, then return every id that was told once, and whether something may have been missed."""
        await self._told.wait()
        self._told.clear()
        taken, gapped = list(self._ids), self._is_gapped
        self._ids, self._is_gapped = {}, False
        return taken, gapped


class Listener:
    """Listens on some channels of one database. `run` it for as long as the process lives."""

    def __init__(self, engine: AsyncEngine, channels: Sequence[str]) -> None:
        """Take the engine whose database is meant; a connection of its own is made by run."""
        self._engine = engine
        self._channels = tuple(channels)
        self._subscriptions: dict[str, set[Subscription]] = defaultdict(set)
        self.is_listening = asyncio.Event()
        self._outage = Outage(part="listener")

    @contextmanager
    def subscribe(self, channel: str) -> Iterator[Subscription]:
        """Collect what is told on the channel inside the body; ValueError for a channel that is not listened on."""
        if channel not in self._channels:
            raise ValueError("the channel is not one of this listener's")
        subscription = Subscription()
        self._subscriptions[channel].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[channel].discard(subscription)

    async def run(self) -> None:
        """Listen until cancelled; a lost database is waited for."""
        while True:
            reason = "ended"
            try:
                await self._session()
            except (psycopg.Error, OSError) as problem:
                reason = type(problem).__name__
            self.is_listening.clear()
            await self._outage.wait(reason)

    async def _session(self) -> None:
        async with await connect(self._engine, "listener") as connection:
            for channel in self._channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            for subscriptions in self._subscriptions.values():
                for each in subscriptions:
                    each.tell_gap()
            self.is_listening.set()
            self._outage.over()
            async for notice in connection.notifies():
                for each in self._subscriptions[notice.channel]:
                    each.tell(notice.payload)
