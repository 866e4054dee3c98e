"""Messages, entries and idempotency keys."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel, Lane, Screening, Source
from services.queue.message_types import MessageType
from services.queue.records import Entry, Message, Sender, Snapshot
from services.queue.store import counts, surveys
from services.queue.tables import entries, idempotency_keys, messages

_PLAIN = [each.name for each in fields(Message) if each.name != "sender"]
_SENDER = [each.name for each in fields(Sender)]


async def remember_key(
    connection: AsyncConnection, caller: str, key: str, header_hash: bytes, result_id: str, now: datetime
) -> tuple[bytes, str] | None:
    """Take the key for this caller; return the earlier hash and result when it was taken already.

    Waits for another transaction that is taking the same key.
    """
    taken = insert(idempotency_keys).values(
        caller=caller, key=key, header_hash=header_hash, result_id=result_id, created_at=now
    )
    result = await connection.execute(taken.on_conflict_do_nothing().returning(idempotency_keys.c.key))
    if result.scalar_one_or_none() is not None:
        return None
    return await find_key(connection, caller, key)


async def find_key(connection: AsyncConnection, caller: str, key: str) -> tuple[bytes, str] | None:
    """Return the hash and the result of a key that was used."""
    table = idempotency_keys
    query = sa.select(table.c.header_hash, table.c.result_id).where(table.c.caller == caller, table.c.key == key)
    row = (await connection.execute(query)).one_or_none()
    return (bytes(row[0]), row[1]) if row else None


async def insert_messages(connection: AsyncConnection, every: Iterable[Message]) -> None:
    """Write messages."""
    await connection.execute(sa.insert(messages), [_message_row(each) for each in every])


async def insert_entries(connection: AsyncConnection, every: Iterable[Entry]) -> None:
    """Write entries."""
    names = [each.name for each in fields(Entry)]
    await connection.execute(sa.insert(entries), [{name: getattr(each, name) for name in names} for each in every])


async def describe_recipients(connection: AsyncConnection, message: Message) -> None:
    """Write what only the whole list of recipients could tell, on a message of this same transaction."""
    names = ("recipient_type", "regarding", "regarding_count", "only_recipient_name")
    values = {name: getattr(message, name) for name in names}
    await connection.execute(sa.update(messages).where(messages.c.message_id == message.message_id).values(values))


async def find(connection: AsyncConnection, message_id: str, *, lock: bool = False) -> Message | None:
    """Return a message; with `lock`, no other transaction decides about it until this one ends."""
    query = sa.select(messages).where(messages.c.message_id == message_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return _message(row) if row else None


async def find_entry(connection: AsyncConnection, entry_id: str) -> tuple[Entry, Message] | None:
    """Return an entry and its message."""
    row = (await connection.execute(sa.select(entries).where(entries.c.entry_id == entry_id))).mappings().one_or_none()
    if row is None:
        return None
    message = await find(connection, row["message_id"])
    return (_entry(row), message) if message else None


async def entries_of(connection: AsyncConnection, message_id: str) -> list[Entry]:
    """Return the entries of a message, in the order of its channels."""
    query = sa.select(entries).where(entries.c.message_id == message_id).order_by(entries.c.position)
    return [_entry(row) for row in (await connection.execute(query)).mappings()]


async def renew(connection: AsyncConnection, entry_id: str, expires_at: datetime) -> None:
    """Give an entry a new deadline; its batches have their own."""
    change = sa.update(entries).where(entries.c.entry_id == entry_id)
    await connection.execute(change.values(expires_at=expires_at))


async def snapshot(connection: AsyncConnection, message: Message) -> Snapshot:
    """Return the message with its entries and their counts as they stand."""
    its_entries = await entries_of(connection, message.message_id)
    its_counts = await counts.read(connection, [each.entry_id for each in its_entries])
    is_asking = any(each.survey_id for each in its_entries)
    asked = await surveys.of_message(connection, message.message_id) if is_asking else None
    return Snapshot(message, its_entries, its_counts, asked)


async def decide(
    connection: AsyncConnection, message_id: str, screening: Screening, verdict: bytes, now: datetime
) -> None:
    """Record what screening said."""
    await connection.execute(
        sa.update(messages)
        .where(messages.c.message_id == message_id)
        .values(screening=screening.value, verdict=verdict, decided_at=now)
    )


async def release_after_review(connection: AsyncConnection, message_id: str, now: datetime) -> None:
    """Record that a reviewer let go what screening had withheld; the verdict stays with it."""
    change = sa.update(messages).where(messages.c.message_id == message_id)
    await connection.execute(change.values(screening=Screening.RELEASED.value, review_released_at=now))


async def mark_cancelled(connection: AsyncConnection, message_id: str, now: datetime) -> None:
    """Record that staff stopped what had not left."""
    await connection.execute(sa.update(messages).where(messages.c.message_id == message_id).values(cancelled_at=now))


async def ensure_months(connection: AsyncConnection, moments: Iterable[datetime]) -> None:
    """Make the partitions for messages of these times, where they are missing."""
    months = {moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for moment in moments}
    for month in sorted(months):
        await connection.execute(sa.text("SELECT queue_ensure_month(:month)"), {"month": month})


async def recipient_names(connection: AsyncConnection, entry: Entry, limit: int) -> list[str]:
    """Return names of an entry's recipients, in order."""
    query = sa.text(
        "SELECT name FROM recipients WHERE entry_id = :entry_id AND created_at = :created_at ORDER BY number"
        " LIMIT :limit"
    )
    values = {"entry_id": entry.entry_id, "created_at": entry.created_at, "limit": limit}
    return list((await connection.execute(query, values)).scalars())


async def recipient_keys(connection: AsyncConnection, entry: Entry, limit: int) -> list[str]:
    """Return what identifies an entry's recipients, their person or destination, in order."""
    query = sa.text(
        "SELECT coalesce(nullif(person_id, ''), destination) FROM recipients"
        " WHERE entry_id = :entry_id AND created_at = :created_at ORDER BY number LIMIT :limit"
    )
    values = {"entry_id": entry.entry_id, "created_at": entry.created_at, "limit": limit}
    return list((await connection.execute(query, values)).scalars())


def _message_row(message: Message) -> dict[str, Any]:
    row = {name: getattr(message, name) for name in _PLAIN}
    row |= {f"sender_{name}" if name != "person_id" else "sender_id": getattr(message.sender, name) for name in _SENDER}
    row |= {"source": message.source.value, "screening": message.screening.value, "lane": int(message.lane)}
    return row


def _message(row: Any) -> Message:
    values = {name: row[name] for name in _PLAIN}
    values |= {"source": Source(row["source"]), "screening": Screening(row["screening"]), "lane": Lane(row["lane"])}
    verdict, regarding = row["verdict"], row["regarding"]
    values["verdict"] = None if verdict is None else bytes(verdict)
    values["regarding"] = json.loads(regarding) if isinstance(regarding, str) else regarding
    sender = Sender(
        row["sender_id"], row["sender_name"], row["sender_role"], row["sender_school_id"], row["sender_grade"]
    )
    return Message(sender=sender, **values)


def _entry(row: Any) -> Entry:
    return Entry(**{**dict(row), "channel": Channel(row["channel"]), "message_type": MessageType(row["message_type"])})


def known(every: Sequence[Channel]) -> list[str]:
    """Return channel names as the tables hold them."""
    return [each.value for each in every]
