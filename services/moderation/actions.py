"""What moderation does: screen what the queue asks for, once, and never let an outage pass for clean."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError, Unavailable
from services.kit.logs import get_logger
from services.kit.outbox import add_events
from services.moderation import metrics, store
from services.moderation.at_once import all_of
from services.moderation.batching import Batch
from services.moderation.concluding import Concluded, gravity, is_as_grave
from services.moderation.conversing import Conversations, Together, merged, told_together
from services.moderation.deciding import verdict_row, weighing
from services.moderation.domain import UNJUDGED, Decision, Judgement, Policy
from services.moderation.drift import VENDOR, WINDOW, Drifts
from services.moderation.judging import Judge
from services.moderation.leasing import LEASE, extended
from services.moderation.policies import Policies
from services.moderation.precedence import Precedence
from services.moderation.providers.base import ProviderUnavailable, Text, TextRefused
from services.moderation.reading import blocked_in, said_in, texts_of
from services.moderation.replacing import note_back, note_given_up, note_replaced

VERDICT_REACHED = "moderation.verdict.reached.v1"
_log = get_logger(__name__)
Ask = Callable[[Sequence[Text]], Awaitable[Judgement]]
"""Judges texts: the provider with its gaps filled, or the embedded model in its place."""
_LONGEST_TURN_SECONDS = 10.0
_NEXT_TRY = timedelta(seconds=2)
_UNHEARD_AFTER = timedelta(minutes=5)
_CLAIMED_AT_ONCE = 16
_LATELY = timedelta(hours=1)
_REFERENCE_ENDS, _REFERENCE_LASTS = timedelta(days=7), timedelta(days=28)


@dataclass
class Screening:
    """Screens the queue's requests with one judge."""

    engine: AsyncEngine
    judge: Judge
    policies: Policies
    conversations: Conversations
    clock: Clock
    outage: timedelta
    """How long a request waits for the provider before the embedded model decides."""
    precedence: Precedence = field(default_factory=Precedence)
    """Shared with what other systems ask, so that students' messages go first."""
    drifts: Drifts = field(default_factory=Drifts)

    async def screen(self, wanted: Sequence[requests.ScreeningRequested]) -> None:
        """Judge each request that has no verdict yet; what the provider cannot judge now waits in the database.

        A verdict of some time ago is told again: the question comes once more because nobody heard it.
        """
        async with transaction(self.engine) as connection:
            done = await self._tell_again(connection, {each.event_id: each for each in wanted})
        batch = Batch(self._judge_now, self._wait, self._store)
        with self.precedence.of_students():
            await batch.run([each for each in wanted if each.event_id not in done])

    async def _tell_again(
        self, connection: AsyncConnection, wanted: Mapping[str, requests.ScreeningRequested]
    ) -> set[str]:
        rows = {row["screening_id"]: row for row in await store.verdicts_on(connection, list(wanted))}
        # What was told a moment ago is under way: this is the same question twice, not one that got no answer.
        before = self.clock() - _UNHEARD_AFTER
        unheard = [(wanted[name], row) for name, row in rows.items() if row["reached_at"] < before]
        await add_events(connection, [(VERDICT_REACHED, Concluded(*each).event()) for each in unheard])
        return set(rows)

    async def screen_again(self, wanted: Sequence[requests.ScreeningRequested]) -> None:
        """Judge what was delivered once more, when no student waits. ResourceExhausted when that takes too long.

        Unavailable while the vendor does not judge and waiting may help: the question comes again, behind the students'
        messages. Kept beside those that wait for the vendor it would stand before them.
        """
        for request in wanted:
            async with self.precedence.of_others(_LONGEST_TURN_SECONDS):
                await self._screen_again(request)

    async def _screen_again(self, request: requests.ScreeningRequested) -> None:
        async with transaction(self.engine) as connection:
            done = await store.judged(connection, [request.event_id])
        if done:
            return
        try:
            concluded = await self._judge_now(request)
        except ProviderUnavailable as problem:
            wait = _NEXT_TRY.total_seconds()
            raise Unavailable("PROVIDER_UNAVAILABLE", "The vendor is out.", retry_after_seconds=wait) from problem
        await self._store([concluded])

    async def look_after_waiting(self) -> int:
        """Screen what waits for the provider, measure what still does; return how many requests got a verdict.

        Administrators are told of a vendor that judges again, and texts of old conversations are forgotten.
        """
        concluded = await self.screen_waiting()
        await self.measure_waiting()
        await self.watch_provider()
        await self.conversations.forget(self.clock())
        return concluded

    async def compare(self) -> None:
        """See who else judges, and take what the vendor gave over a week ago as its drift's reference."""
        await self.compare_replicas()
        if not self.judge.is_alone:
            await self.compare_vendor()

    async def screen_waiting(self) -> int:
        """Try requests that wait, by the embedded model if they waited too long; return how many got a verdict."""
        now = self.clock()
        until = now + LEASE
        async with transaction(self.engine) as connection:
            claimed = await store.claim_waiting(connection, now, _CLAIMED_AT_ONCE, until)
        leased = {each.screening_id for each in claimed}
        put_off: set[str] = set()

        async def later(request: requests.ScreeningRequested) -> None:
            leased.discard(request.event_id)
            put_off.add(request.event_id)
            await self._try_again([request.event_id], _NEXT_TRY)

        batch = Batch(self._judge_late, later, self._store)
        with self.precedence.of_students():
            async with extended(self.engine, self.clock, leased, until):
                await batch.run([requests.ScreeningRequested.FromString(each.payload) for each in claimed])
        return len(claimed) - len(put_off)

    async def _judge_late(self, request: requests.ScreeningRequested) -> Concluded:
        """Judge a request that waits, by the embedded model once it has waited too long; hold it if that fails."""
        try:
            return await self._judge_or_replace(request)
        except (ProviderUnavailable, ServiceError):
            raise
        except Exception as problem:  # noqa: BLE001  the waiting are tried for ever: one must not end the process
            return await self._unjudged(request, problem)

    async def _judge_or_replace(self, request: requests.ScreeningRequested) -> Concluded:
        try:
            return await self._judge_now(request)
        except ProviderUnavailable:
            now = self.clock()
            if now - request.requested_at.ToDatetime(now.tzinfo) < self.outage:
                raise
            return await self._replace(request)

    async def hold(self, request: requests.ScreeningRequested, problem: Exception) -> None:
        """Give a request on which judging fails again and again the verdict that a person has to read it."""
        await self._store([await self._unjudged(request, problem)])

    async def _unjudged(self, request: requests.ScreeningRequested, problem: Exception) -> Concluded:
        _log.error("judging_failed", exc_info=problem, screening_id=request.event_id)
        policy = await self.policies.in_force()
        return Concluded(request, verdict_row(request, UNJUDGED, policy, self.clock()))

    async def measure_waiting(self) -> float:
        """Measure how long the oldest request waits for the provider (statement 167); return it, in seconds."""
        async with transaction(self.engine) as connection:
            _, since = await store.backlog(connection)
        age = (self.clock() - since).total_seconds() if since else 0.0
        metrics.backlog_age.set(age)
        return age

    async def watch_provider(self) -> None:
        """Tell administrators that the vendor judges again, when it does after they were told that it is out."""
        ago, now = self.judge.answered_seconds_ago, self.clock()
        if self.judge.is_alone:
            await note_given_up(self.engine, now)
            return
        if ago is not None:
            await note_back(self.engine, now - timedelta(seconds=ago), now)

    async def compare_replicas(self) -> None:
        """Warn in the log when others have judged by another provider of late: messages fare as chance has it then."""
        now = self.clock()
        others = (VENDOR, "embedded-fallback") if self.judge.is_alone else ("embedded",)
        async with transaction(self.engine) as connection:
            found = [name for name in others if await store.scores_between(connection, name, now - _LATELY, now, 1)]
        if found:
            _log.warning("provider_differs", is_embedded_alone=self.judge.is_alone, others=found)

    async def compare_vendor(self) -> None:
        """Compare the vendor's scores from now on with those that it gave over a week ago."""
        until = self.clock() - _REFERENCE_ENDS
        async with transaction(self.engine) as connection:
            found = await store.scores_between(connection, VENDOR, until - _REFERENCE_LASTS, until, WINDOW)
        self.drifts.compare_vendor_with(found)

    async def _wait(self, request: requests.ScreeningRequested) -> None:
        asked_at = request.requested_at.ToDatetime(self.clock().tzinfo)
        kept = store.Waiting(request.event_id, request.SerializeToString(), asked_at)
        async with transaction(self.engine) as connection:
            await store.wait(connection, kept, self.clock() + _NEXT_TRY)

    async def _try_again(self, screening_ids: Sequence[str], after: timedelta) -> None:
        async with transaction(self.engine) as connection:
            await store.try_again_at(connection, screening_ids, self.clock() + after)

    async def _judge_now(self, request: requests.ScreeningRequested) -> Concluded:
        """Judge a request, by the embedded model when waiting does not help. ProviderUnavailable when it may."""
        try:
            return await self._judge(request)
        except ProviderUnavailable as problem:
            if not problem.is_lasting:
                raise
            if isinstance(problem, TextRefused):
                return await self._judge(request, self.judge.judge_alone)
            return await self._replace(request)

    async def _replace(self, request: requests.ScreeningRequested) -> Concluded:
        """Judge a request by the embedded model, in the place of a vendor that is out."""
        return replace(await self._judge(request, self.judge.judge_alone), trouble=self.judge.trouble)

    async def _judge(self, request: requests.ScreeningRequested, ask: Ask | None = None) -> Concluded:
        policy = await self.policies.in_force()
        ask = ask or partial(self.judge.judge, weigh=weighing(request, policy))
        return Concluded(request, await self._verdict(request, policy, ask))

    async def _store(self, reached: Sequence[Concluded]) -> None:
        """Store verdicts with their events in one transaction; those whose request has one already are dropped."""
        if not reached:
            return
        async with transaction(self.engine) as connection:
            added = await store.add_verdicts(connection, [each.row for each in reached])
            new = [each for each in reached if each.row["verdict_id"] in added]
            if held := [each.request.message_id for each in new if each.is_held_alone]:
                await store.mark_held(connection, held)
            await add_events(connection, [(VERDICT_REACHED, each.event()) for each in new])
            if trouble := next((each.trouble for each in new if each.trouble), None):
                await note_replaced(connection, trouble, self.clock())
        for each in new:
            if each.row["scores"] and not each.row["is_rescreening"]:
                self.drifts.note(each.row["provider"], each.row["model"], each.row["scores"])
            each.measure()

    async def _verdict(self, request: requests.ScreeningRequested, policy: Policy, ask: Ask) -> store.Row:
        """Return the verdict on a message alone, or among its neighbours where that is graver."""
        said = said_in(request, policy)
        # What is judged again was said long ago: the texts around it are gone.
        together = None if request.rescreening_id else await self.conversations.together(request, said)
        alone = await ask(texts_of(request, said))
        phrases = await blocked_in(request, policy)
        row = verdict_row(request, alone, policy, self.clock(), phrases)
        if together is None or row["holds"] or row["decision"] == Decision.HOLD:
            return row

        async def read(among: Together) -> store.Row:
            others = len(among.others)
            found = verdict_row(request, merged(alone, await ask(among.texts)), policy, self.clock(), phrases)
            return found | {"context_messages": others, "explanation": told_together(others, found["explanation"])}

        others: dict[str, store.Row] = {}
        while together and gravity(graver := await read(together)) > gravity(row):
            # One that is as grave by itself says nothing about this one: what is left is read again.
            others = others or await self._others(request, together, policy, ask)
            left = together.without([name for name, each in others.items() if is_as_grave(each, graver)])
            if left == together:
                return graver
            together = left
        return row

    async def _others(
        self, request: requests.ScreeningRequested, together: Together, policy: Policy, ask: Ask
    ) -> dict[str, store.Row]:
        """Return the verdicts on the other messages, each for what it says alone."""
        judged = await all_of(ask([each]) for each in together.others)
        rows = [verdict_row(request, each, policy, self.clock()) for each in judged]
        return {each.content_id: row for each, row in zip(together.others, rows, strict=True)}
