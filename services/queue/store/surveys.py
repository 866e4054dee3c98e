"""Polls and sign-ups as they are asked, and who may answer them in the portal."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel
from services.queue.records import Entry, Message
from services.queue.surveys import Option, Question, Survey

_COLUMNS = "s.survey_id::text AS survey_id, s.channel, s.questions, s.closes_at"
_INSERT = sa.text(
    "INSERT INTO surveys (survey_id, message_id, created_at, channel, questions, closes_at) VALUES (:survey_id,"
    " :message_id, :created_at, :channel, CAST(:questions AS jsonb), :closes_at)"
)
_INSERT_OPTION = sa.text(
    "INSERT INTO survey_options (survey_id, question, option, capacity) VALUES (:survey_id, :question, :option,"
    " :capacity)"
)
_OF_MESSAGE = sa.text(f"SELECT {_COLUMNS} FROM surveys s WHERE s.message_id = :message_id")
_TAKEN = sa.text("SELECT question, option, taken FROM survey_options WHERE survey_id = :survey_id")
_FIND = (
    f"SELECT {_COLUMNS}, s.message_id::text AS message_id, s.created_at, m.subject, m.body, m.language, m.from_title,"
    " m.screening IN ('waiting', 'withheld') OR m.cancelled_at IS NOT NULL AS is_gone"
    " FROM surveys s JOIN messages m ON m.message_id = s.message_id"
)
# Once Per Family: the first recipient with the same contact is the real one, and answers for all of them. Earlier
# versions compared contacts that cannot be used, too: those with a problem answer for themselves.
_RESPONDENTS = sa.text(
    "INSERT INTO survey_respondents (person_id, survey_id, number)"
    " SELECT DISTINCT person_id, CAST(:survey_id AS uuid), counts_as FROM ("
    " SELECT r.person_id, r.has_account, CASE WHEN o.state = 'duplicate' AND r.problem = ''"
    " THEN first_value(r.number) OVER ("
    " PARTITION BY lower(r.destination), CASE WHEN r.destination = '' THEN r.person_id END ORDER BY r.number)"
    " ELSE r.number END AS counts_as FROM recipients r LEFT JOIN outcomes o ON o.entry_id = r.entry_id"
    " AND o.number = r.number AND o.created_at = r.created_at"
    " WHERE r.entry_id = :entry_id AND r.created_at = :created_at) found"
    " WHERE has_account AND person_id <> '' ON CONFLICT DO NOTHING"
)
_MINE = sa.text(
    "SELECT p.number, r.regarding_student_name FROM survey_respondents p JOIN recipients r"
    " ON r.entry_id = p.survey_id AND r.number = p.number AND r.created_at = :created_at"
    " WHERE p.person_id = :person_id AND p.survey_id = :survey_id ORDER BY p.number"
)
# A text goes also to numbers whose e-mail address another recipient has, too.
_COUNTS_AS = sa.text(
    "SELECT CASE WHEN o.state = 'duplicate' AND r.problem = '' THEN ("
    "SELECT min(f.number) FROM recipients f WHERE f.entry_id = r.entry_id"
    " AND f.created_at = r.created_at AND lower(f.destination) = lower(r.destination)"
    " AND (r.destination <> '' OR f.person_id = r.person_id)) ELSE r.number END"
    " FROM recipients r LEFT JOIN outcomes o ON o.entry_id = r.entry_id AND o.number = r.number"
    " AND o.created_at = r.created_at"
    " WHERE r.entry_id = :survey_id AND r.created_at = :created_at AND r.number = :number"
)
_TOLD_IN = sa.text(
    "SELECT t.language FROM recipients r JOIN translations t ON t.message_id = :message_id AND t.language = r.language"
    " AND t.stage = 'translated'"
    " WHERE r.entry_id = :survey_id AND r.created_at = :created_at AND r.number = :number"
)
_STANDS = sa.text(
    "SELECT coalesce(o.state, '') FROM recipients r LEFT JOIN outcomes o ON o.entry_id = r.entry_id"
    " AND o.number = r.number AND o.created_at = r.created_at"
    " WHERE r.entry_id = :survey_id AND r.created_at = :created_at AND r.number = :number"
)


@dataclass(frozen=True)
class Asked:
    """A survey with what its recipients see of its message."""

    survey: Survey
    message_id: str
    created_at: datetime
    """The message's."""
    subject: str
    body: str
    language: str
    """Of subject, body and questions as they stand here."""
    from_title: str
    is_gone: bool
    """The message waits for its verdict, was withheld or was cancelled: nobody sees it."""


