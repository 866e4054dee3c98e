"""A queue that was restored from a backup: what fell due since then may have left, and only the providers know."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_IN_QUESTION = sa.text(
    "UPDATE batches SET state = 'claimed', claim_id = gen_random_uuid(), claimed_at = coalesce(claimed_at, due_at),"
    " calling_at = coalesce(calling_at, due_at), lease_until = :now, begun = cardinality(numbers), changed_at = :now"
    " WHERE state = 'claimed' OR state = 'pending' AND due_at <= :now RETURNING cardinality(numbers)"
)


async def put_in_question(connection: AsyncConnection, now: datetime) -> int:
    """Treat what is due or claimed as claimed by somebody who died after every call; return how many deliveries.

    What waits for a verdict stays held: a claim would let it go unscreened.
    """
    return sum(row[0] for row in await connection.execute(_IN_QUESTION, {"now": now}))
