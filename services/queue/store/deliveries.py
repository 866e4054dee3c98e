"""The recipients of an entry, each where it stands: the rows behind every count."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind, Rule
from services.kit.ruling import condition, looked_up
from services.queue.domain import Channel, State
from services.queue.labels import CHANNEL_LABELS, STATE_LABELS
from services.queue.records import Entry, Recipient
from services.queue.store.inbox import like_pattern

COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("last_update", "expiration"), Kind.DATE),
    **dict.fromkeys(("status", "type", "name", "destination", "school", "staff_id"), Kind.TEXT),
    **dict.fromkeys(("regarding_student", "student_id", "error"), Kind.TEXT),
}
"""Every column that sorts and takes rules."""
WITHOUT_NESTED_LOOPS = sa.text("SET LOCAL enable_nestloop = off")
"""Before recipients are joined with the numbers of batches: the planner does not know how many those are, and would
compare each of them with each recipient."""
CONTACT = (
    "CASE WHEN e.channel IN ('tts', 'recorded') THEN split_part(r.destination, ',', 1) ELSE lower(r.destination) END"
)
"""What Once Per Family compares (contacts.compared), of a recipient `r` of an entry `e`."""
_ROWS = (
    "SELECT r.*, coalesce(o.state, b.state) AS state, coalesce(o.changed_at, b.changed_at, r.created_at) AS"
    " last_update_at,"
    " CASE WHEN coalesce(o.state, b.state) IN ('held', 'pending', 'claimed', 'handed_off', 'expired')"
    " THEN e.expires_at END AS expires_at, coalesce(o.provider, '') AS provider,"
    " coalesce(o.error_code, '') AS error_code, e.channel"
    " FROM recipients r JOIN entries e ON e.entry_id = r.entry_id AND e.created_at = r.created_at"
    " LEFT JOIN outcomes o ON o.entry_id = r.entry_id AND o.number = r.number AND o.created_at = r.created_at"
    " LEFT JOIN (SELECT unnest(numbers) AS number, state, changed_at FROM batches WHERE entry_id = :entry_id) b"
    " ON b.number = r.number AND o.number IS NULL"
    " WHERE r.entry_id = :entry_id AND r.created_at = :created_at"
)
_AT_ONCE = 500
_FILTERS = (
    "(:every_school OR school_id = ANY(:schools)) AND (:every_state OR state = ANY(:states))"
    " AND (NOT :is_unanswered OR (state <> 'duplicate' AND number NOT IN (SELECT a.number FROM responses a"
    " JOIN entries s ON s.survey_id = a.survey_id WHERE s.entry_id = :entry_id AND 0 < ANY(a.chosen))))"
    " AND (:query = '' OR name ILIKE :pattern OR destination ILIKE :pattern) AND (:number = 0 OR number = :number)"
)


@dataclass(frozen=True)
class Seen:
    """Which rows of an entry a caller asks for, and may see."""

    schools: Sequence[str] | None
    """None means every row."""
    states: Sequence[State] = ()
    query: str = ""
    number: int = 0
    """One recipient's; 0 means all."""
    is_unanswered: bool = False
    """Only those who chose nothing of what a poll or a sign-up asks."""
    rules: tuple[Rule, ...] = ()
    """On columns of the table."""
    zone: str = "UTC"
    """Whose days rules on dates mean."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of schools, by their id."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What the Error column says, by provider and code with a space between them."""

    def values(self, entry: Entry) -> dict[str, Any]:
        """Return the parameters of a query."""
        return {
            "entry_id": entry.entry_id,
            "created_at": entry.created_at,
            "every_school": self.schools is None,
            "schools": list(self.schools or ()),
            "every_state": not self.states,
            "states": [each.value for each in self.states],
            "query": self.query,
            "number": self.number,
            "is_unanswered": self.is_unanswered,
            "pattern": like_pattern(self.query),
        }

    def shown(self, column: str) -> sa.ColumnElement[Any]:
        """Return what a column shows, which is what it sorts by; text in lower case and never NULL."""
        if column in _TIMES:
            return sa.column(_TIMES[column], sa.DateTime(timezone=True))
        texts: dict[str, sa.ColumnElement[str]] = {
            "status": looked_up(STATE_LABELS, _text("state")),
            "type": looked_up(CHANNEL_LABELS, _text("channel")),
            "school": looked_up(self.titles, _text("school_id")),
            "error": looked_up(self.errors, sa.func.concat(_text("provider"), " ", _text("error_code"))),
            "destination": sa.func.replace(_text("destination"), ",", ", "),
        }
        return sa.func.lower(texts.get(column, _text(_STORED.get(column, column))), type_=sa.Text())

    def conditions(self, columns: Mapping[str, Kind] = COLUMNS) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the condition of each rule; `columns` are those of the table."""
        for rule in self.rules:
            value, kind = self.shown(rule.column), columns[rule.column]
            day = sa.cast(sa.func.timezone(self.zone, value, type_=sa.DateTime()), sa.Date)
            yield condition(rule, kind, day if kind is Kind.DATE else value)


_TIMES = {"last_update": "last_update_at", "expiration": "expires_at", "date": "created_at"}
_STORED = {
    "regarding_student": "regarding_student_name",
    "student_id": "student_number",
    "from": "sender_name",
    "message": "subject",
}


def _text(name: str) -> sa.ColumnElement[str]:
    return sa.column(name, sa.Text)


def _from_rows(what: sa.ColumnElement[Any], seen: Seen) -> sa.Select[tuple[Any]]:
    rows = sa.text(_ROWS).columns().subquery("d")
    return sa.select(what).select_from(rows).where(sa.text(_FILTERS), *seen.conditions())


async def count(connection: AsyncConnection, entry: Entry, seen: Seen) -> int:
    """Return how many rows there are."""
    statement = _from_rows(sa.func.count(), seen)
    await connection.execute(WITHOUT_NESTED_LOOPS)
    return int((await connection.execute(statement, seen.values(entry))).scalar_one())


async def page(
    connection: AsyncConnection, entry: Entry, seen: Seen, *, sort: str, descending: bool, limit: int, offset: int
) -> list[dict[str, Any]]:
    """Return one page of rows; `sort` is one of COLUMNS or empty, and the number keeps the order stable."""
    statement = _ordered(seen, sort, descending=descending).limit(limit).offset(offset)
    await connection.execute(WITHOUT_NESTED_LOOPS)
    return [dict(row) for row in (await connection.execute(statement, seen.values(entry))).mappings()]


async def every(
    connection: AsyncConnection, entry: Entry, seen: Seen, *, sort: str, descending: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield all rows in the order of `page`, some hundred at once: one statement, and so all of one moment."""
    await connection.execute(WITHOUT_NESTED_LOOPS)
    statement = _ordered(seen, sort, descending=descending).execution_options(yield_per=_AT_ONCE)
    async with connection.stream(statement, seen.values(entry)) as found:
        async for rows in found.mappings().partitions():
            yield [dict(row) for row in rows]


