"""Finding the recipients of an audience: rows of (person, student it regards, school), in a fixed order."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.directory.domain import STAFF, AudienceQuery, Role
from services.directory.tables import enrollments, memberships, people, relations, schools


class Target(NamedTuple):
    """Somebody to reach, for a student or for themselves."""

    person_id: str
    student_id: str | None
    school_id: str


async def targets(connection: AsyncConnection, query: AudienceQuery, school_ids: Sequence[str]) -> list[Target]:
    """Return whom the audience means among people of these schools: by school, student and contact priority.

    A person appears once for each student; the same person chosen twice for the same student appears once.
    """
    parts = _named(query) if query.names_people else _selected(query)
    if not parts or not school_ids:
        return []
    union = sa.union_all(*(part.where(schools.c.school_id.in_(school_ids)) for part in parts)).subquery()
    ordered = sa.select(union).order_by(
        union.c.school_title,
        union.c.school_id,
        union.c.sort_name,
        union.c.student_id,
        union.c.priority,
        union.c.person_id,
    )
    seen: dict[tuple[str, str | None], Target] = {}
    for row in await connection.execute(ordered):
        seen.setdefault((row.person_id, row.student_id), Target(row.person_id, row.student_id, row.school_id))
    return list(seen.values())


def _selected(query: AudienceQuery) -> list[sa.Select[Any]]:
    parts = []
    for role in query.roles:
        if role is Role.PARENT:
            parts.append(_limited(_guardians(), query))
        elif role is Role.STUDENT:
            parts.append(_limited(_members(Role.STUDENT), query))
        elif not query.grades and not query.class_ids:
            parts.append(_members(role))
    return parts


def _named(query: AudienceQuery) -> list[sa.Select[Any]]:
    parts = []
    if query.person_ids:
        parts += [_members(role).where(people.c.person_id.in_(query.person_ids)) for role in (*STAFF, Role.STUDENT)]
        parts.append(_first_school_of_guardian().where(people.c.person_id.in_(query.person_ids)))
    if query.student_ids:
        parts.append(_guardians().where(relations.c.student_id.in_(query.student_ids)))
    return parts


def _members(role: Role) -> sa.Select[Any]:
    regarding = people.c.person_id if role is Role.STUDENT else sa.cast(sa.null(), sa.Uuid(as_uuid=False))
    return (
        sa.select(
            people.c.person_id,
            regarding.label("student_id"),
            schools.c.school_id,
            schools.c.title.label("school_title"),
            people.c.name.label("sort_name"),
            sa.literal(0).label("priority"),
        )
        .select_from(people)
        .join(memberships, memberships.c.person_id == people.c.person_id)
        .join(schools, schools.c.school_id == memberships.c.school_id)
        .where(people.c.is_active, schools.c.is_active, people.c.role == role.value)
    )


def _guardians() -> sa.Select[Any]:
    guardian, student = people.alias("guardian"), people
    return (
        sa.select(
            guardian.c.person_id,
            student.c.person_id.label("student_id"),
            schools.c.school_id,
            schools.c.title.label("school_title"),
            student.c.name.label("sort_name"),
            relations.c.priority,
        )
        .select_from(student)
        .join(relations, relations.c.student_id == student.c.person_id)
        .join(guardian, guardian.c.person_id == relations.c.guardian_id)
        .join(memberships, memberships.c.person_id == student.c.person_id)
        .join(schools, schools.c.school_id == memberships.c.school_id)
        .where(student.c.is_active, guardian.c.is_active, schools.c.is_active)
    )


def _first_school_of_guardian() -> sa.Select[Any]:
    # A guardian named alone regards no one student; the first of their students' schools stands for where they belong.
    student = people.alias("student")
    return (
        sa.select(
            people.c.person_id,
            sa.cast(sa.null(), sa.Uuid(as_uuid=False)).label("student_id"),
            schools.c.school_id,
            schools.c.title.label("school_title"),
            people.c.name.label("sort_name"),
            sa.literal(0).label("priority"),
        )
        .select_from(people)
        .join(relations, relations.c.guardian_id == people.c.person_id)
        .join(student, student.c.person_id == relations.c.student_id)
        .join(memberships, memberships.c.person_id == student.c.person_id)
        .join(schools, schools.c.school_id == memberships.c.school_id)
        .where(people.c.is_active, people.c.role == Role.PARENT.value, student.c.is_active, schools.c.is_active)
        .ext(distinct_on(people.c.person_id))
    )


def _limited(select: sa.Select[Any], query: AudienceQuery) -> sa.Select[Any]:
    if query.grades:
        select = select.where(people.c.grade.in_(query.grades))
    if query.class_ids:
        in_class = sa.exists().where(
            enrollments.c.person_id == people.c.person_id, enrollments.c.class_id.in_(query.class_ids)
        )
        select = select.where(in_class)
    return select
