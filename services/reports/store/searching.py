"""Finding entries: filters and column rules, counting, pages in a stable order, and neighbours."""

from datetime import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind, Rule
from services.kit.ruling import condition
from services.reports.domain import COLUMNS, NUMBERS, Order, Origin, Page, Report, Search, Sight
from services.reports.store.sight import (
    column_value,
    counts_of,
    has_flag,
    is_acknowledged,
    is_emergency_call,
    is_undecided,
    touches,
    visible,
)
from services.reports.tables import entries, messages, threats

Condition = sa.ColumnElement[bool]


class Finding:
    """One search of one viewer, as a query on entries."""

    def __init__(self, sight: Sight, search: Search, order: Order) -> None:
        """Build the conditions; nothing is asked yet."""
        self._sight, self._search, self._order = sight, search, order
        self._counts = counts_of(sight)
        columns = {order.column, *(rule.column for rule in search.rules)}
        self._tables: sa.FromClause = entries.join(messages, entries.c.message_id == messages.c.message_id)
        if search.report is Report.THREATS:
            self._tables = self._tables.join(threats, threats.c.message_id == messages.c.message_id)
        # Adding up counts for every row of a result is dear, so only a search that needs them does it.
        if columns & set(NUMBERS):
            self._tables = self._tables.join(self._counts, sa.true())
        self._conditions = [visible(sight), *self._filters(), *(self._rule(rule) for rule in search.rules)]

    async def count(self, connection: AsyncConnection) -> int:
        """Return how many entries there are."""
        statement = sa.select(sa.func.count()).select_from(self._tables).where(*self._conditions)
        return int((await connection.execute(statement)).scalar_one())

    async def page(self, connection: AsyncConnection, page: Page) -> list[str]:
        """Return the entries of a page. The second half of a result is read from its end."""
        rows = max(0, min(page.size, page.total_rows - page.offset))
        is_late = page.offset > page.total_rows // 2
        offset = page.total_rows - page.offset - rows if is_late else page.offset
        statement = self._ids().order_by(*self._directed(is_reversed=is_late)).limit(rows).offset(offset)
        found = [str(each) for each in (await connection.execute(statement)).scalars()]
        return found[::-1] if is_late else found

    async def neighbours(self, connection: AsyncConnection, entry_id: str) -> tuple[str, str]:
        """Return the entries before and after; an empty text where there is none."""
        keys = self._keys()
        here = sa.select(*keys).select_from(self._tables).where(entries.c.entry_id == entry_id)
        place = (await connection.execute(here)).first()
        if place is None:
            return "", ""
        before = await self._next(connection, list(place), is_reversed=True)
        return before, await self._next(connection, list(place), is_reversed=False)

    async def _next(self, connection: AsyncConnection, place: list[Any], *, is_reversed: bool) -> str:
        keys = self._keys()
        mine = sa.tuple_(*keys)
        here = sa.tuple_(*(sa.literal(value, key.type) for value, key in zip(place, keys, strict=True)))
        condition = mine < here if self._order.descending != is_reversed else mine > here
        statement = self._ids().where(condition).order_by(*self._directed(is_reversed=is_reversed)).limit(1)
        return str((await connection.execute(statement)).scalar() or "")

    def _ids(self) -> sa.Select[tuple[str]]:
        return sa.select(entries.c.entry_id).select_from(self._tables).where(*self._conditions)

    def _keys(self) -> list[sa.ColumnElement[Any]]:
        """The column, then time and id, so that equal values keep their order from page to page (statement 221)."""
        last: list[sa.ColumnElement[Any]] = [entries.c.sent_at, entries.c.entry_id]
        if self._order.column == "date":
            return last
        return [column_value(self._order.column, self._search.report, self._sight, self._counts), *last]

    def _directed(self, *, is_reversed: bool) -> list[sa.UnaryExpression[Any]]:
        is_down = self._order.descending != is_reversed
        return [key.desc() if is_down else key.asc() for key in self._keys()]

    def _filters(self) -> list[Condition]:
        search, found = self._search, list[Condition]()
        if search.channels:
            found.append(entries.c.channel.in_(search.channels))
        if search.school_ids:
            found.append(touches(search.school_ids))
        if search.sender_ids:
            found.append(messages.c.sender_id.in_(search.sender_ids))
        if search.message_ids:
            found.append(entries.c.message_id.in_(search.message_ids))
        if search.is_secure:
            found.append(messages.c.is_secure)
        if search.is_emergency:
            found.append(is_emergency_call())
        if search.is_flagged:
            found.append(has_flag(*Origin))
        return found + self._times()

    def _times(self) -> list[Condition]:
        search, found = self._search, list[Condition]()
        if search.since:
            found.append(entries.c.sent_at >= search.since)
        if search.before:
            found.append(entries.c.sent_at < search.before)
        window = _window(self._minute(), search.start_time, search.end_time)
        return found if window is None else [*found, window]

    def _local(self) -> sa.ColumnElement[Any]:
        return sa.func.timezone(self._search.zone, entries.c.sent_at, type_=sa.DateTime())

    def _minute(self) -> sa.ColumnElement[time]:
        return sa.cast(sa.func.date_trunc("minute", self._local()), sa.Time)

    def _rule(self, rule: Rule) -> Condition:
        kind = COLUMNS[rule.column]
        if kind is Kind.DATE:
            return condition(rule, kind, sa.cast(self._local(), sa.Date))
        return condition(rule, kind, column_value(rule.column, self._search.report, self._sight, self._counts))


def _window(minute: sa.ColumnElement[time], start: time | None, end: time | None) -> Condition | None:
    """Return the condition of the time filters; a start after the end crosses midnight (statements 27, 28)."""
    after = minute >= start if start is not None else None
    until = minute <= end if end is not None else None
    if after is None or until is None or start is None or end is None:
        return until if after is None else after
    return sa.or_(after, until) if start > end else sa.and_(after, until)


async def count_open_threats(connection: AsyncConnection, sight: Sight) -> tuple[int, int]:
    """Return how many threats in sight nobody acknowledged, and how many nobody decided; past ones need neither."""
    statement = (
        sa.select(sa.func.count().filter(sa.not_(is_acknowledged())), sa.func.count().filter(is_undecided()))
        .select_from(threats.join(messages, threats.c.message_id == messages.c.message_id))
        .where(visible(sight), sa.not_(threats.c.is_imported))
    )
    open_, waiting = (await connection.execute(statement)).one()
    return int(open_), int(waiting)
