"""How many people have what messages reach them by."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.directory.leaving import Reach
from services.directory.tables import classes, contacts, enrollments, people, relations


async def count_reach(connection: AsyncConnection) -> Reach:
    """Return how many active people of a role have a usable contact of a kind, a guardian, a child or a class."""
    held = sa.union_all(
        sa.select(contacts.c.person_id, contacts.c.kind.label("what")).where(contacts.c.problem == ""),
        _related(relations.c.student_id, relations.c.guardian_id, "guardian"),
        _related(relations.c.guardian_id, relations.c.student_id, "child"),
        sa.select(enrollments.c.person_id, sa.literal("class")).join(classes).where(classes.c.is_active),
    ).subquery()
    counted = sa.func.count(held.c.person_id.distinct())
    query = sa.select(people.c.role, held.c.what, counted).join(held, held.c.person_id == people.c.person_id)
    rows = await connection.execute(query.where(people.c.is_active).group_by(people.c.role, held.c.what))
    return {(row[0], row[1]): row[2] for row in rows}


def _related(one: sa.Column[Any], other: sa.Column[Any], what: str) -> sa.Select[Any]:
    # Of who left nobody is a guardian or a child any more, though the relation stays.
    return sa.select(one, sa.literal(what)).join(people, people.c.person_id == other).where(people.c.is_active)
