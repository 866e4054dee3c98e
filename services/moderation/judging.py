"""Asking the provider: every text of a message, the gaps filled, and a pause when it keeps failing.

What the vendor does not evaluate is judged by the embedded model, so that a partial result is never taken as clean
(statement 166). By what the embedded model would hold the message is watched at least, and in a language that the
vendor does not name the graver score counts. After several failures in a row the vendor is left alone for a while: the
circuit is open. It also is for as long as the vendor asks for it (Retry-After), though never for longer than a message
waits for the vendor. Once waiting does not help any more, because the vendor refuses us or has failed for as long as a
message waits, it is given up: nothing waits for it until it answers again. One that refuses text after text, whatever
they say, refuses us.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.moderation.domain import Category, Explanation, Judgement, Outcome, Trouble
from services.moderation.metrics import filled, provider_errors
from services.moderation.providers.base import Provider, ProviderUnavailable, Text, TextRefused
from services.moderation.providers.embedded import Embedded

Weigh = Callable[[Judgement], Outcome]
"""Says what the policy makes of a judgement."""
FAILURES_TO_OPEN = 5
REFUSALS_TO_OPEN = 10
"""Texts refused one after another, with no answer between, of which it is not the texts that the vendor refuses."""
OPEN_SECONDS = 5.0
_MESSAGES_AT_ONCE = 16
"""Messages that the vendor is asked about at the same time."""
_FAIR_SECONDS = 1.0
"""A provider that does not answer in this time fails."""
_OURS_ALONE = frozenset({"ht"})
"""Languages that the embedded model learnt and the vendor does not name among its own."""
_TROUBLES = {
    "quota_exceeded": Trouble.QUOTA,
    "key_refused": Trouble.REFUSED,
    "permission_denied": Trouble.REFUSED,
    "not_found": Trouble.REFUSED,
    "refused": Trouble.REFUSED,
}
"""What the failures of a provider mean to people; any other is silence."""


@dataclass
class _Turn:
    """A message's turn to be judged."""

    asked_at: float | None = None
    """When the vendor itself was asked, on the judge's clock; None while it is not."""


