"""Calling again those whose call nobody took: the outcome of the call goes, a batch for the next call comes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.calling import pause_before_next
from services.queue.store import redials
from services.queue.store.outcomes import Standing

REDIAL_SECONDS = 300.0
"""Pause before the second round of calls."""


async def redial(
    connection: AsyncConnection, failed: Sequence[Standing], now: datetime, first_pause_seconds: float
) -> list[Standing]:
    """Queue the next call of deliveries whose call failed, all locked by this transaction; return those queued.

    The others were called often enough, or the next call would come too late, or their message was cancelled: for them
    the failure is final.
    """
    queued = []
    for standing, call in await redials.calls_of(connection, failed):
        pause = pause_before_next(call.destination, standing.attempt, call.lane, first_pause_seconds)
        if pause is None or now + pause >= call.expires_at or call.is_cancelled:
            continue
        await redials.queue_again(connection, standing, call, redials.shared_moment(now + pause, pause), now)
        queued.append(standing)
    return queued
