"""What the queue learns from the others: verdicts, and what reviewers decided about threats."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import moderation_pb2, reports_pb2
from protos.types.v1 import types_pb2 as types
from services.kit.bus import Bus
from services.kit.clock import Clock
from services.kit.consumer import Consumer, Subscribing
from services.kit.db import transaction
from services.kit.handling import Event, Poison
from services.kit.outbox import first_time
from services.queue.actions.releasing import release
from services.queue.actions.rescreening import Judged, KnownNow, apply_verdict_again
from services.queue.actions.screening import apply_verdict

VERDICTS = "moderation.verdict.reached.v1"
DURABLE = "queue-verdicts"
REVIEWS = "reports.review.changed.v1"
REVIEWS_DURABLE = "queue-reviews"
_LETS_GO = {types.Verdict.DECISION_CLEAN, types.Verdict.DECISION_WATCH}


def verdict_consumer(bus: Bus, engine: AsyncEngine, clock: Clock) -> Consumer:
    """Return the consumer of verdicts."""

    async def handle(events: Sequence[Event]) -> None:
        for event in events:
            await on_verdict(engine, clock, event)

    return Consumer(bus, Subscribing("moderation", DURABLE, (VERDICTS,)), handle)


def review_consumer(bus: Bus, engine: AsyncEngine, clock: Clock, known: KnownNow) -> Consumer:
    """Return the consumer of reviews."""

    async def handle(events: Sequence[Event]) -> None:
        for event in events:
            await on_review(engine, clock, event, known)

    return Consumer(bus, Subscribing("reports", REVIEWS_DURABLE, (REVIEWS,)), handle)


async def on_verdict(engine: AsyncEngine, clock: Clock, event: Event) -> None:
    """Let a held message go or withhold it. Anything but a whole decision is poison: it stays held."""
    reached = moderation_pb2.VerdictReached.FromString(event.payload)
    verdict = reached.verdict
    if verdict.decision not in _LETS_GO | {types.Verdict.DECISION_HOLD}:
        raise Poison("a verdict without a decision")
    holds = verdict.decision == types.Verdict.DECISION_HOLD
    async with transaction(engine) as connection:
        if await first_time(connection, DURABLE, reached.event_id):
            raw = verdict.SerializeToString()
            if reached.rescreening_id:
                about = (reached.rescreening_id, verdict.message_id)
                await apply_verdict_again(connection, Judged(*about, raw, holds, reached.translated_into), clock())
            else:
                await apply_verdict(
                    connection,
                    verdict.message_id,
                    raw,
                    clock(),
                    holds=holds,
                    translated_into=reached.translated_into,
                )


async def on_review(engine: AsyncEngine, clock: Clock, event: Event, known: KnownNow) -> None:
    """Release what a reviewer released; flags, acknowledgements and what is kept change nothing here.

    A release is for ever, so that an older event that comes late cannot undo it.
    """
    review = reports_pb2.ReviewChanged.FromString(event.payload)
    if review.decision != types.THREAT_DECISION_RELEASED:
        return
    rules = await known()
    async with transaction(engine) as connection:
        if await first_time(connection, REVIEWS_DURABLE, review.event_id):
            await release(connection, review.message_id, rules, clock())
