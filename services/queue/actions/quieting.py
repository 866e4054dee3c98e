"""Holding back what would leave in quiet hours, and keeping the hours as directory has them (statement 307)."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.db import transaction
from services.queue.actions.standing import KnownSchool
from services.queue.quiet import Quiet, waits
from services.queue.records import Message
from services.queue.store import batches, quiet
from services.queue.work import Batch


async def quiet_of(connection: AsyncConnection, message: Message) -> Quiet:
    """Return the quiet hours as they concern a message."""
    return Quiet(await quiet.every(connection), message.lane, message.sender.school_id)


async def holds_back(connection: AsyncConnection, batch: Batch, now: datetime) -> bool:
    """Give a batch back that was just claimed, until the quiet hours of its school end; False when it may leave.

    Batches are due after the quiet hours from the start. This is for those that came late: released by screening,
    tried or called again, behind a backlog; and for hours that were changed meanwhile.
    """
    if not waits(batch.channel, batch.lane):
        return False
    until = batch.quiet.end(now) if batch.quiet else now
    if until == now:
        return False
    await batches.give_back(connection, batch, until, now)
    return True


async def keep_hours(engine: AsyncEngine, schools: Mapping[str, KnownSchool]) -> None:
    """Keep the quiet hours that directory told, where they changed."""
    wanted = {school_id: each.quiet for school_id, each in schools.items() if each.quiet}
    async with transaction(engine) as connection:
        if await quiet.every(connection) != wanted:
            await quiet.replace(connection, wanted)
