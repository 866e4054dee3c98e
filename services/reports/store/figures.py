"""Counting threats: how many, how soon they were acknowledged and decided, how many were released (statement 316)."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reports.decisions import Outcome
from services.reports.domain import Sight
from services.reports.store.sight import visible
from services.reports.tables import acknowledgements, decisions, messages, threats

Row = dict[str, Any]


def _threats(sight: Sight, since: datetime | None, before: datetime | None) -> sa.CTE:
    decided = sa.select(
        sa.func.min(decisions.c.decided_at).label("decided_at"),
        sa.func.bool_or(decisions.c.outcome == Outcome.RELEASED).label("is_released"),
    ).where(decisions.c.message_id == threats.c.message_id)
    first = decided.correlate(threats).lateral("decided")
    tables = (
        threats.join(messages, messages.c.message_id == threats.c.message_id)
        .outerjoin(acknowledgements, acknowledgements.c.message_id == threats.c.message_id)
        .join(first, sa.true())
    )
    conditions = [visible(sight), sa.not_(threats.c.is_imported)]
    conditions += [threats.c.withheld_at >= since] if since else []
    conditions += [threats.c.withheld_at < before] if before else []
    columns = (
        messages.c.sender_school_id.label("school_id"),
        threats.c.categories,
        sa.extract("epoch", acknowledgements.c.acknowledged_at - threats.c.withheld_at).label("acknowledged_after"),
        sa.extract("epoch", first.c.decided_at - threats.c.withheld_at).label("decided_after"),
        first.c.is_released,
    )
    return sa.select(*columns).select_from(tables).where(*conditions).cte("found")


def _counted(found: sa.CTE) -> list[sa.ColumnElement[Any]]:
    columns: list[sa.ColumnElement[Any]] = [sa.func.count().label("threats")]
    for name in ("acknowledged", "decided"):
        after = found.c[f"{name}_after"]
        columns.append(sa.func.count(after).label(name))
        for share, word in ((0.5, "median"), (0.9, "p90")):
            columns.append(sa.func.percentile_cont(share).within_group(after).label(f"{name}_{word}"))
    return [*columns, sa.func.count().filter(found.c.is_released).label("released")]


async def read(
    connection: AsyncConnection, sight: Sight, since: datetime | None, before: datetime | None
) -> tuple[Row, list[Row], list[Row]]:
    """Return the figures of all threats in sight, by school and by label; times in seconds, None where there are none.

    A threat counts under each label that held it.
    """
    found = _threats(sight, since, before)
    whole = (await connection.execute(sa.select(*_counted(found)))).mappings().one()
    labelled = sa.select(*found.c, sa.func.unnest(found.c.categories).label("category")).cte("labelled")
    groups = []
    for rows, key in ((found, "school_id"), (labelled, "category")):
        grouped = sa.select(rows.c[key], *_counted(rows)).group_by(rows.c[key]).order_by(sa.text("threats DESC, 1"))
        groups.append([dict(row) for row in (await connection.execute(grouped)).mappings()])
    return dict(whole), groups[0], groups[1]