class Judge:
    """Judges messages with one provider and the embedded model beside it."""

    def __init__(
        self,
        provider: Provider,
        embedded: Embedded,
        longest_pause_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """The provider may be the embedded model. It is asked again after the longest pause, whatever it says."""
        self._provider, self._embedded = provider, embedded
        self._longest_pause_seconds, self._monotonic = longest_pause_seconds, monotonic
        self._failures = self._refusals = 0
        self._failing_since: float | None = None
        self._is_refused = False
        self._answered_at: float | None = None
        self._closed_again_at = 0.0
        self._room = asyncio.Semaphore(_MESSAGES_AT_ONCE)
        self.trouble = Trouble.SILENT

    @property
    def is_alone(self) -> bool:
        """Whether there is no vendor: the embedded model is the provider."""
        return self._provider is self._embedded

    @property
    def is_available(self) -> bool:
        """Whether the provider is asked at the moment."""
        return self._monotonic() >= self._closed_again_at

    @property
    def is_given_up(self) -> bool:
        """Whether waiting for the provider does not help."""
        if self._is_refused or self._failing_since is None or self._failures < 2:
            return self._is_refused
        return self._monotonic() - self._failing_since >= self._longest_pause_seconds

    @property
    def answered_seconds_ago(self) -> float | None:
        """How long ago the vendor judged a text; None when it has not, or the embedded model is the provider."""
        if self._answered_at is None or self.is_alone:
            return None
        return self._monotonic() - self._answered_at

    async def judge(self, texts: Sequence[Text], weigh: Weigh | None = None) -> Judgement:
        """Return each category's highest score over the texts. ProviderUnavailable when the provider cannot say.

        Before the vendor the embedded model judges: what the policy makes of that is handed in, and it explains.
        """
        return await self._judge(texts, weigh, _Turn())

    async def _judge(self, texts: Sequence[Text], weigh: Weigh | None, turn: _Turn) -> Judgement:
        if self.is_alone:
            return _strongest(await self._embedded.judge(texts))
        self._check_circuit()
        local = await self._embedded.judge(texts)
        if weigh:
            texts = [replace(text, local=weigh(each)) for text, each in zip(texts, local, strict=True)]
        async with self._room:
            judged = await self._ask(texts, turn)
        return _strongest([_filled(*each) for each in zip(judged, local, texts, strict=True)])

    async def _ask(self, texts: Sequence[Text], turn: _Turn) -> list[Judgement]:
        # What waited for its place is not asked any more when those before it found the vendor out.
        self._check_circuit()
        if self._failures >= FAILURES_TO_OPEN or self._is_refused:
            # One asks whether it is back; the others do not wait for that answer.
            self._closed_again_at = self._monotonic() + OPEN_SECONDS
        turn.asked_at = self._monotonic()
        try:
            judged = await self._provider.judge(texts)
        except TextRefused as problem:
            self._refused(problem)
            raise
        except ProviderUnavailable as problem:
            self._failed(problem)
            raise ProviderUnavailable(str(problem), is_lasting=self.is_given_up) from problem
        self._answered()
        return judged

    async def judge_within(self, texts: Sequence[Text], seconds: float | None, weigh: Weigh | None = None) -> Judgement:
        """Return a judgement for somebody who gives the vendor so long (None: as long as it takes).

        The embedded model decides when it does not answer in that, or when none of that is left.
        """
        if seconds is not None and seconds <= 0:
            return await self.judge_alone(texts)
        limit, turn = None if self.is_alone else seconds, _Turn()
        try:
            async with asyncio.timeout(limit):
                return await self._judge(texts, weigh, turn)
        except TimeoutError:
            # A caller in a hurry says nothing about the provider, nor does a wait for our own model or for a place.
            if turn.asked_at is not None and self._monotonic() - turn.asked_at >= _FAIR_SECONDS:
                self._failed(ProviderUnavailable("timeout"))
        except ProviderUnavailable:
            pass
        return await self.judge_alone(texts)

    async def judge_alone(self, texts: Sequence[Text]) -> Judgement:
        """Return the embedded model's judgement, in place of a provider that is out (statement 167)."""
        found = _strongest(await self._embedded.judge(texts))
        name = found.provider if self.is_alone else "embedded-fallback"
        return replace(found, provider=name)

    def _check_circuit(self) -> None:
        if not self.is_available:
            raise ProviderUnavailable("circuit_open", is_lasting=self.is_given_up)

    def _refused(self, problem: TextRefused) -> None:
        """Count a refused text. ProviderUnavailable when so many were refused that it is not for what they say."""
        self._refusals += 1
        if self._refusals < REFUSALS_TO_OPEN:
            self._count(problem)
            return
        refused = ProviderUnavailable(str(problem), is_lasting=True)
        self._failed(refused)
        raise refused from problem

    def _answered(self) -> None:
        self._refusals = 0
        self._failures, self._failing_since, self._is_refused, self._closed_again_at = 0, None, False, 0.0
        self._answered_at = self._monotonic()

    def _failed(self, problem: ProviderUnavailable) -> None:
        self._count(problem)
        now = self._monotonic()
        self._failures += 1
        self._is_refused, self.trouble = problem.is_lasting, _TROUBLES.get(str(problem), Trouble.SILENT)
        self._failing_since = now if self._failing_since is None else self._failing_since
        pause = min(problem.retry_after_seconds, self._longest_pause_seconds)
        if self._is_refused:
            pause = max(self._longest_pause_seconds, OPEN_SECONDS)
        elif self._failures >= FAILURES_TO_OPEN:
            pause = max(pause, OPEN_SECONDS)
        self._closed_again_at = max(self._closed_again_at, now + pause)

    def _count(self, problem: ProviderUnavailable) -> None:
        provider_errors.add(1, {"provider": self._provider.name, "error.type": str(problem)})


def _filled(judged: Judgement, local: Judgement, text: Text) -> Judgement:
    """Return the vendor's judgement on a text, with what it left out and what it cannot say of our model's."""
    scores = {**local.scores, **judged.scores}
    for name in local.scores.keys() - judged.scores.keys():
        filled.add(1, {"category": name.value})
    if local.language in _OURS_ALONE:
        scores = {name: max(score, local.scores[name]) for name, score in scores.items()}
    return replace(
        judged,
        scores=scores,
        model=judged.model if scores == judged.scores else f"{judged.model}+{local.model}",
        explanations={**local.explanations, **judged.explanations},
        # What our model cannot read somebody should look at, also when the vendor finds nothing in it.
        is_uncertain=judged.is_uncertain or local.is_uncertain,
        doubts=text.local.holds if text.local else frozenset(),
    )


def _strongest(judged: Sequence[Judgement]) -> Judgement:
    """Return each category's highest score, and why it has it as far as one of the judgements can say."""
    scores: dict[Category, float] = {}
    explanations: dict[Category, Explanation] = {}
    explained: dict[Category, float] = {}
    for each in judged:
        for name, score in each.scores.items():
            if name in each.explanations and score >= explained.get(name, 0.0):
                explanations[name], explained[name] = each.explanations[name], score
            scores[name] = max(score, scores.get(name, 0.0))
    models = "+".join(dict.fromkeys(name for each in judged for name in each.model.split("+")))
    is_uncertain = any(each.is_uncertain for each in judged)
    doubts = frozenset[Category]().union(*(each.doubts for each in judged))
    return Judgement(scores, judged[0].provider, models, explanations, is_uncertain, doubts=doubts)
