"""Families that a message has reached, and those that it has not (statement 308).

A family is who stands on the list for one student; a recipient without a student is a family of their own. It is
reached when something was received at an address or number of one of its recipients: a duplicate counts by the row
that was really sent there. What reached the portal inbox alone has no destination and does not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind, Rule
from services.kit.ruling import condition, looked_up
from services.queue.records import Message
from services.queue.store.deliveries import CONTACT, WITHOUT_NESTED_LOOPS
from services.queue.store.messages import entries_of

_MOST_TRIES = 12
_FAMILIES = f"""
WITH standing AS (
  SELECT r.*, e.channel, {CONTACT} AS contact, coalesce(o.state, b.state) AS state,
    coalesce(o.provider, '') AS provider, coalesce(o.error_code, '') AS error_code
  FROM (SELECT * FROM recipients WHERE entry_id = ANY(:entry_ids) AND created_at = :created_at) r
  JOIN (SELECT entry_id, channel FROM entries WHERE entry_id = ANY(:entry_ids)) e ON e.entry_id = r.entry_id
  LEFT JOIN (
    SELECT entry_id, number, state, provider, error_code FROM outcomes
    WHERE entry_id = ANY(:entry_ids) AND created_at = :created_at
  ) o ON o.entry_id = r.entry_id AND o.number = r.number
  LEFT JOIN (SELECT entry_id, unnest(numbers) AS number, state FROM batches WHERE entry_id = ANY(:entry_ids)) b
    ON b.entry_id = r.entry_id AND b.number = r.number AND o.number IS NULL
), known AS (
  SELECT *, destination <> '' AND bool_or(state = 'sent') OVER same AS is_reached,
    destination <> '' AND bool_or(state IN ('held', 'pending', 'claimed', 'handed_off')) OVER same AS is_waiting,
    coalesce(nullif(regarding_student_id, ''), nullif(person_id, ''), lower(name) || ' ' || number) AS family
  FROM standing WINDOW same AS (PARTITION BY channel, contact)
), families AS (
  SELECT family, bool_or(is_reached) AS is_reached, bool_or(is_waiting) AS is_waiting,
    min(coalesce(nullif(regarding_student_id, ''), person_id)) AS person_id,
    min(coalesce(nullif(regarding_student_name, ''), name)) AS name,
    min(student_number) AS student_number, min(school_id) AS school_id,
    jsonb_agg(jsonb_build_object('name', name, 'channel', channel, 'destination', destination, 'state', state,
      'provider', provider, 'error_code', error_code) ORDER BY name, channel) AS tries
  FROM known WHERE :every_school OR school_id = ANY(:schools) GROUP BY family
)
"""
_COUNTED = (
    "SELECT count(*) AS families, count(*) FILTER (WHERE is_reached) AS reached,"
    " count(*) FILTER (WHERE NOT is_reached AND is_waiting) AS waiting FROM families"
)
_UNREACHED = "SELECT * FROM families WHERE NOT is_reached"
COLUMNS: dict[str, Kind] = {"waiting": Kind.TICK, **dict.fromkeys(("name", "student_id", "school"), Kind.TEXT)}
"""Every column of the families that are not reached that sorts and takes rules."""


@dataclass(frozen=True)
class Reach:
    """How many families a message is for, has reached, and may still reach."""

    families: int
    reached: int
    waiting: int


@dataclass(frozen=True)
class Listing:
    """Which families that are not reached are listed, and in which order."""

    sort: str = "waiting"
    descending: bool = False
    rules: tuple[Rule, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of schools, by their id."""

    def shown(self, column: str) -> sa.ColumnElement[Any]:
        """Return what a column of COLUMNS shows; text in lower case and never NULL."""
        if column == "waiting":
            return sa.column("is_waiting", sa.Boolean)
        texts: dict[str, sa.ColumnElement[Any]] = {
            "name": sa.column("name", sa.Text),
            "student_id": sa.column("student_number", sa.Text),
            "school": looked_up(self.titles, sa.column("school_id", sa.Text)),
        }
        return sa.func.lower(texts[column], type_=sa.Text())

    def families(self, what: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """Return the query of the families that are listed."""
        rows = sa.text(_FAMILIES + _UNREACHED).columns().subquery("f")
        rules = [condition(rule, COLUMNS[rule.column], self.shown(rule.column)) for rule in self.rules]
        return sa.select(what).select_from(rows).where(*rules)

    def order(self) -> list[sa.ColumnElement[Any]]:
        """Return by what they are sorted; the name and the family keep the order of equal ones stable."""
        first = self.shown(self.sort)
        return [first.desc() if self.descending else first.asc(), self.shown("name"), sa.column("family")]


async def counted(connection: AsyncConnection, message: Message, schools: Sequence[str] | None) -> Reach:
    """Return the counts; `schools` limits them, None being every one."""
    await connection.execute(WITHOUT_NESTED_LOOPS)
    row = (await connection.execute(sa.text(_FAMILIES + _COUNTED), await _values(connection, message, schools))).one()
    return Reach(*row)


async def listed(connection: AsyncConnection, message: Message, schools: Sequence[str] | None, listing: Listing) -> int:
    """Return how many families that are not reached are listed."""
    await connection.execute(WITHOUT_NESTED_LOOPS)
    values = await _values(connection, message, schools)
    return int((await connection.execute(listing.families(sa.func.count()), values)).scalar_one())


async def unreached(
    connection: AsyncConnection,
    message: Message,
    schools: Sequence[str] | None,
    listing: Listing,
    part: tuple[int, int],
) -> list[dict[str, Any]]:
    """Return a page of those families, with what was tried; `part` is how many, and how many to skip."""
    await connection.execute(WITHOUT_NESTED_LOOPS)
    values, limit, offset = await _values(connection, message, schools), *part
    query = listing.families(sa.literal_column("*")).order_by(*listing.order()).limit(limit).offset(offset)
    rows = (await connection.execute(query, values)).mappings()
    return [{**row, "tries": row["tries"][:_MOST_TRIES]} for row in rows]


async def _values(connection: AsyncConnection, message: Message, schools: Sequence[str] | None) -> dict[str, Any]:
    return {
        "entry_ids": [each.entry_id for each in await entries_of(connection, message.message_id)],
        "created_at": message.created_at,
        "every_school": schools is None,
        "schools": list(schools or ()),
    }
