"""Attendance rules and the record of their changes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rules import Kind
from services.kit.rules import Rule as ColumnRule
from services.kit.ruling import condition, looked_up
from services.queue.attending import Change, Rule

_COLUMNS = tuple(each.name for each in fields(Rule))
_NAMES = ", ".join(_COLUMNS)
_ADD_CHANGE = sa.text(
    "INSERT INTO attendance_rule_changes (rule_id, version, changed_at, changed_by, changed_by_name, what, content)"
    " VALUES (:rule_id, :version, :changed_at, :changed_by, :changed_by_name, :what, :content)"
)


async def count_of(connection: AsyncConnection, owner_id: str) -> int:
    """Return how many rules a person made, and let no other transaction add one meanwhile."""
    await connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:owner))"), {"owner": f"rules {owner_id}"})
    query = sa.text("SELECT count(*) FROM attendance_rules WHERE owner_id = :owner AND removed_at IS NULL")
    return int((await connection.execute(query, {"owner": owner_id})).scalar_one())


async def insert(connection: AsyncConnection, rule: Rule) -> None:
    """Write a new rule, and that it was made."""
    values = ", ".join(f":{name}" for name in _COLUMNS)
    await connection.execute(sa.text(f"INSERT INTO attendance_rules ({_NAMES}) VALUES ({values})"), _row(rule))
    await connection.execute(_ADD_CHANGE, {**_row(rule), "what": "created"})


async def update(connection: AsyncConnection, rule: Rule, what: str) -> None:
    """Write a rule that this transaction has locked, and what was done to it."""
    pairs = ", ".join(f"{name} = :{name}" for name in _COLUMNS if name != "rule_id")
    await connection.execute(sa.text(f"UPDATE attendance_rules SET {pairs} WHERE rule_id = :rule_id"), _row(rule))
    await connection.execute(_ADD_CHANGE, {**_row(rule), "what": what})


async def remove(connection: AsyncConnection, rule: Rule) -> None:
    """Remove a rule that this transaction has switched off."""
    query = sa.text("UPDATE attendance_rules SET removed_at = :at WHERE rule_id = :id")
    await connection.execute(query, {"id": rule.rule_id, "at": rule.changed_at})


async def find(connection: AsyncConnection, rule_id: str, *, lock: bool = False) -> Rule | None:
    """Return a rule that is not removed; with `lock`, nobody else changes it until this transaction ends."""
    query = f"SELECT {_NAMES} FROM attendance_rules WHERE rule_id = :id AND removed_at IS NULL" + (
        " FOR UPDATE" if lock else ""
    )
    row = (await connection.execute(sa.text(query), {"id": rule_id})).mappings().one_or_none()
    return _rule(row) if row else None


async def switched_on(connection: AsyncConnection) -> list[Rule]:
    """Return every rule that sends."""
    rows = await connection.execute(sa.text(f"SELECT {_NAMES} FROM attendance_rules WHERE is_on ORDER BY rule_id"))
    return [_rule(row) for row in rows.mappings()]


async def stays(connection: AsyncConnection, rule: Rule) -> bool:
    """Tell whether a rule is as it was read, and keep it so until this transaction ends."""
    query = sa.text("SELECT 1 FROM attendance_rules WHERE rule_id = :id AND version = :version AND is_on FOR SHARE")
    values = {"id": rule.rule_id, "version": rule.version}
    return (await connection.execute(query, values)).scalar_one_or_none() is not None


async def changes(connection: AsyncConnection, rule_id: str, limit: int) -> list[Change]:
    """Return what was done to a rule, newest first."""
    query = sa.text(
        "SELECT version, changed_at, changed_by_name, what, content FROM attendance_rule_changes WHERE rule_id = :id"
        " ORDER BY version DESC LIMIT :limit"
    )
    rows = await connection.execute(query, {"id": rule_id, "limit": limit})
    return [Change(row[0], row[1], row[2], row[3], bytes(row[4])) for row in rows]


COLUMNS: dict[str, Kind] = {
    "on": Kind.TICK,
    "changed": Kind.DATE,
    **dict.fromkeys(("name", "time", "codes", "schools", "made_by"), Kind.TEXT),
}
"""Every column that sorts and takes column rules."""
EVERY_SCHOOL = "Every school"
"""What the column schools shows of a rule without any."""


@dataclass(frozen=True)
class Listing:
    """Which of the rules that a caller sees are listed, and in which order."""

    sort: str = "name"
    descending: bool = False
    rules: tuple[ColumnRule, ...] = ()
    zone: str = "UTC"
    """Whose days column rules on dates mean."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of schools, by their id."""

    def shown(self, column: str) -> sa.ColumnElement[Any]:
        """Return what a column of COLUMNS shows; text in lower case and never NULL."""
        if column == "on":
            return sa.column("is_on", sa.Boolean)
        if column == "changed":
            return sa.cast(sa.func.timezone(self.zone, sa.column("changed_at"), type_=sa.DateTime()), sa.Date)
        each = sa.func.unnest(sa.column("school_ids"), type_=sa.Text()).column_valued("each")
        titles = sa.select(sa.func.string_agg(looked_up(self.titles, each), ", ")).scalar_subquery()
        texts: dict[str, sa.ColumnElement[Any]] = {
            "name": sa.column("name"),
            "time": sa.func.to_char(sa.column("send_time"), "FMHH12:MI am"),
            "codes": sa.func.array_to_string(sa.column("codes"), ", "),
            "schools": sa.func.coalesce(titles, EVERY_SCHOOL),
            "made_by": sa.column("owner_name"),
        }
        return sa.func.lower(texts[column], type_=sa.Text())

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return the condition of each column rule."""
        return [condition(rule, COLUMNS[rule.column], self.shown(rule.column)) for rule in self.rules]

    def order(self) -> list[sa.ColumnElement[Any]]:
        """Return by what they are sorted; name and id keep the order of equal ones stable."""
        stored: dict[str, sa.ColumnElement[Any]] = {"time": sa.column("send_time"), "changed": sa.column("changed_at")}
        first = stored.get(self.sort, self.shown(self.sort))
        return [first.desc() if self.descending else first.asc(), self.shown("name"), sa.column("rule_id")]


class RuleSight:
    """Which rules a caller sees, as a condition of the query."""

    def __init__(self, owner_id: str | None, schools: Iterable[str]) -> None:
        """owner_id None: a service, which sees everything. schools: ids, or "*"; none: one's own rules alone.

        A rule for every school concerns whoever sees one.
        """
        seen = sorted(schools)
        self._values: dict[str, Any] = {}
        self._condition = "true"
        if owner_id is not None and "*" not in seen:
            self._values = {"owner": owner_id}
            self._condition = "owner_id = :owner"
        if self._values and seen:
            self._values["seen"] = seen
            self._condition += " OR school_ids && :seen OR school_ids = '{}'"

    async def count(self, connection: AsyncConnection, listing: Listing) -> int:
        """Return how many of the rules that are seen are listed."""
        query = self._listed(listing, sa.func.count())
        return int((await connection.execute(query, self._values)).scalar_one())

    async def page(self, connection: AsyncConnection, listing: Listing, limit: int, offset: int) -> list[Rule]:
        """Return some of them."""
        names: list[sa.ColumnElement[Any]] = [sa.column(name) for name in _COLUMNS]
        query = self._listed(listing, *names).order_by(*listing.order()).limit(limit).offset(offset)
        return [_rule(row) for row in (await connection.execute(query, self._values)).mappings()]

    def _listed(self, listing: Listing, *what: sa.ColumnElement[Any]) -> sa.Select[Any]:
        seen = sa.text(f"removed_at IS NULL AND ({self._condition})")
        return sa.select(*what).select_from(sa.table("attendance_rules")).where(seen, *listing.conditions())

    async def sees(self, connection: AsyncConnection, rule_id: str) -> bool:
        """Tell whether a rule is among them."""
        query = sa.text(f"SELECT 1 FROM attendance_rules WHERE rule_id = :id AND ({self._condition})")
        return (await connection.execute(query, {**self._values, "id": rule_id})).scalar_one_or_none() is not None


def _row(rule: Rule) -> dict[str, Any]:
    values = {name: getattr(rule, name) for name in _COLUMNS}
    begin = json.dumps({school_id: at.isoformat() for school_id, at in rule.schools_begin_at.items()})
    return values | {"school_ids": list(rule.school_ids), "codes": list(rule.codes), "schools_begin_at": begin}


def _rule(row: Any) -> Rule:
    values = {name: row[name] for name in _COLUMNS}
    values |= {"rule_id": str(row["rule_id"]), "content": bytes(row["content"])}
    begin = {school_id: datetime.fromisoformat(at) for school_id, at in row["schools_begin_at"].items()}
    values["schools_begin_at"] = begin
    return Rule(**values | {name: tuple(row[name]) for name in ("school_ids", "codes")})
