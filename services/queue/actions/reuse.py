"""Keys that were used for something else: who retries is told for what, as far as that was scheduled."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import AlreadyExists
from services.queue.store import schedules


async def reused(connection: AsyncConnection, result_id: str) -> AlreadyExists:
    """Return the refusal of a key; `schedule_id` says what it made when that was a schedule, and no message."""
    found = await schedules.find(connection, result_id)
    made = {"schedule_id": found.schedule_id} if found else {}
    return AlreadyExists("IDEMPOTENCY_KEY_REUSED", "This idempotency key was used for something else.", metadata=made)