def _ordered(seen: Seen, sort: str, *, descending: bool) -> sa.Select[tuple[Any]]:
    keys = [seen.shown(sort)] if sort else []
    keys.append(sa.column("number", sa.Integer))
    order = [key.desc().nulls_last() if descending else key.asc().nulls_last() for key in keys]
    return _from_rows(sa.literal_column("*"), seen).order_by(*order)


async def errors(connection: AsyncConnection, entry: Entry) -> list[tuple[str, str]]:
    """Return each provider and code with which a delivery of the entry failed."""
    statement = sa.text(
        "SELECT DISTINCT provider, error_code FROM outcomes"
        " WHERE entry_id = :entry_id AND created_at = :created_at AND error_code <> ''"
    )
    values = {"entry_id": entry.entry_id, "created_at": entry.created_at}
    return [(row.provider, row.error_code) for row in await connection.execute(statement, values)]


_KIN = (
    "WITH RECURSIVE kin AS (SELECT entry_id, resend_of FROM entries WHERE entry_id = :entry_id UNION"
    " SELECT e.entry_id, e.resend_of FROM entries e JOIN kin ON e.entry_id = kin.resend_of"
    " OR e.resend_of = kin.entry_id WHERE e.message_id = :message_id) "
)
"""The entry, what it was made from and what was made from either, however often."""
_HAS_IT = (
    "SELECT 1 FROM entries e JOIN recipients a ON a.entry_id = e.entry_id AND a.number = r.number"
    " AND a.created_at = r.created_at LEFT JOIN outcomes w ON w.entry_id = a.entry_id AND w.number = a.number"
    " AND w.created_at = a.created_at WHERE e.message_id = :message_id AND e.entry_id <> :entry_id"
    " AND (e.entry_id IN (SELECT entry_id FROM kin) OR e.channel = :channel)"
    " AND coalesce(w.state, 'pending') NOT IN ('error', 'expired')"
)


async def standing_in(
    connection: AsyncConnection,
    entry: Entry,
    states: Sequence[State],
    channel: Channel,
    source: Entry | None,
    unknown: str,
) -> list[Recipient]:
    """Return the recipients of an entry whose outcome is one of the states, for a resend by a channel.

    Destinations are those of `source`, the entry itself or one of this channel of the same message. Whom it does not
    address has none, as everybody has without it, and `unknown` is their problem. Left out are those who have it or are
    waited for by this channel, or by another resend of this entry or of what it was made from.
    """
    statement = sa.text(
        f"{_KIN}SELECT r.number, r.person_id, r.name, r.role, r.school_id, r.staff_id, r.regarding_student_id,"
        " r.regarding_student_name, r.student_number, r.language,"
        " CASE WHEN :is_known THEN coalesce(d.destination, '') ELSE '' END,"
        " CASE WHEN :is_known THEN coalesce(d.problem, :unknown) ELSE :unknown END,"
        " r.has_account, r.type"
        " FROM outcomes o JOIN recipients r USING (entry_id, number, created_at)"
        " LEFT JOIN recipients d ON d.entry_id = :other_id AND d.number = r.number AND d.created_at = r.created_at"
        " WHERE o.entry_id = :entry_id AND o.created_at = :created_at AND o.state = ANY(:states)"
        f" AND NOT EXISTS ({_HAS_IT}) ORDER BY r.number"
    )
    values = {
        "entry_id": entry.entry_id,
        "created_at": entry.created_at,
        "other_id": (source or entry).entry_id,
        "is_known": source is not None,
        "unknown": unknown,
        "message_id": entry.message_id,
        "channel": channel.value,
        "states": [each.value for each in states],
    }
    return [Recipient(*row) for row in await connection.execute(statement, values)]
