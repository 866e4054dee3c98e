"""What people do about a message: flag it, acknowledge a threat."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, NotFound
from services.kit.listening import tell_listeners
from services.reports.domain import Origin, Sight, check_flag
from services.reports.events import tell_review
from services.reports.metrics import acknowledge_delay, reviews
from services.reports.store import auditing, intake, review, rows
from services.reports.store.auditing import Actor
from services.reports.store.review import Acknowledgement, Standing
from services.reports.store.sight import Condition, visible

Row = dict[str, Any]


@dataclass(frozen=True)
class Acknowledged:
    """Who acknowledged a threat first, and whether that was before this call."""

    by: Acknowledgement
    is_repeat: bool


async def set_flag(
    engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, message_id: str, origin: Origin, is_flagged: bool
) -> list[Row]:
    """Set or clear a flag of a message, and so of all its entries (statements 103 to 106); setting it again is nothing.

    NotFound outside the viewer's sight; FailedPrecondition as check_flag says.
    """
    async with transaction(engine) as connection:
        standing = await locked(connection, visible(sight), message_id)
        check_flag(
            origin,
            has_referral=bool(standing.referral_id),
            is_threat=standing.is_threat,
            teacher_set_at=standing.set_at[Origin.TEACHER],
            admin_set_at=standing.set_at[Origin.ADMIN],
        )
        if (standing.set_at[origin] is not None) != is_flagged:
            action = "flag.set" if is_flagged else "flag.cleared"
            set_at = clock() if is_flagged else None
            await review.write_flag(connection, message_id, origin, set_at)
            await auditing.record(connection, clock(), actor, action, message_id, f"origin={origin}")
            standing.set_at[origin] = set_at
            await tell(connection, message_id, standing)
            reviews.add(1, {"action": action})
        return await rows.message_rows(connection, sight, message_id)


async def acknowledge(engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, message_id: str) -> Acknowledged:
    """Acknowledge a threat for everybody, once (statement 208); a second call answers who did it first.

    NotFound outside the viewer's schools; FailedPrecondition when screening did not withhold the message.
    """
    async with transaction(engine) as connection:
        standing = await locked(connection, visible(sight), message_id)
        if not standing.is_threat:
            raise FailedPrecondition("NOT_A_THREAT", "Screening did not withhold this message.")
        by = Acknowledgement(actor.person_id, actor.name, clock())
        if not await review.acknowledge(connection, message_id, by):
            first = await review.acknowledgement(connection, message_id)
            return Acknowledged(first or by, is_repeat=True)
        await auditing.record(connection, by.at, actor, "threat.acknowledged", message_id)
        await tell(connection, message_id, standing)
    reviews.add(1, {"action": "threat.acknowledged"})
    if standing.withheld_at:
        acknowledge_delay.record(max(0.0, (by.at - standing.withheld_at).total_seconds()))
    return Acknowledged(by, is_repeat=False)


async def locked(connection: AsyncConnection, seen: Condition, message_id: str) -> Standing:
    """Return where the review of a message stands, and lock it. NotFound when it is not among what is seen."""
    standing = await review.lock(connection, seen, message_id)
    if standing is None:
        raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
    return standing


async def tell(connection: AsyncConnection, message_id: str, standing: Standing) -> None:
    """Tell the other services, and whoever watches the rows."""
    version = await review.next_version(connection, message_id)
    by = await review.acknowledgement(connection, message_id)
    await tell_review(connection, message_id, version, standing, by)
    await tell_listeners(connection, intake.CHANNEL, await intake.entries_of(connection, [message_id]))
