"""Deliveries that are called again: what their call was, and the batch that holds the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import CALL_BATCH_SIZE, Channel, Lane
from services.queue.store.outcomes import Standing
from services.queue.translating import told_in

_CALLS = sa.text(
    "SELECT r.entry_id::text, r.number, r.destination, e.message_id::text, e.channel, e.expires_at, m.lane,"
    " m.cancelled_at IS NOT NULL, m.is_translated, r.language, m.language"
    " FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:numbers AS integer[])) AS k (entry_id, number)"
    " JOIN entries e ON e.entry_id = k.entry_id JOIN messages m ON m.message_id = e.message_id"
    " JOIN recipients r ON r.entry_id = k.entry_id AND r.number = k.number AND r.created_at = e.created_at"
    # A cancellation at the same time waits for us and finds the batch, or we wait and find the cancellation.
    " ORDER BY r.entry_id, r.number FOR SHARE OF m"
)
_FORGET = sa.text(
    "DELETE FROM outcomes WHERE entry_id = :entry_id AND number = :number AND created_at = :created_at"
    " AND state = 'handed_off'"
)
_KEEP = sa.text(
    "INSERT INTO redialled_calls (provider_message_id, redialled_at) VALUES (:provider_message_id, :now)"
    " ON CONFLICT DO NOTHING"
)
_JOIN = sa.text(
    "UPDATE batches SET changed_at = :now,"
    " numbers = (SELECT array_agg(n ORDER BY n) FROM unnest(numbers || CAST(:number AS integer)) AS n)"
    " WHERE batch_id = ("
    " SELECT batch_id FROM batches WHERE entry_id = :entry_id AND school_id = :school_id AND attempt = :attempt"
    " AND state = 'pending' AND due_at = :due_at AND translated_into = :translated_into"
    " AND cardinality(numbers) < :most LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING batch_id"
)
_ADD = sa.text(
    "INSERT INTO batches (entry_id, message_id, created_at, school_id, channel, lane, state, numbers, attempt, due_at,"
    " expires_at, changed_at, translated_into) VALUES (:entry_id, :message_id, :created_at, :school_id, :channel,"
    " :lane, 'pending', ARRAY[CAST(:number AS integer)], :attempt, :due_at, :expires_at, :now, :translated_into)"
)


@dataclass(frozen=True)
class Call:
    """What is needed to call again."""

    destination: str
    message_id: str
    channel: Channel
    expires_at: datetime
    lane: Lane
    is_cancelled: bool
    translated_into: str
    """Language of the call; empty: as it was written."""


async def calls_of(connection: AsyncConnection, failed: Sequence[Standing]) -> list[tuple[Standing, Call]]:
    """Return what the calls of these deliveries were; their messages cannot be cancelled until this one ends."""
    by_key = {(each.entry_id, each.number): each for each in failed}
    values = {"entry_ids": [entry_id for entry_id, _ in by_key], "numbers": [number for _, number in by_key]}
    rows = await connection.execute(_CALLS, values)
    return [(by_key[row[0], row[1]], _call(row)) for row in rows]


def _call(row: Any) -> Call:
    channel = Channel(row[4])
    language = told_in(channel, row[9], row[10]) if row[8] else ""
    return Call(row[2], row[3], channel, row[5], Lane(row[6]), row[7], language)


def shared_moment(due_at: datetime, pause: timedelta) -> datetime:
    """Return a moment at most a tenth of the pause later: calls of about the same time are queued as one batch."""
    grain = max(pause / 10, timedelta(milliseconds=1))
    start = datetime(2020, 1, 1, tzinfo=UTC)
    return start + -((start - due_at) // grain) * grain


async def queue_again(
    connection: AsyncConnection, standing: Standing, call: Call, due_at: datetime, now: datetime
) -> None:
    """Replace the outcome of a call by a place in a batch that is due then, as the next attempt.

    The provider's id of the call is kept: should the next call be lost, this one must not be taken for it.
    """
    values = {
        "entry_id": standing.entry_id,
        "number": standing.number,
        "created_at": standing.created_at,
        "school_id": standing.school_id,
        "message_id": call.message_id,
        "channel": call.channel.value,
        "lane": int(call.lane),
        "attempt": standing.attempt + 1,
        "due_at": due_at,
        "expires_at": call.expires_at,
        "now": now,
        "most": CALL_BATCH_SIZE,
        "translated_into": call.translated_into,
    }
    await connection.execute(_FORGET, values)
    if standing.provider_message_id:
        await connection.execute(_KEEP, {"provider_message_id": standing.provider_message_id, "now": now})
    if (await connection.execute(_JOIN, values)).scalar_one_or_none() is None:
        await connection.execute(_ADD, values)


async def forget_old(connection: AsyncConnection, before: datetime) -> None:
    """Delete the ids of calls that are too long ago to be taken for another."""
    await connection.execute(sa.text("DELETE FROM redialled_calls WHERE redialled_at < :before"), {"before": before})
