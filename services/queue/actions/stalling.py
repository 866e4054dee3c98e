"""Messages of students that wait too long for their verdict: somebody is told, whatever the cause (statement 167).

The vendor may be out, moderation or NATS may be down, or a request may lie among the dead letters: in each case the
message stays held here, where that is seen. What moderation was asked is asked again after some time, for NATS may have
lost the question or the answer (questions.py).
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.queue import events_out, metrics, questions
from services.queue.store import stalls

AGAIN_AFTER = timedelta(hours=4)
"""While it lasts, people are told again after this long."""
_log = get_logger(__name__)


async def watch_screening(engine: AsyncEngine, clock: Clock, after_seconds: float) -> int:
    """Measure what waits for screening, and tell when the oldest waits too long; return how many wait."""
    now = clock()
    async with transaction(engine) as connection:
        how_many, oldest_at = await stalls.waiting(connection)
        age = now - oldest_at if oldest_at else timedelta()
        is_told = False
        if oldest_at and age >= timedelta(seconds=after_seconds):
            is_told = await stalls.begin(connection, now, now - AGAIN_AFTER)
            if is_told:
                await events_out.tell_stalled(connection, how_many, oldest_at)
        else:
            await stalls.end(connection)
    metrics.screening_age.set(max(0.0, age.total_seconds()))
    if is_told:
        _log.error("screening_stalled", messages=how_many, age_seconds=round(age.total_seconds()))
    return how_many


async def ask_again(engine: AsyncEngine, clock: Clock) -> bool:
    """Ask moderation once more what it has not answered for long; tell whether there may be more to ask."""
    async with transaction(engine) as connection:
        asked = await questions.ask_overdue(connection, clock())
    if asked:
        _log.warning("screening_asked_again", questions=asked)
    return asked == questions.MOST_AT_ONCE
