"""Figures about the review of threats (statement 316)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import transaction
from services.reports.domain import Sight
from services.reports.store import figures as store

Row = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """Figures of one viewer and period."""

    all: Row
    schools: list[Row]
    categories: list[Row]


async def figures(engine: AsyncEngine, sight: Sight, since: datetime | None, before: datetime | None) -> Figures:
    """Return the figures of threats in sight that were withheld in [since, before)."""
    async with transaction(engine) as connection:
        return Figures(*await store.read(connection, sight, since, before))
