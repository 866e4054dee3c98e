"""What the processes do over and over, beside answering calls; every loop outlives its database and its providers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.kit.outage import Outage
from services.queue.actions.dispatch import Dispatcher, dispatch_one
from services.queue.domain import Lane
from services.queue.store import batches


async def repeat(name: str, pause_seconds: float, step: Callable[[], Awaitable[object]]) -> None:
    """Run a step until cancelled: at once again while it finds something to do, else after the pause."""
    outage = Outage(part=name)
    while True:
        try:
            found = await step()
        except ServiceError as problem:
            await outage.wait(problem.reason)
            continue
        outage.over()
        if not found:
            await asyncio.sleep(pause_seconds)


class Workers:
    """Sends due batches with several workers; one looks for work while the others sleep."""

    def __init__(self, dispatcher: Dispatcher, workers: int, poll_seconds: float) -> None:
        """Beside the workers for every lane there is one for alerts alone, and one for alerts and emergencies."""
        self._dispatcher, self._poll_seconds = dispatcher, poll_seconds
        self._lanes: list[Sequence[Lane]] = [[Lane.ALERT], [Lane.ALERT, Lane.EMERGENCY], *[list(Lane)] * workers]
        self._woken = asyncio.Event()
        self._outage = Outage(part="dispatch")
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Send until cancelled, or until `stop`."""
        self._tasks = [asyncio.create_task(self._work(lanes)) for lanes in self._lanes]
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.gather(*self._tasks)
        finally:
            for each in (watching, *self._tasks):
                each.cancel()
            await asyncio.gather(watching, *self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Begin no further delivery, and wait until those at work are settled."""
        self._dispatcher.is_stopping = True
        self._woken.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, lanes: Sequence[Lane]) -> None:
        while not self._dispatcher.is_stopping:
            try:
                found = await dispatch_one(self._dispatcher, lanes)
            except ServiceError as problem:
                await self._outage.wait(problem.reason)
                continue
            self._outage.over()
            if not found:
                await self._woken.wait()

    async def _watch(self) -> None:
        """Wake the workers when a batch is due."""
        while True:
            self._woken.clear()
            await asyncio.sleep(self._poll_seconds)
            try:
                channels = self._dispatcher.open_channels()
                async with transaction(self._dispatcher.engine) as connection:
                    is_due = await batches.is_due(connection, list(Lane), channels, self._dispatcher.clock())
            except ServiceError:
                continue
            if is_due or self._dispatcher.is_stopping:
                self._woken.set()
                # One turn of the loop, so that the waiting workers see the event before it is cleared.
                await asyncio.sleep(0)
