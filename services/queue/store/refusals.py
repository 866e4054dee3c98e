"""Destinations that may not be written to: suppressed, or their owners want no such messages; asked for together."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel
from services.queue.message_types import MessageType

_STOPPED = "stopped"
"""Stands for a reason where consent is missing."""
_HAS_STOPPED = "c.channel = :channel AND (c.is_stopped OR CAST(:message_type AS text) = ANY(c.stopped_types))"
# Many texts of one parameter, one a line: an array of them takes twice as long to write and to read. One that has line
# breaks itself becomes several, which matters to nobody who looks results up by the whole text.
_AMONG = sa.text(
    "WITH given AS MATERIALIZED (SELECT line FROM string_to_table(:lines, chr(10)) AS given (line))"
    " SELECT s.destination, s.reason FROM given"
    " JOIN suppressions s ON s.channel = :channel AND s.destination = given.line"
    f" UNION ALL SELECT c.destination, '{_STOPPED}' FROM given"
    f" JOIN consent c ON c.destination = given.line AND {_HAS_STOPPED} WHERE :asks_consent"
)
_EVERY = sa.text(
    "(SELECT destination, reason FROM suppressions WHERE channel = :channel LIMIT :most)"
    f" UNION ALL (SELECT destination, '{_STOPPED}' FROM consent c WHERE {_HAS_STOPPED} AND :asks_consent LIMIT :most)"
)
Refused = tuple[dict[str, str], set[str]]
"""Suppressed destinations with the reason, and those whose owners want no messages of the type."""


async def among(
    connection: AsyncConnection,
    channel: Channel,
    message_type: MessageType,
    destinations: Iterable[str],
    *,
    asks_consent: bool = True,
) -> Refused:
    """Return what is refused among the destinations."""
    values = _values(channel, message_type, asks_consent=asks_consent) | {"lines": "\n".join(destinations)}
    return _sorted((await connection.execute(_AMONG, values)).all())


async def every(
    connection: AsyncConnection, channel: Channel, message_type: MessageType, most: int, *, asks_consent: bool = True
) -> Refused | None:
    """Return all that is refused in a channel; None when that is `most` destinations or more."""
    values = _values(channel, message_type, asks_consent=asks_consent) | {"most": most}
    rows = (await connection.execute(_EVERY, values)).all()
    return _sorted(rows) if len(rows) < most else None


def _values(channel: Channel, message_type: MessageType, *, asks_consent: bool) -> dict[str, object]:
    return {"channel": channel.value, "message_type": message_type.value, "asks_consent": asks_consent}


def _sorted(rows: Iterable[Any]) -> Refused:
    suppressed: dict[str, str] = {}
    stopped: set[str] = set()
    for destination, reason in rows:
        if reason == _STOPPED:
            stopped.add(destination)
        else:
            suppressed[destination] = reason
    return suppressed, stopped
