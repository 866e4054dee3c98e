"""Judging requests at once: conversations beside each other, the messages of one conversation in their order.

A message that holds is marked before the next of its conversation is judged, so that it does not condemn that one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from protos.events.v1 import queue_pb2 as requests
from services.moderation.at_once import all_of
from services.moderation.concluding import Concluded
from services.moderation.providers.base import ProviderUnavailable

_LONGEST_UNSTORED_SECONDS = 0.5


def by_conversation(wanted: Iterable[requests.ScreeningRequested]) -> list[list[requests.ScreeningRequested]]:
    """Return the requests without repetitions: those of one conversation together, in their order."""
    found: dict[str, list[requests.ScreeningRequested]] = {}
    for request in {each.event_id: each for each in wanted}.values():
        found.setdefault(request.conversation_key or request.event_id, []).append(request)
    return list(found.values())


@dataclass
class Batch:
    """Judges requests and stores their verdicts together, at most half a second late; one that holds at once."""

    judge: Callable[[requests.ScreeningRequested], Awaitable[Concluded]]
    put_off: Callable[[requests.ScreeningRequested], Awaitable[None]]
    """What becomes of a request that the provider cannot judge now."""
    store: Callable[[Sequence[Concluded]], Awaitable[None]]
    _reached: list[Concluded] = field(default_factory=list)

    async def run(self, wanted: Sequence[requests.ScreeningRequested]) -> None:
        """Judge, store or put off every one of them. Raises the first error of those that fail."""
        work = asyncio.ensure_future(all_of(self._in_order(each) for each in by_conversation(wanted)))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=_LONGEST_UNSTORED_SECONDS)
                await self._keep()
            # What was reached while the last ones were being stored.
            await self._keep()
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        work.result()

    async def _in_order(self, conversation: Sequence[requests.ScreeningRequested]) -> None:
        for request in conversation:
            try:
                concluded = await self.judge(request)
            except ProviderUnavailable:
                await self.put_off(request)
                continue
            self._reached.append(concluded)
            if concluded.row["holds"]:
                await self._keep()

    async def _keep(self) -> None:
        reached, self._reached = self._reached, []
        await self.store(reached)
