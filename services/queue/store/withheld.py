"""What screening stopped, batch by batch: put back whole, let go, or taken away, when a reviewer decides (303)."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import batch_size
from services.queue.records import Entry, Message
from services.queue.store import messages

_GATHER = sa.text(
    "WITH gone AS (DELETE FROM outcomes WHERE entry_id = :entry_id AND created_at = :created_at AND state = 'withheld'"
    " RETURNING school_id, attempt, number), worded AS (SELECT g.*, coalesce(t.language, '') AS language FROM gone g"
    " JOIN recipients r ON r.entry_id = :entry_id AND r.created_at = :created_at AND r.number = g.number"
    " LEFT JOIN translations t ON t.message_id = :message_id AND t.language = r.language), placed AS (SELECT *,"
    " (row_number() OVER (PARTITION BY school_id, language, attempt ORDER BY number) - 1) / :size AS part FROM worded)"
    " INSERT INTO batches (entry_id, message_id, created_at, school_id, channel, lane, state, numbers, attempt, due_at,"
    " expires_at, changed_at, translated_into) SELECT CAST(:entry_id AS uuid), CAST(:message_id AS uuid), :created_at,"
    " school_id, :channel, :lane, 'withheld', array_agg(number ORDER BY number), greatest(attempt, 1), :now,"
    " :expires_at, :now, language FROM placed GROUP BY school_id, language, attempt, part"
)
_RELEASE = sa.text(
    "UPDATE batches SET state = 'pending', due_at = greatest(due_at, :now), waits_since = NULL,"
    " expires_at = :expires_at, changed_at = :now"
    " WHERE entry_id = :entry_id AND state = 'withheld'"
    " AND (:only_school_id = '' OR school_id IN ('', :only_school_id))"
    " RETURNING school_id, cardinality(numbers)"
)
_REMOVE = sa.text(
    "DELETE FROM batches WHERE entry_id = :entry_id AND state = 'withheld' RETURNING school_id, attempt, numbers"
)


async def gather(connection: AsyncConnection, message: Message, entry: Entry, now: datetime) -> None:
    """Make batches again of deliveries that came back from a dispatcher after their message was withheld.

    Nothing of them was handed over, so that they keep their attempt. They stand withheld before and after.
    """
    values = {
        "entry_id": entry.entry_id,
        "message_id": message.message_id,
        "created_at": entry.created_at,
        "channel": entry.channel.value,
        "lane": int(message.lane),
        "size": batch_size(entry.channel),
        "expires_at": entry.expires_at,
        "now": now,
    }
    await connection.execute(_GATHER, values)


async def release(
    connection: AsyncConnection, entry: Entry, expires_at: datetime, now: datetime, only_school_id: str = ""
) -> list[tuple[str, int]]:
    """Let an entry's withheld batches go, with a new deadline; return school and how many recipients.

    `only_school_id` leaves those of all other schools as they are.
    """
    values = {"entry_id": entry.entry_id, "expires_at": expires_at, "now": now}
    rows = await connection.execute(_RELEASE, {**values, "only_school_id": only_school_id})
    await messages.renew(connection, entry.entry_id, expires_at)
    return [(row[0], int(row[1])) for row in rows]


async def remove(connection: AsyncConnection, entry: Entry) -> list[tuple[str, int, Sequence[int]]]:
    """Delete what an entry has withheld; return school, attempt and numbers of each batch."""
    rows = await connection.execute(_REMOVE, {"entry_id": entry.entry_id})
    return [(row[0], int(row[1]), row[2]) for row in rows]
