"""Sending: claim batches, commit, call their providers with no connection held, settle."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.queue import metrics
from services.queue.actions.accounts import Refusal, note_refusal
from services.queue.actions.answers import Settlement, kind_of, refuses_account, sort_answers
from services.queue.actions.failover import Failover
from services.queue.actions.lease import Lease, Terms
from services.queue.actions.pacing import Pacer
from services.queue.actions.quieting import holds_back
from services.queue.actions.refusing import outcome_of, with_refusals
from services.queue.actions.settle import Done, Pace, Settler
from services.queue.domain import Channel, Lane, State
from services.queue.providers.base import Answer, Handed, Provider, Standby
from services.queue.records import Outcome
from services.queue.stop_points import reach
from services.queue.store import batches, loading, translations
from services.queue.work import Batch, Delivery, Full, Paced, Wanted, Work

_log = get_logger(__name__)
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass
class Breaker:
    """Leaves a provider alone after it could not be reached: the pause doubles from 1 to 30 seconds."""

    until: float = 0.0
    pause_seconds: float = 0.0
    """The latest; what the provider asked for is no part of it."""

    def is_open(self) -> bool:
        """Tell whether the provider is to be left alone now."""
        return time.monotonic() < self.until

    def failed(self, asked_seconds: float) -> float:
        """Open; return for how many seconds. Batches that were under way together count as one failure."""
        if not self.is_open():
            self.pause_seconds = min(_LONGEST_PAUSE_SECONDS, max(1.0, self.pause_seconds * 2))
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
    rates: Mapping[str, float] = field(default_factory=dict)
    """Calls a second that all dispatchers together may make, by the provider's name; no limit for others."""
    standbys: Mapping[Channel, Standby] = field(default_factory=dict)
    """Who takes a channel's batches while its provider has been failing."""
    standby_after_seconds: float = 30.0
    breakers: dict[Channel, Breaker] = field(default_factory=dict)
    settler: Settler = field(init=False)
    pacer: Pacer = field(init=False)
    failover: Failover = field(init=False)
    is_stopping: bool = False
    """Set while the process stops: no further delivery is begun."""

    def __post_init__(self) -> None:
        """Settle with the same pace, and give calls their turns."""
        self.settler = Settler(self.engine, self.clock, self.pace)
        self.pacer = Pacer(self.engine, self.clock, self.rates)
        after = timedelta(seconds=self.standby_after_seconds)
        self.failover = Failover(self.engine, self.clock, self.standbys, after)

    def adapters(self) -> list[Provider]:
        """Return every adapter, standbys too."""
        return [*self.providers.values(), *self.standbys.values()]

    def breaker(self, channel: Channel) -> Breaker:
        """Return the breaker of a channel's provider."""
        return self.breakers.setdefault(channel, Breaker())

    def wanted(self, lanes: Sequence[Lane], most: int = 1) -> Wanted:
        """Return what may be claimed: of providers that are not left alone, and have not enough to do."""
        slices = {each: one.slice_size for each, one in self.providers.items() if not self.breaker(each).is_open()}
        full = Full(self._full(is_urgent=True), self._full(is_urgent=False))
        return Wanted(lanes, slices, most, full, self._paced() if self.rates else ())

    def name_of(self, batch: Batch) -> str:
        """Return the name of a batch's provider."""
        return self.providers[batch.channel].name

    def _full(self, *, is_urgent: bool) -> list[Channel]:
        return [each for each, one in self.providers.items() if self.pacer.is_full(one.name, is_urgent=is_urgent)]

    def _paced(self) -> list[Paced]:
        standbys = {each: one.name for each, one in self.standbys.items()}
        return [Paced(each, one.name, standbys.get(each, "")) for each, one in self.providers.items()]


@dataclass(frozen=True)
class Claimed:
    """What was claimed at once."""

    due: int
    """How many batches were due; those of schools with quiet hours were put off, those without room given back."""
    works: Sequence[Work]
    until: float
    """When the leases end, by time.monotonic()."""


