"""Edits of schools, profiles and modules. Each counts the version up, so that events can tell old from new."""

from collections.abc import Sequence
from datetime import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.directory.tables import modules, profiles, schools

Row = dict[str, Any]


async def _one(connection: AsyncConnection, statement: sa.Executable) -> Row | None:
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def set_excluded(connection: AsyncConnection, school_id: str, is_excluded: bool) -> bool:
    """Set section R's field; False when there is no such school."""
    return await _set(connection, school_id, {"is_excluded": is_excluded})


async def set_quiet_hours(connection: AsyncConnection, school_id: str, hours: tuple[time, time] | None) -> bool:
    """Set when texts and calls wait, in the school's zone, or that they never do; False without such a school."""
    begins, ends = hours or (None, None)
    return await _set(connection, school_id, {"quiet_from": begins, "quiet_until": ends})


async def _set(connection: AsyncConnection, school_id: str, change: dict[str, Any]) -> bool:
    statement = sa.update(schools).where(schools.c.school_id == school_id, schools.c.is_active)
    values = {**change, "version": schools.c.version + 1}
    return (await connection.execute(statement.values(values).returning(schools.c.school_id))).first() is not None


async def all_profiles(connection: AsyncConnection) -> list[Row]:
    """Return every profile, by role and name."""
    return [
        dict(row)
        for row in (await connection.execute(sa.select(profiles).order_by(profiles.c.role, profiles.c.name))).mappings()
    ]


async def profile_for_update(connection: AsyncConnection, profile_id: str) -> Row | None:
    """Return and lock a profile; None when there is none."""
    return await _one(connection, sa.select(profiles).where(profiles.c.profile_id == profile_id).with_for_update())


async def set_permissions(connection: AsyncConnection, profile_id: str, permissions: Sequence[str]) -> Row:
    """Replace the permissions of a locked profile."""
    change = {"permissions": list(permissions), "version": profiles.c.version + 1}
    changed = await _one(
        connection, sa.update(profiles).where(profiles.c.profile_id == profile_id).values(change).returning(profiles)
    )
    if changed is None:
        raise LookupError("the profile is not locked by this transaction")
    return changed


async def all_modules(connection: AsyncConnection) -> list[Row]:
    """Return the module switches, by name."""
    return [dict(row) for row in (await connection.execute(sa.select(modules).order_by(modules.c.name))).mappings()]


async def set_module(connection: AsyncConnection, name: str, is_purchased: bool, is_enabled: bool) -> Row | None:
    """Set a module's switches; None when there is no such module."""
    change = {"is_purchased": is_purchased, "is_enabled": is_enabled}
    return await _one(connection, sa.update(modules).where(modules.c.name == name).values(change).returning(modules))
