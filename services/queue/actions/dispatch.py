"""Sending: claim a batch, commit, call its provider with no connection held, settle."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.queue import metrics
from services.queue.actions.lease import Lease, Terms
from services.queue.actions.quieting import holds_back
from services.queue.actions.refusing import outcome_of, refused
from services.queue.actions.settle import Pace, Settlement, settle_surely, sort_answers
from services.queue.domain import Channel, Lane, State
from services.queue.providers.base import Answer, Handed, Provider
from services.queue.records import Batch, Outcome, Recipient, Work
from services.queue.stop_points import reach
from services.queue.store import batches

_log = get_logger(__name__)


@dataclass
class Breaker:
    """Leaves a provider alone after it could not be reached: the pause doubles from 1 to 30 seconds."""

    until: float = 0.0
    pause_seconds: float = 0.0

    def is_open(self) -> bool:
        """Tell whether the provider is to be left alone now."""
        return time.monotonic() < self.until

    def failed(self, asked_seconds: float) -> float:
        """Open; return for how many seconds."""
        self.pause_seconds = min(30.0, max(1.0, self.pause_seconds * 2))
        pause = max(self.pause_seconds, min(asked_seconds, 300.0))
        self.until = time.monotonic() + pause
        return pause

    def answered(self) -> None:
        """Close: the provider is there."""
        self.pause_seconds = 0.0


@dataclass
class Dispatcher:
    """What the workers of one process share."""

    engine: AsyncEngine
    clock: Clock
    providers: Mapping[Channel, Provider]
    lease_seconds: float = 60.0
    """A dead dispatcher's batch is looked at after this long."""
    call_seconds: float = 15.0
    """The longest that one call of a provider may take."""
    pace: Pace = field(default_factory=Pace)
    emergency_ignores_stop: bool = False
    breakers: dict[Channel, Breaker] = field(default_factory=dict)
    is_stopping: bool = False
    """Set while the process stops: no further delivery is begun."""

    def breaker(self, channel: Channel) -> Breaker:
        """Return the breaker of a channel's provider."""
        return self.breakers.setdefault(channel, Breaker())

    def open_channels(self) -> list[Channel]:
        """Return the channels whose provider is not left alone."""
        return [each for each in self.providers if not self.breaker(each).is_open()]


async def dispatch_one(dispatcher: Dispatcher, lanes: Sequence[Lane]) -> bool:
    """Send the first due batch of these lanes, or put it off in quiet hours; False when there is none."""
    channels = dispatcher.open_channels()
    now = dispatcher.clock()
    lease = timedelta(seconds=dispatcher.lease_seconds)
    async with transaction(dispatcher.engine) as connection:
        batch = await batches.claim(connection, lanes, channels, now, lease) if channels else None
        if batch is None:
            return False
        if await holds_back(connection, batch, now):
            return True
        work = await batches.load(connection, batch)
        refusals = await _refused(dispatcher, work, connection)
    reach("after_claim")
    await send(dispatcher, work, refusals)
    return True


async def _refused(dispatcher: Dispatcher, work: Work, connection: AsyncConnection) -> dict[str, str]:
    is_exempt = work.content.is_emergency and dispatcher.emergency_ignores_stop
    destinations = [each.destination for each in work.recipients if each.destination]
    return await refused(connection, work.batch.channel, destinations, ignores_stop=is_exempt)


async def send(dispatcher: Dispatcher, work: Work, refusals: Mapping[str, str]) -> None:
    """Hand a claimed batch over and settle it."""
    batch = work.batch
    at_once = _decided(work, refusals)
    known = {each.number for each in at_once}
    ready = [each for each in work.recipients if each.number not in known]
    answers: list[Handed] = []
    if ready:
        handed = await _hand_over(dispatcher, work, ready)
        if handed is None:
            return
        answers = handed
    settlement = sort_answers(batch, dispatcher.providers[batch.channel].name, answers)
    settlement.outcomes += at_once
    _mind_the_breaker(dispatcher, batch, answers, settlement)
    destinations = {each.number: each.destination for each in work.recipients}
    is_settled = await settle_surely(
        dispatcher.engine, dispatcher.clock, batch, settlement, destinations, dispatcher.pace
    )
    if not is_settled:
        _log.warning("claim_lost", batch_id=batch.batch_id, entry_id=batch.entry_id)


def _decided(work: Work, refusals: Mapping[str, str]) -> list[Outcome]:
    """Return outcomes that need no provider: wrong contacts, no consent, the portal inbox alone, a late verdict."""
    attempt = work.batch.attempt
    if work.content.is_withheld:
        return [Outcome(each.number, State.WITHHELD, attempt, "lantern") for each in work.recipients]
    found = []
    for each in work.recipients:
        if each.problem:
            found.append(Outcome(each.number, State.ERROR, attempt, "lantern", "", each.problem))
        elif outcome := outcome_of(each.number, attempt, each.destination, refusals):
            found.append(outcome)
        elif not each.destination:
            found.append(Outcome(each.number, State.SENT, attempt, "inbox"))
    return found


async def _hand_over(dispatcher: Dispatcher, work: Work, ready: Sequence[Recipient]) -> list[Handed] | None:
    """Return the provider's answers; None when the claim was lost before anything was handed over."""
    batch, provider = work.batch, dispatcher.providers[work.batch.channel]
    terms = Terms(dispatcher.lease_seconds, dispatcher.call_seconds, provider.slice_size)
    lease = Lease(dispatcher.engine, dispatcher.clock, batch, terms)

    async def may_continue(number: int) -> bool:
        return not dispatcher.is_stopping and await lease.may_continue(number)

    if not await lease.begin():
        return None
    answers: list[Handed] = []
    started = time.monotonic()
    async with lease:
        async for handed in provider.hand_over(work, ready, may_continue):
            answers.append(handed)
            if handed.answer is Answer.TAKEN:
                reach("after_delivery")
    for answer, how_many in Counter(each.answer for each in answers).items():
        metrics.handed.add(how_many, {"provider": provider.name, "answer": answer.value})
    metrics.hand_over_duration.record(time.monotonic() - started, {"provider": provider.name})
    reach("after_provider_call")
    return answers


def _mind_the_breaker(dispatcher: Dispatcher, batch: Batch, answers: Sequence[Handed], settlement: Settlement) -> None:
    """Leave the provider alone when it could not be reached; what it did not take waits as long."""
    breaker = dispatcher.breaker(batch.channel)
    tried = [each for each in answers if each.answer is not Answer.NOT_TRIED]
    if not tried:
        return
    gone = [each for each in tried if each.answer in {Answer.UNREACHABLE, Answer.UNSURE}]
    provider = dispatcher.providers[batch.channel].name
    if len(gone) < len(tried):
        breaker.answered()
        metrics.breaker_open.set(0, {"provider": provider})
        return
    pause = breaker.failed(settlement.retry_after_seconds)
    settlement.retry_after_seconds = max(settlement.retry_after_seconds, pause)
    metrics.breaker_open.set(1, {"provider": provider})
    _log.warning("provider_unreachable", provider=provider, pause_seconds=round(pause, 1), deliveries=len(gone))
