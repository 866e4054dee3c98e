"""Threats that somebody acknowledged and nobody decided."""

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import REMINDERS, Occasion
from services.notify.tables import acknowledgements, decisions, submissions, threats

_OLDEST = timedelta(days=30)
"""What was acknowledged before this, and before the pauses of all reminders and one more, is not looked at."""


class Due(NamedTuple):
    """A threat of which people are to be reminded."""

    message_id: str
    sent: int
    """How often they were."""
    school_id: str
    """The sender's."""
    acknowledged_at: datetime


async def remember_decision(connection: AsyncConnection, message_id: str, at: datetime) -> None:
    """Write that a threat is decided; the first time counts."""
    values = {"message_id": message_id, "decided_at": at}
    await connection.execute(insert(decisions).values(values).on_conflict_do_nothing())


async def next_due(connection: AsyncConnection, now: datetime, pause: timedelta) -> Due | None:
    """Return a threat of which people are to be reminded now, locked; None when there is none.

    A reminder is due a pause after the acknowledgement, and after the reminder before it.
    """
    mine = sa.and_(submissions.c.message_id == threats.c.message_id, submissions.c.occasion.in_(REMINDERS))
    sent = sa.select(sa.func.count()).where(mine).correlate(threats).scalar_subquery()
    last = sa.select(sa.func.max(submissions.c.created_at)).where(mine).correlate(threats).scalar_subquery()
    decided = sa.select(1).where(decisions.c.message_id == threats.c.message_id).correlate(threats)
    told = sa.and_(
        submissions.c.message_id == threats.c.message_id,
        submissions.c.occasion.in_((Occasion.ALERT, Occasion.WARNING)),
    )
    somebody = sa.select(1).where(told).correlate(threats)
    acknowledged_at = acknowledgements.c.acknowledged_at
    due = (
        sa.select(threats.c.message_id, sent, threats.c.sender_school_id, acknowledged_at)
        .join(acknowledgements, acknowledgements.c.message_id == threats.c.message_id)
        .where(
            acknowledged_at.between(now - max(_OLDEST, (len(REMINDERS) + 1) * pause), now - pause),
            sa.func.greatest(acknowledged_at, last) <= now - pause,
            sa.not_(decided.exists()),
            somebody.exists(),
            sent < len(REMINDERS),
        )
        .order_by(acknowledged_at)
        .limit(1)
        .with_for_update(of=threats, skip_locked=True)
    )
    row = (await connection.execute(due)).first()
    return Due(str(row[0]), int(row[1]), row[2], row[3]) if row else None
