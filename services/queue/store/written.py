"""What students wrote and screening has decided about, newest first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.records import ROLE_STUDENT


class Place(NamedTuple):
    """Where a message stands: by when it was written, then by its id."""

    created_at: datetime
    message_id: str


@dataclass(frozen=True)
class Wanted:
    """Messages since a time, of senders of these schools ("*": of every one), older than the one at a place."""

    since: datetime
    schools: tuple[str, ...]
    before: Place | None = None
    """None: from the newest on."""


class Written(NamedTuple):
    """A message's texts."""

    message_id: str
    subject: str
    body: str
    language: str
    of_channels: list[str]
    """What each channel says, where it says anything of its own."""


async def place_of(connection: AsyncConnection, message_id: str) -> Place | None:
    """Return where a message stands; None when there is no such message."""
    query = sa.text("SELECT created_at, message_id::text FROM messages WHERE message_id = CAST(:message_id AS uuid)")
    row = (await connection.execute(query, {"message_id": message_id})).one_or_none()
    return Place(*row) if row else None


async def newest(connection: AsyncConnection, wanted: Wanted, most: int) -> list[Written]:
    """Return the next messages, newest first."""
    conditions, values = _conditions(wanted)
    # Each half has an index of its own, so neither reads more than it gives.
    halves = (
        "(SELECT message_id, created_at, subject, body, language FROM messages"
        f" WHERE screening = '{decided}' AND {conditions} ORDER BY created_at DESC, message_id DESC LIMIT :most)"
        for decided in ("released", "withheld")
    )
    query = sa.text(
        f"SELECT message_id::text, subject, body, language FROM ({' UNION ALL '.join(halves)}) decided"
        " ORDER BY created_at DESC, decided.message_id DESC LIMIT :most"
    )
    rows = (await connection.execute(query, {**values, "most": most})).all()
    of_channels = await _of_channels(connection, [row[0] for row in rows])
    return [Written(row[0], row[1], row[2], row[3], of_channels[row[0]]) for row in rows]


def _conditions(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    said = f"sender_role = {ROLE_STUDENT} AND NOT is_imported AND created_at >= :since"
    values: dict[str, Any] = {"since": wanted.since}
    if "*" not in wanted.schools:
        said += " AND sender_school_id = ANY(:schools)"
        values["schools"] = list(wanted.schools)
    if wanted.before:
        said += " AND (created_at, message_id) < (:created_at, CAST(:message_id AS uuid))"
        values |= wanted.before._asdict()
    return said, values


async def _of_channels(connection: AsyncConnection, message_ids: Sequence[str]) -> dict[str, list[str]]:
    query = sa.text(
        "SELECT message_id::text, text FROM entries WHERE message_id = ANY(CAST(:message_ids AS uuid[])) AND text <> ''"
        " ORDER BY message_id, position"
    )
    found: dict[str, list[str]] = defaultdict(list)
    for message_id, text in await connection.execute(query, {"message_ids": list(message_ids)}):
        found[message_id].append(text)
    return found
