"""What polls and sign-ups asked, and the answers of the recipients whom a viewer may see."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind, Rule
from services.kit.ruling import condition, looked_up
from services.reports.domain import Page, Sight
from services.reports.store.sight import sees_recipient
from services.reports.tables import entries, messages, responses, surveys

Row = dict[str, Any]
COLUMNS = {"name": Kind.TEXT, "response": Kind.TEXT, "answered": Kind.DATE}
"""Columns of the answers, which sort and take rules."""
_PIECE = 1000


@dataclass(frozen=True)
class Asked:
    """Whose answers to which question, in which order."""

    sight: Sight
    entry_id: str
    question: int
    """From 1."""
    sort: str = "name"
    descending: bool = False
    rules: tuple[Rule, ...] = ()
    """On COLUMNS, for the answers that are listed."""
    zone: str = "UTC"
    """Whose days rules on dates mean."""
    is_whole: bool = False
    """Whether those are listed who answered any question."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What the column response shows, by the option's number."""

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each rule."""
        option = sa.cast(responses.c.chosen[self.question], sa.Text)
        day = sa.cast(sa.func.timezone(self.zone, responses.c.answered_at, type_=sa.DateTime()), sa.Date)
        shown: dict[str, sa.ColumnElement[Any]] = {
            "name": sa.func.lower(responses.c.name),
            "response": sa.func.lower(looked_up(self.options, option)),
            "answered": day,
        }
        yield from (condition(rule, COLUMNS[rule.column], shown[rule.column]) for rule in self.rules)


async def keep(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write what messages ask; it never changes."""
    if rows:
        await connection.execute(insert(surveys).values(list(rows)).on_conflict_do_nothing())


async def keep_responses(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write responses; of each an older version than the known one changes nothing."""
    # Piece by piece: each value is a parameter, of which a statement has 65,535.
    for start in range(0, len(rows), _PIECE):
        statement = insert(responses).values(list(rows[start : start + _PIECE]))
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
    query = _seen(asked, chosen.label("option"), sa.func.count()).where(chosen > 0).group_by(chosen)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def count(connection: AsyncConnection, asked: Asked) -> int:
    """Return how many answers are listed."""
    return int((await connection.execute(_listed(asked, sa.func.count()))).scalar_one())


async def page(connection: AsyncConnection, asked: Asked, shown: Page) -> list[Row]:
    """Return one page of the answers that are listed."""
    chosen = responses.c.chosen[asked.question]
    name = sa.func.lower(responses.c.name)
    column = {"name": name, "response": chosen, "answered": responses.c.answered_at}[asked.sort]
    names = ("number", "person_id", "name", "school_id", "regarding_student_name", "answered_at", "chosen")
    query = (
        _listed(asked, *(responses.c[each] for each in names), chosen.label("option"))
        .order_by(column.desc() if asked.descending else column.asc(), name, responses.c.number)
        .limit(shown.size)
        .offset((shown.number - 1) * shown.size)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _listed(asked: Asked, *columns: Any) -> sa.Select[Any]:
    chosen = responses.c.chosen
    is_listed = sa.literal(0) < sa.any_(chosen) if asked.is_whole else chosen[asked.question] > 0
    return _seen(asked, *columns).where(is_listed, *asked.conditions())


def _seen(asked: Asked, *columns: Any) -> sa.Select[Any]:
    tables = (
        entries.join(messages, messages.c.message_id == entries.c.message_id)
    ).join(responses, responses.c.survey_id == entries.c.survey_id)  # fmt: skip
    return (
        sa.select(*columns)
        .select_from(tables)
        .where(
            entries.c.entry_id == asked.entry_id,
            sees_recipient(asked.sight, responses.c.school_id),
        )
    )
