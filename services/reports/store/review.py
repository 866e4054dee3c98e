"""Writing what people did: flags, acknowledgements, the audit log."""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.ids import new_id
from services.reports.domain import Origin, Sight
from services.reports.store.sight import visible
from services.reports.tables import acknowledgements, audit_records, flags, messages, threats


class Actor(NamedTuple):
    """Who did something, by their name then."""

    person_id: str
    name: str


class Standing(NamedTuple):
    """What a change of a review starts from."""

    is_threat: bool
    withheld_at: datetime | None
    referral_id: str
    set_at: dict[Origin, datetime | None]


class Acknowledgement(NamedTuple):
    """Who acknowledged a threat, and when."""

    person_id: str
    name: str
    at: datetime


async def lock(connection: AsyncConnection, sight: Sight, message_id: str) -> Standing | None:
    """Return where the review of a message stands and keep others from changing it; None when it is not in sight."""
    seen = (
        sa.select(messages.c.referral_id)
        .where(messages.c.message_id == message_id, visible(sight))
        .with_for_update(of=messages)
    )
    referral_id = (await connection.execute(seen)).scalar()
    if referral_id is None:
        return None
    withheld = sa.select(threats.c.withheld_at).where(threats.c.message_id == message_id)
    withheld_at = (await connection.execute(withheld)).scalar()
    found = await connection.execute(sa.select(flags.c.origin, flags.c.set_at).where(flags.c.message_id == message_id))
    by_origin: dict[str, Any] = {row.origin: row.set_at for row in found}
    set_at = {origin: by_origin.get(origin) for origin in Origin}
    return Standing(withheld_at is not None, withheld_at, referral_id, set_at)


async def write_flag(connection: AsyncConnection, message_id: str, origin: Origin, set_at: datetime | None) -> None:
    """Set a flag, or clear it with None."""
    statement = insert(flags).values(message_id=message_id, origin=origin, set_at=set_at)
    changed = statement.on_conflict_do_update(
        index_elements=[flags.c.message_id, flags.c.origin], set_={"set_at": statement.excluded.set_at}
    )
    await connection.execute(changed)


async def acknowledge(connection: AsyncConnection, message_id: str, by: Acknowledgement) -> bool:
    """Write the acknowledgement; False when there is one already."""
    values = {"person_id": by.person_id, "name": by.name, "acknowledged_at": by.at}
    statement = insert(acknowledgements).values(message_id=message_id, **values).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(acknowledgements.c.message_id))).first() is not None


async def acknowledgement(connection: AsyncConnection, message_id: str) -> Acknowledgement | None:
    """Return the acknowledgement of a threat, if there is one."""
    columns = (acknowledgements.c.person_id, acknowledgements.c.name, acknowledgements.c.acknowledged_at)
    row = (await connection.execute(sa.select(*columns).where(acknowledgements.c.message_id == message_id))).first()
    return Acknowledgement(*row) if row else None


async def next_version(connection: AsyncConnection, message_id: str) -> int:
    """Count the review's version up and return it."""
    change = (
        sa.update(messages)
        .where(messages.c.message_id == message_id)
        .values(review_version=messages.c.review_version + 1)
        .returning(messages.c.review_version)
    )
    return int((await connection.execute(change)).scalar_one())


async def record(
    connection: AsyncConnection, at: datetime, actor: Actor, action: str, message_id: str | None, detail: str = ""
) -> None:
    """Add to the audit log. `detail` holds filters or ids, never message text."""
    values = {"at": at, "actor_id": actor.person_id, "actor_name": actor.name, "action": action}
    statement = sa.insert(audit_records).values(record_id=new_id(), message_id=message_id, detail=detail, **values)
    await connection.execute(statement)
