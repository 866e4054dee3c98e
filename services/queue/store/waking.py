"""Waking dispatchers: a commit elsewhere may have made a batch due."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "batches"
"""NOTIFY tells that a batch may have become due."""


async def wake(connection: AsyncConnection) -> None:
    """Tell it at the commit."""
    await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
