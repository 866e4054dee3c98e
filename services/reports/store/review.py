"""Writing what people did about messages: flags, acknowledgements, decisions."""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.decisions import Decision, Outcome
from services.reports.domain import Origin
from services.reports.tables import acknowledgements, decisions, flags, messages, threats


class Standing(NamedTuple):
    """What a change of a review starts from."""

    is_threat: bool
    withheld_at: datetime | None
    referral_id: str
    set_at: dict[Origin, datetime | None]
    sender: "Sender"
    is_imported: bool = False
    decision: Decision | None = None
    """The latest."""


class Sender(NamedTuple):
    """Who sent a message, as sent."""

    person_id: str
    name: str
    role: str
    school_id: str


class Acknowledgement(NamedTuple):
    """Who acknowledged a threat, and when."""

    person_id: str
    name: str
    at: datetime


async def lock(connection: AsyncConnection, seen: sa.ColumnElement[bool], message_id: str) -> Standing | None:
    """Return where the review of a message stands and keep others from changing it; None when it is not seen."""
    columns = (messages.c[name] for name in ("referral_id", "sender_id", "sender_name", "sender_role"))
    wanted = (
        sa.select(*columns, messages.c.sender_school_id)
        .where(messages.c.message_id == message_id, seen)
        .with_for_update(of=messages)
    )
    row = (await connection.execute(wanted)).first()
    if row is None:
        return None
    referral_id, *sender = row
    withheld = sa.select(threats.c.withheld_at, threats.c.is_imported).where(threats.c.message_id == message_id)
    withheld_at, is_imported = (await connection.execute(withheld)).one_or_none() or (None, False)
    decided = await decisions_of(connection, message_id) if withheld_at else []
    found = await connection.execute(sa.select(flags.c.origin, flags.c.set_at).where(flags.c.message_id == message_id))
    by_origin: dict[str, Any] = {row.origin: row.set_at for row in found}
    set_at = {origin: by_origin.get(origin) for origin in Origin}
    latest = decided[-1] if decided else None
    is_threat = withheld_at is not None
    return Standing(is_threat, withheld_at, referral_id, set_at, Sender(*sender), is_imported, latest)


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


async def decide(connection: AsyncConnection, message_id: str, decision: Decision) -> None:
    """Write a decision. IntegrityError for a second one of the same number, or after a release."""
    values = {**vars(decision), "decided_at": decision.at, "message_id": message_id}
    del values["at"]
    await connection.execute(sa.insert(decisions).values(values))


async def decisions_of(connection: AsyncConnection, message_id: str) -> list[Decision]:
    """Return what was decided about a threat, the oldest first."""
    names = ("number", "outcome", "reason", "person_id", "name", "decided_at")
    found = sa.select(*(decisions.c[name] for name in names)).where(decisions.c.message_id == message_id)
    rows = (await connection.execute(found.order_by(decisions.c.number))).all()
    return [Decision(row[0], Outcome(row[1]), *row[2:]) for row in rows]


async def next_version(connection: AsyncConnection, message_id: str) -> int:
    """Count the review's version up and return it."""
    change = (
        sa.update(messages)
        .where(messages.c.message_id == message_id)
        .values(review_version=messages.c.review_version + 1)
        .returning(messages.c.review_version)
    )
    return int((await connection.execute(change)).scalar_one())
