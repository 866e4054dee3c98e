"""Scheduled messages: kept as the queue tells of them, the newest version; found in the viewer's scope (section K)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.recurrence import in_words
from services.kit.rules import Kind, Rule
from services.kit.ruling import condition, looked_up
from services.reports.domain import CHANNEL_LABELS, EVERY_SCHOOL, Page, Sight
from services.reports.tables import schedules

_OPEN = ("active", "paused")
_COLUMNS = schedules.c
COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("start_date", "next_send_date", "end_date"), Kind.DATE),
    **dict.fromkeys(("sent_time", "recursion", "created_by", "type"), Kind.TEXT),
    "emergency": Kind.TICK,
}
"""Every column that sorts and takes rules."""
_JOINED = sa.func.array_to_string(_COLUMNS.channels, ",", type_=sa.Text())
_TIMES = {"next_send_date": _COLUMNS.next_at, "sent_time": _COLUMNS.send_time}
"""Columns that sort by the moment, not by what they show of it."""


@dataclass(frozen=True)
class Wanted:
    """What a search asks for."""

    sight: Sight
    zone: str
    start: date | None
    end: date | None
    sender_ids: tuple[str, ...]
    sort: str = "next_send_date"
    descending: bool = False
    rules: tuple[Rule, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    """What Recursion and Type show, by the stored rule or channels."""

    def shown(self, column: str) -> sa.ColumnElement[Any]:
        """Return what a column of COLUMNS shows; text in lower case and never NULL."""
        others: dict[str, sa.ColumnElement[Any]] = {
            "start_date": _COLUMNS.start_date,
            "end_date": _COLUMNS.end_date,
            "next_send_date": sa.cast(sa.func.timezone(self.zone, _COLUMNS.next_at, type_=sa.DateTime()), sa.Date),
            "emergency": _COLUMNS.is_emergency,
        }
        if column in others:
            return others[column]
        texts: dict[str, sa.ColumnElement[str]] = {
            "sent_time": sa.func.to_char(sa.cast(_COLUMNS.send_time, sa.Time), "FMHH12:MI am"),
            "recursion": looked_up(self.words, _COLUMNS.rule),
            "type": looked_up(self.words, _JOINED),
            "created_by": _COLUMNS.sender_name,
        }
        return sa.func.lower(texts[column], type_=sa.Text())


async def words(connection: AsyncConnection) -> dict[str, str]:
    """Return what Recursion and Type show of every schedule, by the stored rule or channels."""
    rules = await connection.scalars(sa.select(_COLUMNS.rule).distinct())
    found = {rule: in_words(rule) for rule in rules}
    for joined in await connection.scalars(sa.select(_JOINED).distinct()):
        found[joined] = ", ".join(CHANNEL_LABELS.get(each, each) for each in joined.split(","))
    return found


async def keep(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write a schedule; an older version than the known one changes nothing."""
    statement = insert(schedules).values(**row)
    newer = {name: statement.excluded[name] for name in row if name != "schedule_id"}
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_COLUMNS.schedule_id], set_=newer, where=_COLUMNS.version < statement.excluded.version
        )
    )


async def count(connection: AsyncConnection, wanted: Wanted) -> int:
    """Return how many are found."""
    query = sa.select(sa.func.count()).select_from(schedules).where(*_conditions(wanted))
    return int((await connection.execute(query)).scalar_one())


async def page(connection: AsyncConnection, wanted: Wanted, shown: Page) -> list[dict[str, Any]]:
    """Return the rows of a page."""
    column = _TIMES.get(wanted.sort, wanted.shown(wanted.sort))
    order = column.desc().nulls_last() if wanted.descending else column.asc().nulls_last()
    query = (
        sa.select(schedules)
        .where(*_conditions(wanted))
        .order_by(order, _COLUMNS.start_date, _COLUMNS.schedule_id)
        .limit(shown.size)
        .offset(shown.offset)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = [_COLUMNS.state.in_(_OPEN), _visible(wanted.sight)]
    found += [condition(rule, COLUMNS[rule.column], wanted.shown(rule.column)) for rule in wanted.rules]
    if wanted.sender_ids:
        found.append(_COLUMNS.sender_id.in_(wanted.sender_ids))
    # From its next sending, or of a paused one its first date, to its last: what may be sent meets the days asked for.
    local = wanted.shown("next_send_date")
    if wanted.end:
        found.append(sa.func.coalesce(local, _COLUMNS.start_date) <= wanted.end)
    if wanted.start:
        last = sa.case((_COLUMNS.rule == "", _COLUMNS.start_date), else_=_COLUMNS.end_date)
        found.append(sa.or_(last.is_(None), last >= wanted.start))
    return found


def _visible(sight: Sight) -> sa.ColumnElement[bool]:
    own = _COLUMNS.sender_id == sight.person_id
    if not sight.all_users:
        return own
    if sight.is_district_wide:
        return sa.true()
    schools = sorted(sight.schools)
    reaches = _COLUMNS.school_ids.bool_op("&&")(sa.cast([*schools, EVERY_SCHOOL], ARRAY(sa.Text)))
    return sa.or_(own, _COLUMNS.sender_school_id.in_(schools), reaches)
