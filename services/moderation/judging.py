"""Asking the provider: every text of a message, the gaps filled, and a pause when it keeps failing.

What the vendor does not evaluate is judged by the embedded model, so that a partial result is never taken as clean
(statement 166). After several failures in a row the vendor is left alone for a while: the circuit is open. It also is
for as long as the vendor asks for it (Retry-After), though never for longer than a message waits for the vendor.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.moderation.domain import Category, Judgement
from services.moderation.metrics import provider_errors
from services.moderation.providers.base import Provider, ProviderUnavailable, Text
from services.moderation.providers.embedded import Embedded

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 5.0
_AT_ONCE = 16


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
        self._failures = 0
        self._closed_again_at = 0.0
        self._room = asyncio.Semaphore(_AT_ONCE)

    @property
    def is_available(self) -> bool:
        """Whether the provider is asked at the moment."""
        return self._monotonic() >= self._closed_again_at

    async def judge(self, texts: Sequence[Text]) -> Judgement:
        """Return each category's highest score over the texts. ProviderUnavailable when the provider cannot say."""
        if not self.is_available:
            raise ProviderUnavailable("circuit_open")
        try:
            async with self._room:
                judged = await self._provider.judge(texts)
        except ProviderUnavailable as problem:
            self._failed(problem)
            raise
        self._failures = 0
        gaps = set(Category) - set().union(*(each.scores for each in judged))
        if gaps or any(len(each.scores) < len(Category) for each in judged):
            judged += await self._embedded.judge(texts)
        return _strongest(judged)

    async def judge_alone(self, texts: Sequence[Text]) -> Judgement:
        """Return the embedded model's judgement, in place of a provider that is out (statement 167)."""
        found = _strongest(await self._embedded.judge(texts))
        name = found.provider if self._provider is self._embedded else "embedded-fallback"
        return replace(found, provider=name)

    def _failed(self, problem: ProviderUnavailable) -> None:
        provider_errors.add(1, {"provider": self._provider.name, "error.type": str(problem)})
        self._failures += 1
        pause = min(problem.retry_after_seconds, self._longest_pause_seconds)
        if self._failures >= FAILURES_TO_OPEN:
            pause = max(pause, OPEN_SECONDS)
        self._closed_again_at = max(self._closed_again_at, self._monotonic() + pause)


def _strongest(judged: Sequence[Judgement]) -> Judgement:
    scores: dict[Category, float] = {}
    for each in judged:
        for name, score in each.scores.items():
            scores[name] = max(score, scores.get(name, 0.0))
    carrier = max(judged, key=lambda each: max(each.scores.values(), default=0.0))
    explained = carrier.explanation or next((each.explanation for each in judged if each.explanation), "")
    models = "+".join(dict.fromkeys(each.model for each in judged))
    is_uncertain = any(each.is_uncertain for each in judged)
    return Judgement(scores, judged[0].provider, models, explained, is_uncertain)
