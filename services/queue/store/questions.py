"""Questions to moderation that wait for their first verdict, whole, so that they can be asked again."""

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_KEEP = sa.text(
    "INSERT INTO screening_questions (message_id, language, event_id, payload, ask_at)"
    " VALUES (:message_id, :language, :event_id, :payload, :ask_at) ON CONFLICT (message_id, language) DO UPDATE"
    " SET event_id = :event_id, payload = :payload, ask_at = :ask_at, tries = 0"
)
_ANSWERED = sa.text("DELETE FROM screening_questions WHERE message_id = :message_id AND language = :language")
_FORGET = sa.text("DELETE FROM screening_questions WHERE message_id = :message_id")
_FORGET_DECIDED = sa.text(
    "DELETE FROM screening_questions q USING messages m WHERE q.ask_at <= :now AND m.message_id = q.message_id"
    " AND m.screening <> 'waiting'"
)
# Each pause is twice the one before: tries counts those that are over.
_PUT_OFF = sa.text(
    "UPDATE screening_questions q SET tries = q.tries + 1,"
    " ask_at = :now + least(CAST(:first AS interval) * (2 ^ least(q.tries + 1, 16)), CAST(:longest AS interval))"
    " FROM (SELECT message_id, language FROM screening_questions WHERE ask_at <= :now"
    " ORDER BY ask_at LIMIT :most FOR UPDATE SKIP LOCKED) due"
    " WHERE q.message_id = due.message_id AND q.language = due.language RETURNING q.payload"
)


class Question(NamedTuple):
    """A question as it was asked."""

    message_id: str
    language: str
    """Of the translation that it is about; empty: it is about what the student wrote."""
    event_id: str
    payload: bytes
    """Wire form of the ScreeningRequested."""


async def keep(connection: AsyncConnection, question: Question, ask_at: datetime) -> None:
    """Keep a question, to be asked again at that time."""
    await connection.execute(_KEEP, {**question._asdict(), "ask_at": ask_at})


async def answered(connection: AsyncConnection, message_id: str, language: str) -> None:
    """Forget a question: it has its verdict."""
    await connection.execute(_ANSWERED, {"message_id": message_id, "language": language})


async def forget(connection: AsyncConnection, message_id: str) -> None:
    """Forget all questions about a message: it is decided."""
    await connection.execute(_FORGET, {"message_id": message_id})


async def forget_decided(connection: AsyncConnection, now: datetime) -> None:
    """Forget questions whose time has come about messages that wait for no verdict."""
    await connection.execute(_FORGET_DECIDED, {"now": now})


async def put_off_overdue(
    connection: AsyncConnection, now: datetime, pauses: tuple[timedelta, timedelta], most: int
) -> list[bytes]:
    """Return the questions whose time has come, and set their next one; `pauses` are the first and the longest."""
    first, longest = pauses
    values = {"now": now, "first": first, "longest": longest, "most": most}
    return [bytes(each) for each in (await connection.execute(_PUT_OFF, values)).scalars()]
