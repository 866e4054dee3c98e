"""A reviewer decides a threat: it stays withheld, or it is released and delivered late (statement 303).

The decision, its audit record and the event that makes the queue release the message are one transaction. The row of
the message is locked, so that of two who decide at once one is first and the other is told.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition
from services.reports.actions.reviewing import locked, tell
from services.reports.decisions import Decision, Outcome, check_decision
from services.reports.domain import Sight
from services.reports.metrics import decision_delay, reviews
from services.reports.store import auditing, review
from services.reports.store.auditing import Actor
from services.reports.store.review import Acknowledgement
from services.reports.store.sight import visible


@dataclass(frozen=True)
class Deciding:
    """What the form says."""

    message_id: str
    outcome: Outcome
    reason: str
    """1 to 500 characters."""
    seen: int
    """Number of the latest decision that the reviewer knows; 0 for none."""


async def decide(
    engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, wanted: Deciding
) -> tuple[Decision, bool]:
    """Write a decision; return it, and whether the same person had decided the same before. It acknowledges as well.

    NotFound outside the viewer's schools; FailedPrecondition when screening did not withhold the message, and as
    check_decision says.
    """
    async with transaction(engine) as connection:
        standing = await locked(connection, visible(sight), wanted.message_id)
        if not standing.is_threat:
            raise FailedPrecondition("NOT_A_THREAT", "Screening did not withhold this message.")
        latest = standing.decision
        if latest and (latest.outcome, latest.reason, latest.person_id) == (wanted.outcome, wanted.reason, actor[0]):
            return latest, True
        check_decision(latest, wanted.outcome, wanted.seen, is_imported=standing.is_imported)
        number = latest.number + 1 if latest else 1
        decision = Decision(number, wanted.outcome, wanted.reason, actor.person_id, actor.name, clock())
        await _acknowledge(connection, actor, wanted.message_id, decision)
        await review.decide(connection, wanted.message_id, decision)
        action = f"threat.{decision.outcome}"
        await auditing.record(connection, decision.at, actor, action, wanted.message_id, f"decision={number}")
        await tell(connection, wanted.message_id, standing._replace(decision=decision))
    reviews.add(1, {"action": action})
    if standing.withheld_at and latest is None and not standing.is_imported:
        decision_delay.record(max(0.0, (decision.at - standing.withheld_at).total_seconds()))
    return decision, False


async def _acknowledge(connection: AsyncConnection, actor: Actor, message_id: str, decision: Decision) -> None:
    """Acknowledge what nobody has: whoever decides has seen it, and the alert closes for everybody."""
    by = Acknowledgement(actor.person_id, actor.name, decision.at)
    if await review.acknowledge(connection, message_id, by):
        await auditing.record(connection, decision.at, actor, "threat.acknowledged", message_id)
