"""Answers to polls and sign-ups, and how often each option is taken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = sa.text("SELECT chosen, answered_at FROM responses WHERE survey_id = :survey_id AND number = :number")
# The row is there after this, locked: two answers of one recipient come one after the other.
_LOCK = sa.text(
    "INSERT INTO responses (survey_id, number, chosen, version, origin, answered_at, is_told) VALUES (:survey_id,"
    " :number, CAST(:none AS smallint[]), 0, :origin, :now, true)"
    " ON CONFLICT (survey_id, number) DO UPDATE SET version = responses.version RETURNING chosen"
)
_TAKE = sa.text(
    "UPDATE survey_options SET taken = taken + 1 WHERE survey_id = :survey_id AND question = :question"
    " AND option = :option AND (capacity IS NULL OR taken < capacity) RETURNING taken"
)
_FREE = sa.text(
    "UPDATE survey_options SET taken = taken - 1 WHERE survey_id = :survey_id AND question = :question"
    " AND option = :option RETURNING taken"
)
_WRITE = sa.text(
    "UPDATE responses SET chosen = CAST(:chosen AS smallint[]), version = version + 1, origin = :origin,"
    " answered_at = :now, is_told = false WHERE survey_id = :survey_id AND number = :number"
)
_TAKE_UNTOLD = sa.text(
    "UPDATE responses SET is_told = true FROM (SELECT survey_id, number FROM responses WHERE NOT is_told"
    " ORDER BY answered_at, survey_id, number LIMIT :limit FOR UPDATE SKIP LOCKED) due"
    " WHERE responses.survey_id = due.survey_id AND responses.number = due.number"
    " RETURNING responses.survey_id::text, responses.number, chosen, version, answered_at"
)
_PEOPLE = sa.text(
    "SELECT r.number, r.person_id, r.name, r.school_id, r.regarding_student_name, s.message_id::text"
    " FROM surveys s JOIN recipients r ON r.entry_id = s.survey_id AND r.created_at = s.created_at"
    " WHERE s.survey_id = :survey_id AND r.number = ANY(CAST(:numbers AS integer[]))"
)


@dataclass(frozen=True)
class Place:
    """Whose answer: a recipient of a survey."""

    survey_id: str
    number: int


@dataclass(frozen=True)
class Changed:
    """A response that was not told of yet."""

    survey_id: str
    number: int
    chosen: Sequence[int]
    version: int
    answered_at: datetime


@dataclass(frozen=True)
class Answerer:
    """Whose response it is, as the recipient was when it was sent."""

    number: int
    person_id: str
    name: str
    school_id: str
    regarding_student_name: str
    message_id: str


async def read(connection: AsyncConnection, place: Place) -> tuple[Sequence[int], datetime] | None:
    """Return what a recipient answered, and when; None before the first answer."""
    row = (await connection.execute(_READ, {"survey_id": place.survey_id, "number": place.number})).one_or_none()
    return (row[0], row[1]) if row else None


async def lock(
    connection: AsyncConnection, place: Place, questions: int, origin: str, now: datetime
) -> tuple[int, ...]:
    """Return what a recipient answered before, 0 for what they did not; nobody else changes it meanwhile."""
    values = {"survey_id": place.survey_id, "number": place.number, "none": [0] * questions}
    found = await connection.execute(_LOCK, {**values, "origin": origin, "now": now})
    return tuple(found.scalar_one())


async def move(connection: AsyncConnection, survey_id: str, moves: Iterable[tuple[int, int, int]]) -> int | None:
    """Take (+1) and free (-1) options, in this order; return the question whose option is full, None when none is."""
    for question, option, step in moves:
        values = {"survey_id": survey_id, "question": question, "option": option}
        taken = (await connection.execute(_TAKE if step > 0 else _FREE, values)).scalar_one_or_none()
        if taken is None:
            return question
    return None


async def write(connection: AsyncConnection, place: Place, chosen: Sequence[int], origin: str, now: datetime) -> None:
    """Write the answer of a locked response; it is to be told of."""
    values = {"survey_id": place.survey_id, "number": place.number, "chosen": list(chosen)}
    await connection.execute(_WRITE, {**values, "origin": origin, "now": now})


async def take_untold(connection: AsyncConnection, limit: int) -> list[Changed]:
    """Return the responses that changed first and were not told of; told with this transaction."""
    return [Changed(*row) for row in await connection.execute(_TAKE_UNTOLD, {"limit": limit})]


async def answerers(connection: AsyncConnection, survey_id: str, numbers: Sequence[int]) -> dict[int, Answerer]:
    """Return whose responses these are, by number."""
    rows = await connection.execute(_PEOPLE, {"survey_id": survey_id, "numbers": list(numbers)})
    return {row[0]: Answerer(*row) for row in rows}
