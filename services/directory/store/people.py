"""Look-ups of schools, people, contacts, relations, profiles and permission holders."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.directory.domain import EXCLUDED, STAFF
from services.directory.store.listed import is_listed
from services.directory.tables import (
    contacts,
    memberships,
    modules,
    people,
    profiles,
    relations,
    school_fields,
    schools,
)

Row = dict[str, Any]

_person_columns = (
    people.c.person_id,
    people.c.sourced_id,
    people.c.name,
    people.c.role,
    people.c.number,
    people.c.grade,
    people.c.language,
    people.c.profile_id,
    people.c.has_account,
    people.c.is_active,
    people.c.title,
)
_schools_of_person = (
    sa.select(
        sa.func.array_agg(sa.dialects.postgresql.aggregate_order_by(memberships.c.school_id, memberships.c.position))
    )
    .where(memberships.c.person_id == people.c.person_id)
    .scalar_subquery()
    .label("school_ids")
)
_working_modules = (
    sa.select(sa.func.array_agg(modules.c.name))
    .where(modules.c.is_purchased, modules.c.is_enabled)
    .scalar_subquery()
    .label("modules")
)


_is_excluded = sa.and_(
    schools.c.is_excluded,
    sa.select(1).where(school_fields.c.name == EXCLUDED, school_fields.c.is_enabled).exists(),
)
_school_columns = [each for each in schools.c if each.name != "is_excluded"]
_schools = sa.select(*_school_columns, _is_excluded.label("is_excluded"))
"""Schools as they count: excluded are those that are ticked while the field is enabled (statement 224)."""


async def all_schools(connection: AsyncConnection) -> list[Row]:
    """Return every active school, by title."""
    query = _schools.where(schools.c.is_active).order_by(schools.c.title, schools.c.school_id)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def school(connection: AsyncConnection, school_id: str) -> Row:
    """Return a school that is there."""
    return dict((await connection.execute(_schools.where(schools.c.school_id == school_id))).mappings().one())


async def profile_of(connection: AsyncConnection, person_id: str) -> str:
    """Return the profile of an active person; empty when there is none."""
    query = sa.select(people.c.profile_id).where(people.c.person_id == person_id, people.c.is_active)
    return str((await connection.execute(query)).scalar() or "")


async def people_by_id(
    connection: AsyncConnection,
    person_ids: Iterable[str],
    sourced_ids: Iterable[str] = (),
    seen_schools: Collection[str] | None = None,
) -> list[Row]:
    """Return the people that exist, each with `school_ids` in the order of their positions.

    Only staff and the people of `seen_schools` when these are given: students and parents write to staff of anywhere.
    """
    named = sa.or_(is_listed(people.c.person_id, person_ids), is_listed(people.c.sourced_id, sourced_ids))
    query = sa.select(*_person_columns, _schools_of_person).where(named)
    if seen_schools is not None:
        query = query.where(sa.or_(people.c.role.in_(STAFF), _is_of(sorted(seen_schools))))
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def viewer(connection: AsyncConnection, person_id: str) -> Row | None:
    """Return an active person with an account, their profile (three columns) and the `modules` that work; else None."""
    query = (
        sa.select(
            *_person_columns,
            _schools_of_person,
            profiles.c.permissions,
            profiles.c.is_district_wide,
            profiles.c.name.label("profile_name"),
            _working_modules,
        )
        .join(profiles, profiles.c.profile_id == people.c.profile_id)
        .where(people.c.person_id == person_id, people.c.is_active, people.c.has_account)
    )
    row = (await connection.execute(query)).mappings().first()
    return dict(row) if row else None


async def search(
    connection: AsyncConnection, text: str, roles: Sequence[str], school_ids: Sequence[str] | None, limit: int
) -> list[Row]:
    """Return active people whose name holds the text or whose number starts with it, by name. None: every school.

    A guardian belongs to the schools of their students too.
    """
    query = sa.select(*_person_columns, _schools_of_person).where(people.c.is_active)
    if text:
        pattern = "%" + text.lower().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        query = query.where(
            sa.or_(sa.func.lower(people.c.name).like(pattern), people.c.number.startswith(text, autoescape=True))
        )
    if roles:
        query = query.where(people.c.role.in_(roles))
    if school_ids is not None:
        query = query.where(_is_of(school_ids))
    query = query.order_by(sa.func.lower(people.c.name), people.c.person_id).limit(limit)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _is_of(school_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    inside = memberships.c.school_id.in_(school_ids)
    own = sa.exists().where(memberships.c.person_id == people.c.person_id, inside)
    student = people.alias("student")
    students = sa.exists().where(
        relations.c.guardian_id == people.c.person_id,
        memberships.c.person_id == relations.c.student_id,
        inside,
        student.c.person_id == relations.c.student_id,
        # Who left with their child stays with the school, as a record; who is here for another child does not.
        sa.or_(student.c.is_active, sa.not_(people.c.is_active)),
    )
    return sa.or_(own, students)


async def contacts_of(connection: AsyncConnection, person_ids: Iterable[str]) -> dict[str, list[Row]]:
    """Return the contacts of each person, by kind and priority."""
    query = (
        sa.select(contacts)
        .where(is_listed(contacts.c.person_id, person_ids))
        .order_by(contacts.c.kind, contacts.c.priority)
    )
    found: dict[str, list[Row]] = {}
    for row in (await connection.execute(query)).mappings():
        found.setdefault(row["person_id"], []).append(dict(row))
    return found


async def relations_of(connection: AsyncConnection, person_id: str) -> list[tuple[str, str]]:
    """Return (other person's id, kind): the guardians of a student, or the students of a guardian (kind "student")."""
    guardians = sa.select(relations.c.guardian_id, relations.c.kind, relations.c.priority).where(
        relations.c.student_id == person_id
    )
    students = sa.select(relations.c.student_id, sa.literal("student"), relations.c.priority).where(
        relations.c.guardian_id == person_id
    )
    rows = await connection.execute(sa.union_all(guardians, students).order_by(sa.text("3")))
    return [(row[0], row[1]) for row in rows]


async def permission_holders(
    connection: AsyncConnection, permission: str, school_ids: Collection[str] | None
) -> list[Row]:
    """Return who may sign in and holds the permission, in reach of one of the schools; None means of any."""
    query = (
        sa.select(*_person_columns, _schools_of_person)
        .join(profiles, profiles.c.profile_id == people.c.profile_id)
        .where(people.c.is_active, people.c.has_account, profiles.c.permissions.contains([permission]))
        .order_by(people.c.name, people.c.person_id)
    )
    if school_ids is not None:
        inside = sa.exists().where(
            memberships.c.person_id == people.c.person_id, memberships.c.school_id.in_(school_ids)
        )
        query = query.where(sa.or_(profiles.c.is_district_wide, inside))
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def somebody_holds(connection: AsyncConnection, permission: str, *, besides: str | None = None) -> bool:
    """Tell whether somebody who may sign in holds a permission, by another profile; that one then stays as it is."""
    query = (
        sa.select(people.c.person_id)
        .join(profiles, profiles.c.profile_id == people.c.profile_id)
        .where(people.c.is_active, people.c.has_account, profiles.c.permissions.contains([permission]))
        .where(profiles.c.profile_id.is_distinct_from(besides))
        .limit(1)
        .with_for_update(read=True, of=profiles)
    )
    return (await connection.execute(query)).first() is not None