async def claim(dispatcher: Dispatcher, lanes: Sequence[Lane], most: int) -> Claimed:
    """Claim the first due batches of these lanes, at most so many."""
    wanted = dispatcher.wanted(lanes, most)
    # Measured before the database is asked, so that our idea of the leases ends before the database's.
    until = time.monotonic() + dispatcher.lease_seconds
    now, lease = dispatcher.clock(), timedelta(seconds=dispatcher.lease_seconds)
    if not wanted.slices:
        return Claimed(0, [], until)
    async with transaction(dispatcher.engine) as connection:
        due = await batches.claim(connection, wanted, now, lease)
        leaving = [each for each in due if not await holds_back(connection, each, now)]
        for each in dispatcher.pacer.too_many([(dispatcher.name_of(one), one) for one in leaving]):
            await batches.give_back(connection, each, None, now)
            leaving.remove(each)
        await translations.end_waiting(connection, leaving, now)
        works = await loading.load(connection, leaving) if leaving else []
        works = await with_refusals(connection, works)
    for work in works:
        dispatcher.pacer.take_in(dispatcher.name_of(work.batch), work.batch)
    if works:
        reach("after_claim")
    return Claimed(len(due), works, until)


async def send(dispatcher: Dispatcher, work: Work, until: float) -> None:
    """Hand a claimed batch over and settle it; `until` is when its lease ends."""
    batch = work.batch
    at_once, ready = _decided(work)
    provider = dispatcher.providers[batch.channel]
    try:
        if ready:
            provider = await dispatcher.failover.provider_for(provider, batch)
        answers = await _hand_over(dispatcher, provider, work, ready, until) if ready else []
    finally:
        dispatcher.pacer.let_go(batch)
    tally = _tally(provider, answers)
    settlement = sort_answers(batch, provider.name, answers)
    settlement.outcomes += at_once
    if settlement.account_code:
        refusal = Refusal(provider.name, settlement.account_code, batch.lane is Lane.EMERGENCY)
        await note_refusal(dispatcher.engine, dispatcher.clock, refusal)
    await _mind_the_breaker(dispatcher, provider, batch, tally, settlement)
    if not await dispatcher.settler.settle(Done(batch, settlement)):
        _log.warning("claim_lost", batch_id=batch.batch_id, entry_id=batch.entry_id)


def _decided(work: Work) -> tuple[list[Outcome], list[Delivery]]:
    """Return outcomes that need no provider, and the deliveries that do.

    Without a provider are wrong contacts, refused destinations, the portal inbox alone, a late verdict, a cancellation.
    """
    attempt = work.batch.attempt
    if work.content.is_withheld or work.content.is_cancelled:
        stopped = State.CANCELLED if work.content.is_cancelled else State.WITHHELD
        return [Outcome(each.number, stopped, attempt, "lantern") for each in work.recipients], []
    found, ready = [], []
    for each in work.recipients:
        if each.problem:
            found.append(Outcome(each.number, State.ERROR, attempt, "lantern", "", each.problem))
        elif code := work.refusals.get(each.destination):
            found.append(outcome_of(each.number, attempt, code))
        elif not each.destination:
            found.append(Outcome(each.number, State.SENT, attempt, "inbox"))
        else:
            ready.append(each)
    return found, ready


