"""`restored`: what an operator runs once after restoring a backup, before anything is sent."""

import asyncio

from services.kit.clock import utc_now
from services.kit.config import load
from services.kit.db import create_engine, transaction
from services.queue.config import RestoredSettings
from services.queue.store import restored as store


def restored() -> int:
    """Put in question what may have left since the backup, print how much that is, and return the exit code 0."""
    deliveries = asyncio.run(_put_in_question(load(RestoredSettings).database_url.get_secret_value()))
    print(f"{deliveries} deliveries were due or under way: the providers are asked about each before it is sent.")
    return 0


async def _put_in_question(url: str) -> int:
    engine = create_engine(url, name="queue restored")
    try:
        async with transaction(engine) as connection:
            return await store.put_in_question(connection, utc_now())
    finally:
        await engine.dispose()
