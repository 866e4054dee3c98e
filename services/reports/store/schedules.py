"""Scheduled messages: kept as the queue tells of them, the newest version; found in the viewer's scope (section K)."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.domain import EVERY_SCHOOL, Page, Sight
from services.reports.tables import schedules

_OPEN = ("active", "paused")
_COLUMNS = schedules.c
SORTS: dict[str, sa.ColumnElement[Any]] = {
    "start_date": _COLUMNS.start_date,
    "sent_time": _COLUMNS.send_time,
    "recursion": _COLUMNS.rule,
    "next_send_date": _COLUMNS.next_at,
    "end_date": _COLUMNS.end_date,
    "created_by": sa.func.lower(_COLUMNS.sender_name),
    "type": sa.func.array_to_string(_COLUMNS.channels, ","),
    "emergency": _COLUMNS.is_emergency,
}
"""Columns of the table by which it sorts."""


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
    column = SORTS[wanted.sort]
    order = column.desc().nulls_last() if wanted.descending else column.asc().nulls_last()
    query = (
        sa.select(schedules)
        .where(*_conditions(wanted))
        .order_by(order, _COLUMNS.start_date, _COLUMNS.schedule_id)
        .limit(shown.size)
        .offset((shown.number - 1) * shown.size)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = [_COLUMNS.state.in_(_OPEN), _visible(wanted.sight)]
    if wanted.sender_ids:
        found.append(_COLUMNS.sender_id.in_(wanted.sender_ids))
    # From its next sending, or of a paused one its first date, to its last: what may be sent meets the days asked for.
    local = sa.cast(sa.func.timezone(wanted.zone, _COLUMNS.next_at, type_=sa.DateTime()), sa.Date)
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
