"""Figures about the review of threats (statement 316)."""

from dataclasses import dataclass, replace
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
    """Return the figures of threats of the viewer's schools that were withheld in [since, before)."""
    # The few threats of another school of which somebody was alerted say nothing of that school.
    near = replace(sight, holds_threat_alerts=False)
    async with transaction(engine) as connection:
        return Figures(*await store.read(connection, near, since, before))
