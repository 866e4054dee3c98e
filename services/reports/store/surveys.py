"""What polls and sign-ups asked, and the answers of the recipients whom a viewer may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.domain import Page, Sight
from services.reports.store.sight import sees_recipient
from services.reports.tables import entries, messages, responses, surveys

Row = dict[str, Any]
SORTS = ("name", "response", "answered")
"""Columns of the answers by which they sort."""


@dataclass(frozen=True)
class Asked:
    """Whose answers to which question, in which order."""

    sight: Sight
    entry_id: str
    question: int
    """From 1."""
    sort: str = "name"
    descending: bool = False


async def keep(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write what messages ask; it never changes."""
    if rows:
        await connection.execute(insert(surveys).values(list(rows)).on_conflict_do_nothing())


async def keep_responses(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write responses; of each an older version than the known one changes nothing."""
    if not rows:
        return
    statement = insert(responses).values(list(rows))
    newer = {name: statement.excluded[name] for name in rows[0] if name not in {"survey_id", "number"}}
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[responses.c.survey_id, responses.c.number],
            set_=newer,
            where=responses.c.version < statement.excluded.version,
        )
    )


async def find(connection: AsyncConnection, entry_id: str) -> Row | None:
    """Return what an entry asks; None when it asks nothing."""
    tables = entries.join(surveys, surveys.c.survey_id == entries.c.survey_id)
    query = sa.select(surveys).select_from(tables).where(entries.c.entry_id == entry_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return dict(row) if row else None


async def counts(connection: AsyncConnection, asked: Asked) -> dict[int, int]:
    """Return how many chose each option of the question, by option from 1."""
    chosen = responses.c.chosen[asked.question]
    query = _seen(asked, chosen.label("option"), sa.func.count()).group_by(chosen)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def page(connection: AsyncConnection, asked: Asked, shown: Page) -> list[Row]:
    """Return one page of the answers to the question."""
    chosen = responses.c.chosen[asked.question]
    name = sa.func.lower(responses.c.name)
    column = {"name": name, "response": chosen, "answered": responses.c.answered_at}[asked.sort]
    names = ("number", "person_id", "name", "school_id", "regarding_student_name", "answered_at")
    query = (
        _seen(asked, *(responses.c[each] for each in names), chosen.label("option"))
        .order_by(column.desc() if asked.descending else column.asc(), name, responses.c.number)
        .limit(shown.size)
        .offset((shown.number - 1) * shown.size)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _seen(asked: Asked, *columns: Any) -> sa.Select[Any]:
    tables = (
        entries.join(messages, messages.c.message_id == entries.c.message_id)
    ).join(responses, responses.c.survey_id == entries.c.survey_id)  # fmt: skip
    return (
        sa.select(*columns)
        .select_from(tables)
        .where(
            entries.c.entry_id == asked.entry_id,
            responses.c.chosen[asked.question] > 0,
            sees_recipient(asked.sight, responses.c.school_id),
        )
    )
