"""Sender identities, and who changed them; the changes are only added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.message_types import MessageType
from services.queue.senders import Identity, Way

_COLUMNS = "school_id, message_type, way, address, name"
_EVERY = sa.text(f"SELECT {_COLUMNS} FROM sender_identities ORDER BY school_id, message_type, way")
_OF_SCHOOL = sa.text(f"SELECT {_COLUMNS} FROM sender_identities WHERE school_id IN ('', :school_id)")
_PUT = sa.text(
    f"INSERT INTO sender_identities ({_COLUMNS}) VALUES (:school_id, :message_type, :way, :address, :name)"
    " ON CONFLICT (school_id, message_type, way) DO UPDATE SET address = EXCLUDED.address, name = EXCLUDED.name"
    " WHERE (sender_identities.address, sender_identities.name) <> (EXCLUDED.address, EXCLUDED.name)"
    " RETURNING school_id"
)
_REMOVE = sa.text(
    "DELETE FROM sender_identities WHERE school_id = :school_id AND message_type = :message_type AND way = :way"
    f" RETURNING {_COLUMNS}"
)
_APPEND = sa.text(
    f"INSERT INTO sender_changes ({_COLUMNS}, action, person_id, person_name, changed_at) VALUES (:school_id,"
    " :message_type, :way, :address, :name, :action, :person_id, :person_name, :now)"
)
_CHANGES = sa.text(
    f"SELECT {_COLUMNS}, action, person_name, changed_at FROM sender_changes"
    " WHERE :sees_all OR school_id = ANY(CAST(:school_ids AS text[]))"
    " ORDER BY changed_at DESC, change_id DESC LIMIT :limit"
)


@dataclass(frozen=True)
class Change:
    """A line of the history."""

    identity: Identity
    action: str
    """set or removed."""
    person_name: str
    changed_at: datetime


async def every(connection: AsyncConnection) -> list[Identity]:
    """Return all identities."""
    return [_identity(*row) for row in await connection.execute(_EVERY)]


async def of_school(connection: AsyncConnection, school_id: str) -> list[Identity]:
    """Return the district's identities and those of a school."""
    return [_identity(*row) for row in await connection.execute(_OF_SCHOOL, {"school_id": school_id})]


async def put(connection: AsyncConnection, identity: Identity, by: tuple[str, str], now: datetime) -> bool:
    """Set an identity in place of the one before; `by` is the id and name of who does. False if it stood so."""
    if (await connection.execute(_PUT, _row(identity))).scalar_one_or_none() is None:
        return False
    await _append(connection, identity, "set", by, now)
    return True


async def remove(
    connection: AsyncConnection, identity: Identity, by: tuple[str, str], now: datetime
) -> Identity | None:
    """Remove the identity of the same school, type and way, and return it as it was; None when there is none."""
    row = (await connection.execute(_REMOVE, _row(identity))).one_or_none()
    if row is None:
        return None
    await _append(connection, _identity(*row), "removed", by, now)
    return _identity(*row)


async def changes(connection: AsyncConnection, school_ids: Sequence[str] | None, limit: int) -> list[Change]:
    """Return the latest changes of these schools' identities, of all with None; newest first."""
    values = {"sees_all": school_ids is None, "school_ids": list(school_ids or ()), "limit": limit}
    return [Change(_identity(*row[:5]), *row[5:]) for row in await connection.execute(_CHANGES, values)]


async def _append(
    connection: AsyncConnection, identity: Identity, action: str, by: tuple[str, str], now: datetime
) -> None:
    values = _row(identity) | {"action": action, "person_id": by[0], "person_name": by[1], "now": now}
    await connection.execute(_APPEND, values)


def _row(identity: Identity) -> dict[str, str]:
    return {
        "school_id": identity.school_id,
        "message_type": identity.message_type.value if identity.message_type else "",
        "way": identity.way.value,
        "address": identity.address,
        "name": identity.name,
    }


def _identity(school_id: str, message_type: str, way: str, address: str, name: str) -> Identity:
    return Identity(school_id, MessageType(message_type) if message_type else None, Way(way), address, name)
