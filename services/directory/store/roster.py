"""Writing an import: rows that changed are changed, rows that are gone become inactive, ids stay what they were."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.directory.leaving import Active
from services.directory.roster import Roster
from services.directory.store.listed import is_listed
from services.directory.tables import classes, contacts, enrollments, memberships, people, profiles, relations, schools
from services.kit.ids import new_id

_CHUNK = 1000


class Tally(NamedTuple):
    """What an import did with one kind of row."""

    created: int
    changed: int
    unchanged: int
    deactivated: int


async def profile_ids(connection: AsyncConnection) -> dict[str, tuple[str, str]]:
    """Return (id, role) of each profile by its name in lower case."""
    rows = await connection.execute(sa.select(profiles.c.name, profiles.c.profile_id, profiles.c.role))
    return {row.name.lower(): (row.profile_id, row.role) for row in rows}


async def administrators(connection: AsyncConnection) -> dict[str, str]:
    """Return the profile's name of each administrator who may sign in, by person: they may see what others write."""
    joined = people.join(profiles, profiles.c.profile_id == people.c.profile_id)
    wanted = sa.select(people.c.person_id, profiles.c.name).select_from(joined)
    rows = await connection.execute(wanted.where(people.c.is_active, people.c.has_account, people.c.role == "admin"))
    return {row[0]: row[1] for row in rows}


async def active(connection: AsyncConnection) -> Active:
    """Return what is active now."""
    titles = await _by_sourced_id(connection, schools, schools.c.title, schools.c.is_active)
    return Active(titles, await _by_sourced_id(connection, people, people.c.role, people.c.is_active))


async def _by_sourced_id(
    connection: AsyncConnection, table: sa.Table, value: sa.Column[Any], which: sa.ColumnElement[bool] | None = None
) -> dict[str, str]:
    # As one value, which is read in one step: others wait while a hundred thousand rows are.
    every = sa.func.json_object_agg(table.c.sourced_id, sa.cast(value, sa.Text), type_=sa.JSON)
    query = sa.select(every) if which is None else sa.select(every).where(which)
    return await connection.scalar(query) or {}


async def write_rows(
    connection: AsyncConnection, table: sa.Table, key: str, rows: Sequence[dict[str, Any]], leaving: Collection[str]
) -> tuple[Tally, set[str]]:
    """Upsert schools or people by sourced_id, deactivate who leaves; return the tally and the ids that changed.

    Rows carry every column but the key and the version. Who leaves was active before.
    """
    created, touched = 0, set()
    for start in range(0, len(rows), _CHUNK):
        chunk = [{**row, key: new_id(), "version": 1} for row in rows[start : start + _CHUNK]]
        new = insert(table).from_select(list(chunk[0]), _as_rows(table, chunk))
        fields = [name for name in rows[0] if name != "sourced_id"]
        statement = new.on_conflict_do_update(
            index_elements=["sourced_id"],
            set_={**{name: new.excluded[name] for name in fields}, "version": table.c.version + 1},
            where=sa.or_(*(table.c[name].is_distinct_from(new.excluded[name]) for name in fields)),
        ).returning(table.c[key], table.c.version)
        for row in await connection.execute(statement):
            touched.add(row[0])
            created += row[1] == 1
    retire = (
        sa.update(table)
        .where(table.c.is_active, is_listed(table.c.sourced_id, leaving))
        .values(is_active=False, version=table.c.version + 1)
        .returning(table.c[key])
    )
    retired = {row[0] for row in await connection.execute(retire)}
    # The others who leave are listed, as inactive.
    changed = len(touched) - created - (len(leaving) - len(retired))
    return Tally(created, changed, len(rows) - len(touched), len(leaving)), touched | retired


async def ticked_schools(connection: AsyncConnection) -> set[str]:
    """Return the sourced ids of the schools that are ticked as excluded from communication."""
    return set(await connection.scalars(sa.select(schools.c.sourced_id).where(schools.c.is_excluded)))


async def ids(connection: AsyncConnection, table: sa.Table, key: str) -> dict[str, str]:
    """Return our id by sourced_id."""
    return await _by_sourced_id(connection, table, table.c[key])