async def insert(connection: AsyncConnection, survey: Survey, entry: Entry) -> None:
    """Write what an entry asks, before the entry itself."""
    questions = [
        {"text": each.text, "options": [{"text": one.text, "capacity": one.capacity} for one in each.options]}
        for each in survey.questions
    ]
    values = {"survey_id": entry.entry_id, "message_id": entry.message_id, "created_at": entry.created_at}
    values |= {"channel": entry.channel.value, "questions": json.dumps(questions), "closes_at": survey.closes_at}
    await connection.execute(_INSERT, values)
    options = [
        {"survey_id": entry.entry_id, "question": number, "option": place, "capacity": option.capacity or None}
        for number, question in enumerate(survey.questions, 1)
        for place, option in enumerate(question.options, 1)
    ]
    await connection.execute(_INSERT_OPTION, options)


async def of_message(connection: AsyncConnection, message_id: str) -> Survey | None:
    """Return what a message asks, without what is taken; None when it asks nothing."""
    row = (await connection.execute(_OF_MESSAGE, {"message_id": message_id})).mappings().one_or_none()
    return _survey(row, {}) if row else None


async def find(connection: AsyncConnection, survey_id: str) -> Asked | None:
    """Return a survey with what is taken."""
    query = sa.text(f"{_FIND} WHERE s.survey_id = :id")
    return await _asked(connection, query, survey_id)


async def find_in_inbox(connection: AsyncConnection, message_id: str, person_id: str, now: datetime) -> Asked | None:
    """Return what a message in a person's inbox asks."""
    query = sa.text(
        f"{_FIND} JOIN inbox_items i ON i.message_id = s.message_id AND i.person_id = :person_id"
        " AND i.visible_at <= :now WHERE s.message_id = :id"
    )
    return await _asked(connection, query, message_id, person_id=person_id, now=now)


async def find_of_sender(connection: AsyncConnection, message_id: str, person_id: str) -> Asked | None:
    """Return what a message that a person sent asks."""
    query = sa.text(f"{_FIND} WHERE s.message_id = :id AND m.sender_id = :person_id")
    return await _asked(connection, query, message_id, person_id=person_id)


async def find_of_entry(connection: AsyncConnection, entry_id: str) -> Asked | None:
    """Return what an entry asks."""
    query = sa.text(f"{_FIND} JOIN entries e ON e.survey_id = s.survey_id WHERE e.entry_id = :id")
    return await _asked(connection, query, entry_id)


async def note_respondents(connection: AsyncConnection, message: Message, entry: Entry) -> None:
    """Note who may answer in the portal, and as which recipient."""
    values = {"survey_id": entry.survey_id, "entry_id": entry.entry_id, "created_at": message.created_at}
    await connection.execute(_RESPONDENTS, values)


async def mine(connection: AsyncConnection, asked: Asked, person_id: str) -> Sequence[tuple[int, str]]:
    """Return as which recipients a person may answer: number, and name of the student whom it regards."""
    values = {"survey_id": asked.survey.survey_id, "created_at": asked.created_at, "person_id": person_id}
    return [(row[0], row[1]) for row in await connection.execute(_MINE, values)]


async def counts_as(connection: AsyncConnection, asked: Asked, number: int) -> int:
    """Return for whom a recipient answers: the real one of a family where Once Per Family made theirs a duplicate."""
    values = {"survey_id": asked.survey.survey_id, "created_at": asked.created_at, "number": number}
    return (await connection.execute(_COUNTS_AS, values)).scalar_one_or_none() or number


async def outcome_state(connection: AsyncConnection, asked: Asked, number: int) -> str | None:
    """Return the state of a recipient's outcome, empty when there is none; None without such a recipient."""
    values = {"survey_id": asked.survey.survey_id, "created_at": asked.created_at, "number": number}
    return (await connection.execute(_STANDS, values)).scalar_one_or_none()


async def told_in(connection: AsyncConnection, asked: Asked, number: int) -> str:
    """Return the language in which a recipient's e-mail asks; empty when it was not translated."""
    values = {"survey_id": asked.survey.survey_id, "created_at": asked.created_at, "number": number}
    values["message_id"] = asked.message_id
    found: str | None = (await connection.execute(_TOLD_IN, values)).scalar_one_or_none()
    return found or ""


async def _asked(connection: AsyncConnection, query: sa.TextClause, identity: str, **values: Any) -> Asked | None:
    row = (await connection.execute(query, {"id": identity, **values})).mappings().one_or_none()
    if row is None:
        return None
    taken = {(each[0], each[1]): each[2] for each in await connection.execute(_TAKEN, {"survey_id": row["survey_id"]})}
    names = ("message_id", "created_at", "subject", "body", "language", "from_title", "is_gone")
    return Asked(_survey(row, taken), **{name: row[name] for name in names})


def _survey(row: Any, taken: dict[tuple[int, int], int]) -> Survey:
    questions = [
        Question(each["text"], [Option(one["text"], one["capacity"]) for one in each["options"]])
        for each in row["questions"]
    ]
    return Survey(Channel(row["channel"]), questions, row["closes_at"], row["survey_id"], taken)
