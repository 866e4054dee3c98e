"""Recordings: who uploaded what, when it was last sent, whether its audio is still kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.tables import recordings

_COLUMNS = "recording_id::text, owner_id, content_type, size_bytes, duration_seconds, created_at"
_USE = sa.text(
    # A use that is planned for later is not taken back by one before it.
    "UPDATE recordings SET used_at = greatest(used_at, :sent_at)"
    " WHERE recording_id = :recording_id AND owner_id = ANY(:owners)"
    " AND stored_at IS NOT NULL AND removing_at IS NULL RETURNING recording_id"
)
_TAKE_OLD = sa.text(
    "UPDATE recordings SET removing_at = :now WHERE recording_id IN ("
    " SELECT recording_id FROM recordings WHERE removed_at IS NULL AND (removing_at IS NOT NULL"
    # Each use changes the row, so that a use that commits meanwhile is seen here.
    " OR (used_at IS NULL AND created_at < :unused_before) OR used_at < :used_before)"
    " AND (removing_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM schedules WHERE state IN ('active', 'paused')"
    " AND schedules.recording_id = recordings.recording_id))"
    " AND (removing_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM batches b JOIN entries e ON e.entry_id = b.entry_id"
    " WHERE b.channel = 'recorded' AND b.expires_at > :now AND e.recording_id = recordings.recording_id))"
    # What could not be removed goes behind what was not tried yet.
    " ORDER BY removing_at NULLS FIRST, created_at LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING recording_id::text"
)


@dataclass(frozen=True)
class Recording:
    """A recording as it was uploaded."""

    recording_id: str
    owner_id: str
    content_type: str
    size_bytes: int
    duration_seconds: float
    created_at: datetime


async def insert(connection: AsyncConnection, recording: Recording) -> None:
    """Write a recording whose audio is not stored yet."""
    await connection.execute(sa.insert(recordings).values(**recording.__dict__))


async def mark_stored(connection: AsyncConnection, recording_id: str, now: datetime) -> None:
    """Record that the audio is stored whole."""
    await _note(connection, recording_id, "stored_at", now)


async def mark_removed(connection: AsyncConnection, recording_id: str, now: datetime) -> None:
    """Record that the audio is gone."""
    await _note(connection, recording_id, "removed_at", now)


async def find(connection: AsyncConnection, recording_id: str) -> Recording | None:
    """Return a recording whose audio is kept."""
    query = sa.text(
        f"SELECT {_COLUMNS} FROM recordings WHERE recording_id = :recording_id"
        " AND stored_at IS NOT NULL AND removing_at IS NULL"
    )
    row = (await connection.execute(query, {"recording_id": recording_id})).one_or_none()
    return Recording(*row) if row else None


async def use(connection: AsyncConnection, recording_id: str, owners: list[str], sent_at: datetime) -> bool:
    """Note that one of the owner's recordings is sent then; False when there is none that is kept."""
    values: dict[str, Any] = {"recording_id": recording_id, "owners": owners, "sent_at": sent_at}
    return (await connection.execute(_USE, values)).scalar_one_or_none() is not None


async def use_again(connection: AsyncConnection, recording_id: str, now: datetime) -> bool:
    """Note that a recording is sent again, by whoever may resend its message; False when it is no longer kept."""
    statement = sa.text(
        "UPDATE recordings SET used_at = greatest(used_at, :now)"
        " WHERE recording_id = :recording_id AND removing_at IS NULL RETURNING recording_id"
    )
    values = {"recording_id": recording_id, "now": now}
    return (await connection.execute(statement, values)).scalar_one_or_none() is not None


async def count_unused(connection: AsyncConnection, owner_id: str) -> int:
    """Return how many recordings somebody uploaded and never sent."""
    table = recordings.c
    conditions = (table.owner_id == owner_id, table.used_at.is_(None), table.removed_at.is_(None))
    query = sa.select(sa.func.count()).select_from(recordings).where(*conditions)
    return int((await connection.execute(query)).scalar_one())


async def take_old(
    connection: AsyncConnection, now: datetime, unused_before: datetime, used_before: datetime, limit: int
) -> list[str]:
    """Mark recordings whose audio goes: never sent since, or last sent before; those begun earlier are among them.

    What a schedule or a call that waits still plays is kept.
    """
    values = {"now": now, "unused_before": unused_before, "used_before": used_before, "limit": limit}
    return list((await connection.execute(_TAKE_OLD, values)).scalars())


async def _note(connection: AsyncConnection, recording_id: str, column: str, now: datetime) -> None:
    change = sa.update(recordings).where(recordings.c.recording_id == recording_id).values({column: now})
    await connection.execute(change)