async def write_links(connection: AsyncConnection, roster: Roster) -> None:
    """Replace memberships, contacts, relations, classes' enrollments of everyone in the roster.

    Guardians whose row is refused stay those of the students who still name them.
    """
    person, school = await ids(connection, people, "person_id"), await ids(connection, schools, "school_id")
    listed = [person[each] for each in roster.people]
    for table in (memberships, contacts, enrollments):
        await connection.execute(sa.delete(table).where(is_listed(table.c.person_id, listed)))
    replaced = sa.and_(is_listed(relations.c.student_id, listed), sa.not_(_is_kept(roster, person)))
    await connection.execute(sa.delete(relations).where(replaced))
    rows = roster.people.values()
    await _insert(
        connection,
        memberships,
        (
            {"person_id": person[p.sourced_id], "school_id": school[s], "position": n}
            for p in rows
            for n, s in enumerate(dict.fromkeys(p.schools))
        ),
    )
    await _insert(connection, contacts, _contact_rows(roster, person))
    await _insert(
        connection,
        relations,
        (
            {
                "guardian_id": person[a],
                "student_id": person[p.sourced_id],
                "kind": roster.people[a].relationship,
                "priority": n,
            }
            for p in rows
            for n, a in enumerate(dict.fromkeys(p.agents), 1)
        ),
    )
    await _write_classes(connection, roster, person, school)


def _is_kept(roster: Roster, person: dict[str, str]) -> sa.ColumnElement[bool]:
    named = [
        (person[row.sourced_id], person[each])
        for row in roster.people.values()
        for each in row.refused_agents
        if each in person
    ]
    students, guardians = (sa.literal([pair[n] for pair in named], ARRAY(people.c.person_id.type)) for n in (0, 1))
    kept = sa.func.unnest(students, guardians).table_valued("student_id", "guardian_id").render_derived()
    is_same = (kept.c.student_id == relations.c.student_id, kept.c.guardian_id == relations.c.guardian_id)
    return sa.select(kept).where(*is_same).exists()


def _contact_rows(roster: Roster, person: dict[str, str]) -> Iterable[dict[str, Any]]:
    for row in roster.people.values():
        seen: dict[str, int] = {}
        for each in row.contacts:
            seen[each.kind] = seen.get(each.kind, 0) + 1
            yield {
                "person_id": person[row.sourced_id],
                "kind": each.kind,
                "priority": seen[each.kind],
                "value": each.value[:500],
                "problem": each.problem,
            }


async def _write_classes(
    connection: AsyncConnection, roster: Roster, person: dict[str, str], school: dict[str, str]
) -> None:
    await connection.execute(sa.update(classes).values(is_active=False))
    rows = [
        {"class_id": new_id(), "sourced_id": each, "title": title, "school_id": school[at], "is_active": True}
        for each, (title, at) in roster.classes.items()
    ]
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        new = insert(classes).from_select(list(chunk[0]), _as_rows(classes, chunk))
        fields = ("title", "school_id", "is_active")
        update = new.on_conflict_do_update(
            index_elements=["sourced_id"], set_={name: new.excluded[name] for name in fields}
        )
        await connection.execute(update)
    class_ids = await ids(connection, classes, "class_id")
    await _insert(
        connection,
        enrollments,
        (
            {"class_id": class_ids[c], "person_id": person[p], "role": role}
            for (c, p), role in roster.enrollments.items()
        ),
    )


async def note_import(connection: AsyncConnection, now: datetime) -> None:
    """Keep when a roster was imported."""
    await connection.execute(
        sa.text(
            "INSERT INTO last_import (imported_at) VALUES (:now)"
            " ON CONFLICT (id) DO UPDATE SET imported_at = excluded.imported_at"
        ),
        {"now": now},
    )


async def last_import(connection: AsyncConnection) -> datetime | None:
    """Return when a roster was imported last; None before the first."""
    found: datetime | None = await connection.scalar(sa.text("SELECT imported_at FROM last_import"))
    return found


async def _insert(connection: AsyncConnection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    # Made piece by piece: this process answers others between two pieces.
    while chunk := list(islice(left, _CHUNK)):
        await connection.execute(sa.insert(table).from_select(list(chunk[0]), _as_rows(table, chunk)))


def _as_rows(table: sa.Table, chunk: Sequence[dict[str, Any]]) -> sa.Select[Any]:
    """Return a query that gives the rows. They are one parameter: one for each value takes long to be compiled."""
    columns = [sa.column(name, table.c[name].type) for name in chunk[0]]
    given = sa.cast(sa.literal(json.dumps(chunk), sa.Text), sa.JSON)
    return sa.select(sa.func.json_to_recordset(given).table_valued(*columns).render_derived(with_types=True))
