"""Asking moderation: for the first verdict on a message or a translation, and for another one on what was delivered.

A question that waits for its first verdict is kept until that comes, and asked again now and then: moderation gives
each question one verdict, however often it comes, and tells that again. So nothing waits for ever for what was lost.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from protos.events.v1 import queue_pb2 as events
from services.kit.outbox import add_event, add_events
from services.queue.events_out import RESCREENING_REQUESTED, SCREENING_REQUESTED
from services.queue.records import Entry, Message
from services.queue.store import questions as store

FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=4)
"""A question without an answer is asked again after the first pause, then ever later, at last after the longest."""
MOST_AT_ONCE = 500


async def ask_for_screening(
    connection: AsyncConnection, message: Message, entries: Sequence[Entry], recipients: Sequence[str], now: datetime
) -> None:
    """Ask moderation for a verdict. `recipients` are what identifies them; only a digest of it leaves."""
    event = _question(message, entries, now)
    event.conversation_key = _pseudonym(message.sender.person_id, *sorted(recipients))
    await _ask(connection, event, now)


async def ask_again(
    connection: AsyncConnection, message: Message, entries: Sequence[Entry], rescreening_id: str, now: datetime
) -> None:
    """Ask moderation for another verdict on what was delivered, behind everything that waits for its first."""
    event = _question(message, entries, now)
    event.rescreening_id = rescreening_id
    await add_event(connection, RESCREENING_REQUESTED, event)


async def ask_about_translation(
    connection: AsyncConnection,
    message: Message,
    language: str,
    texts: Sequence[str],
    now: datetime,
    rescreening_id: str = "",
) -> None:
    """Ask moderation for a verdict on what is read in a language; for itself, and counted to nobody.

    `rescreening_id` names the period that is judged again; empty: it is the first verdict.
    """
    event = _question(message, [], now)
    del event.texts[:]
    event.texts.extend(texts)
    event.author_key, event.language, event.translated_into = "", language, language
    event.rescreening_id = rescreening_id
    if rescreening_id:
        await add_event(connection, RESCREENING_REQUESTED, event)
    else:
        await _ask(connection, event, now)


def texts_to_read(subject: str, body: str, of_channels: Iterable[str]) -> list[str]:
    """Return what is read of a message: subject and body, and once what each channel says of its own."""
    own = dict.fromkeys(each for each in of_channels if each and each not in (subject, body))
    return [subject, body, *own]


def _question(message: Message, entries: Sequence[Entry], now: datetime) -> events.ScreeningRequested:
    event = events.ScreeningRequested(
        message_id=message.message_id,
        texts=texts_to_read(message.subject, message.body, (each.text for each in entries)),
        author_key=_pseudonym(message.sender.person_id),
        school_id=message.sender.school_id,
        grade=message.sender.grade,
        language=message.language,
    )
    event.requested_at.FromDatetime(now)
    return event


async def _ask(connection: AsyncConnection, event: events.ScreeningRequested, now: datetime) -> None:
    event_id = await add_event(connection, SCREENING_REQUESTED, event)
    question = store.Question(event.message_id, event.translated_into, event_id, event.SerializeToString())
    await store.keep(connection, question, now + FIRST_PAUSE)


async def ask_overdue(connection: AsyncConnection, now: datetime) -> int:
    """Ask the questions again whose answer has not come for so long, oldest first; return how many.

    What is decided already is forgotten: a process of the release before does not do so.
    """
    await store.forget_decided(connection, now)
    overdue = await store.put_off_overdue(connection, now, (FIRST_PAUSE, LONGEST_PAUSE), MOST_AT_ONCE)
    asked = [(SCREENING_REQUESTED, events.ScreeningRequested.FromString(each)) for each in overdue]
    await add_events(connection, asked)
    return len(asked)


def _pseudonym(*parts: str) -> str:
    """Return a name that stays the same and says nothing: an id's 74 random bits cannot be found from its digest."""
    return hashlib.sha256("\x1f".join(("lantern", *parts)).encode()).hexdigest()[:32]
