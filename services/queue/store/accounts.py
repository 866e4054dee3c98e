"""Providers that refuse our account, and when somebody was told last."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_ADD = sa.text(
    "INSERT INTO refused_accounts (provider, told_at) VALUES (:provider, :now) ON CONFLICT DO NOTHING RETURNING 1"
)
_LOCK = sa.text(
    "SELECT told_at, refused_at, emergency_told_at FROM refused_accounts WHERE provider = :provider FOR UPDATE"
)
_KEEP = sa.text(
    "UPDATE refused_accounts SET told_at = :told_at, refused_at = :refused_at, emergency_told_at = :emergency_told_at"
    " WHERE provider = :provider"
)
_HAS_EMERGENCY = sa.text(
    "SELECT EXISTS (SELECT 1 FROM entries e JOIN messages m USING (message_id)"
    " WHERE e.entry_id = ANY(CAST(:entry_ids AS uuid[])) AND m.is_emergency)"
)


@dataclass(frozen=True)
class Refused:
    """One row of `refused_accounts`."""

    told_at: datetime
    refused_at: datetime | None = None
    """When it refused us last; None before it is noted."""
    emergency_told_at: datetime | None = None
    """When somebody was told last that an emergency waits, too."""


async def lock(connection: AsyncConnection, provider: str, now: datetime) -> Refused | None:
    """Return what is noted of a provider, or None when this is its first refusal.

    Nobody else notes anything of it until the transaction ends.
    """
    is_first = (await connection.execute(_ADD, {"provider": provider, "now": now})).first() is not None
    row = (await connection.execute(_LOCK, {"provider": provider})).one()
    return None if is_first else Refused(*row)


async def has_emergency(connection: AsyncConnection, entry_ids: Collection[str]) -> bool:
    """Tell whether an emergency is among these entries."""
    if not entry_ids:
        return False
    return bool((await connection.execute(_HAS_EMERGENCY, {"entry_ids": list(entry_ids)})).scalar_one())


async def keep(connection: AsyncConnection, provider: str, refused: Refused) -> None:
    """Note it in place of what was noted."""
    await connection.execute(_KEEP, {"provider": provider, **vars(refused)})
