"""Keeping requests that wait for the provider from other replicas for as long as one is at work on them."""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.moderation import store

LEASE = timedelta(seconds=30)
_log = get_logger(__name__)


@asynccontextmanager
async def extended(engine: AsyncEngine, clock: Clock, leased: Set[str], until: datetime) -> AsyncIterator[None]:
    """Extend the lease of these requests, which ends then, again and again, however slow the vendor is.

    The set may lose requests meanwhile; those that were put off or taken since are left as they are.
    """
    extending = asyncio.create_task(_extend(engine, clock, leased, until))
    try:
        yield
    finally:
        extending.cancel()
        await asyncio.wait([extending])


async def _extend(engine: AsyncEngine, clock: Clock, leased: Set[str], until: datetime) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / 3)
        longer = clock() + LEASE
        try:
            async with transaction(engine) as connection:
                await store.extend_leases(connection, sorted(leased), until, longer)
        except Exception as problem:  # noqa: BLE001  nobody awaits it: whatever fails is logged, and tried again
            _log.warning("lease_not_extended", exc_info=problem)
        else:
            until = longer