async def _hand_over(
    dispatcher: Dispatcher, provider: Provider, work: Work, ready: Sequence[Delivery], until: float
) -> list[Handed]:
    """Return the provider's answers."""
    batch = work.batch
    terms = Terms(dispatcher.lease_seconds, dispatcher.call_seconds, provider.slice_size)
    lease = Lease(dispatcher.engine, dispatcher.clock, batch, terms, until)

    is_refused = False

    async def may_continue(number: int) -> bool:
        if is_refused:
            return False
        if dispatcher.rates and not await dispatcher.pacer.turn(provider.name, batch):
            return False
        return not dispatcher.is_stopping and await lease.may_continue(number)

    answers: list[Handed] = []
    started = time.monotonic()
    async with lease:
        async for some in provider.hand_over(work, ready, may_continue):
            answers += some
            # Whom a provider refuses for our account's sake it need not be asked about a thousand times.
            unreached = [each for each in some if each.answer is Answer.UNREACHABLE]
            is_refused = is_refused or any(refuses_account(provider.name, each) for each in unreached)
            reach("after_delivery", [each.answer for each in some].count(Answer.TAKEN))
    metrics.hand_over_duration.record(time.monotonic() - started, {"provider": provider.name})
    reach("after_provider_call")
    return answers


def _tally(provider: Provider, answers: Sequence[Handed]) -> Counter[Answer]:
    """Return how many answers of each kind there are, and measure them."""
    # Nearly all are taken, and say nothing else: only the others are looked at one by one.
    others = [each for each in answers if each.answer is not Answer.TAKEN]
    said = Counter([(each.answer, kind_of(provider.name, each)) for each in others])
    if taken := len(answers) - len(others):
        said[Answer.TAKEN, ""] = taken
    tally: Counter[Answer] = Counter()
    for (answer, kind), how_many in said.items():
        tally[answer] += how_many
        metrics.handed.add(how_many, {"provider": provider.name, "answer": answer.value, "class": kind})
    return tally


async def _mind_the_breaker(
    dispatcher: Dispatcher, provider: Provider, batch: Batch, tally: Counter[Answer], settlement: Settlement
) -> None:
    """Leave the provider alone when it could not be reached; what it did not take waits as long, or for its standby."""
    breaker = dispatcher.breaker(batch.channel)
    tried, gone = tally.total() - tally[Answer.NOT_TRIED], tally[Answer.UNREACHABLE] + tally[Answer.UNSURE]
    if not tried:
        return
    # Numbers that it finds wrong it refuses also while it takes nothing from our account.
    is_gone = gone == tried or (bool(settlement.account_code) and not tally[Answer.TAKEN])
    is_usual = provider is dispatcher.providers[batch.channel]
    if is_usual and await dispatcher.failover.heard(provider, is_gone=is_gone):
        # The standby need not wait for what other batches of the usual one have met.
        dispatcher.breakers.pop(batch.channel, None)
        if pause := dispatcher.failover.pause_seconds(batch):
            # The standby does not take it: the rest waits with those who were refused, not to be refused at once, too.
            settlement.unreached, settlement.not_tried = settlement.unreached + settlement.not_tried, []
        settlement.retry_after_seconds = pause
        return
    if not is_gone:
        breaker.answered()
        metrics.breaker_open.set(0, {"provider": provider.name})
        return
    if settlement.account_code:
        # The rest was not tried because of it, and waits with those who were.
        settlement.unreached, settlement.not_tried = settlement.unreached + settlement.not_tried, []
    asked = _heeded(dispatcher, batch, settlement.retry_after_seconds)
    pause = breaker.failed(asked)
    settlement.retry_after_seconds = max(asked, pause)
    metrics.breaker_open.set(1, {"provider": provider.name})
    _log.warning(
        "provider_unreachable",
        provider=provider.name,
        pause_seconds=round(pause, 1),
        deliveries=gone,
        unsure=tally[Answer.UNSURE],
        code=settlement.account_code,
    )


def _heeded(dispatcher: Dispatcher, batch: Batch, asked_seconds: float) -> float:
    """Return for how long a provider that asks for it is left alone.

    Where there is a standby the usual provider must be tried, or nobody would learn that it keeps failing.
    """
    if batch.channel not in dispatcher.standbys:
        return asked_seconds
    return min(asked_seconds, dispatcher.standby_after_seconds, _LONGEST_PAUSE_SECONDS)
