"""Fields of schools: which are enabled, and for whom."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.directory.tables import school_fields, schools

Row = dict[str, Any]


async def every(connection: AsyncConnection) -> list[Row]:
    """Return the fields, by name."""
    found = await connection.execute(sa.select(school_fields).order_by(school_fields.c.name))
    return [dict(row) for row in found.mappings()]


async def for_update(connection: AsyncConnection, name: str) -> Row | None:
    """Return and lock a field; None when there is none."""
    query = sa.select(school_fields).where(school_fields.c.name == name).with_for_update()
    row = (await connection.execute(query)).mappings().first()
    return dict(row) if row else None


async def change(connection: AsyncConnection, name: str, wanted: Row) -> Row:
    """Change columns of a locked field."""
    values = {**wanted, "version": school_fields.c.version + 1}
    statement = sa.update(school_fields).where(school_fields.c.name == name).values(values)
    return dict((await connection.execute(statement.returning(school_fields))).mappings().one())


async def touch_ticked(connection: AsyncConnection) -> set[str]:
    """Count up the version of every school that is ticked; return their ids."""
    statement = sa.update(schools).where(schools.c.is_excluded).values(version=schools.c.version + 1)
    return set((await connection.execute(statement.returning(schools.c.school_id))).scalars())
