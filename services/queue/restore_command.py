"""`restored`: what an operator runs once after restoring a backup, before anything is sent."""

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.clock import utc_now
from services.kit.config import load
from services.kit.db import create_engine, transaction
from services.queue import events_out, scheduling
from services.queue.actions import schedules
from services.queue.config import RestoredSettings
from services.queue.store import restored as store
from services.queue.store.schedules import first_due


def restored() -> int:
    """Put in question what may have left since the backup, print how much that is, and return the exit code 0."""
    deliveries, left_out = asyncio.run(_put_in_question(load(RestoredSettings).database_url.get_secret_value()))
    print(f"{deliveries} deliveries were due or under way: the providers are asked about each before it is sent.")
    print(f"{left_out} schedules had fallen due: nothing is sent of that, and their senders are told.")
    return 0


async def _put_in_question(url: str) -> tuple[int, int]:
    engine, now = create_engine(url, name="queue restored"), utc_now()
    try:
        async with transaction(engine) as connection:
            return await store.put_in_question(connection, now), await _leave_out(connection, now)
    finally:
        await engine.dispose()


async def _leave_out(connection: AsyncConnection, now: datetime) -> int:
    """Move the schedules on that fell due, and tell their senders; return how many.

    Sent once more it would be a new message, of which no provider can be asked.
    """
    how_many = 0
    while schedule := await first_due(connection, now):
        after, every = scheduling.after_restore(schedule, now)
        await schedules.settle(connection, schedule, after, every, now)
        if every:
            how_many += 1
            await events_out.tell_attention(connection, scheduling.not_sent(after, every[-1]))
    return how_many
