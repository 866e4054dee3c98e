"""What the processes do over and over, beside answering calls; every loop outlives its database and its providers.

A dispatcher is woken by NOTIFY when something may have become due, and looks by itself now and then for what it missed.
NOTIFY is a transaction of its own: inside of others it would line up their commits.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import on_events_committed, transaction
from services.kit.errors import ServiceError
from services.kit.listening import Listener, tell_listeners
from services.kit.outage import Outage
from services.queue.actions.dispatch import Dispatcher, claim, send
from services.queue.domain import Lane
from services.queue.store import batches
from services.queue.work import Work

_CHANNEL = "batches"
"""It is told on it that a batch may have become due."""


async def wake_dispatchers(engine: AsyncEngine) -> None:
    """Wake them, until cancelled, after each transaction of this process that has put events into the outbox.

    Whatever lets a message go is told of: that it was submitted, released, judged.
    """
    committed = asyncio.Event()
    on_events_committed(engine, committed.set)
    while True:
        await committed.wait()
        committed.clear()
        try:
            async with transaction(engine) as connection:
                await tell_listeners(connection, _CHANNEL)
        except ServiceError:
            # They look by themselves soon.
            continue


class Workers:
    """Sends due batches, several at the same time; one looks for work while the others sleep."""

    def __init__(self, dispatcher: Dispatcher, workers: int, poll_seconds: float) -> None:
        """Beside the workers for every lane there is one for alerts alone, and one for alerts and emergencies."""
        self._dispatcher, self._poll_seconds = dispatcher, poll_seconds
        self._crews: list[tuple[Sequence[Lane], int]] = [
            ([Lane.ALERT], 1),
            ([Lane.ALERT, Lane.EMERGENCY], 1),
            (list(Lane), workers),
        ]
        self._woken = asyncio.Event()
        self._may_be_due = asyncio.Event()
        self._outage = Outage(part="dispatch")
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled, or until `stop`."""
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as sending:
                for lanes, workers in self._crews:
                    sending.create_task(self._work(sending, lanes, asyncio.BoundedSemaphore(workers)))
        finally:
            self._ended.set()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def stop(self) -> None:
        """Begin no further delivery, and wait until those at work are settled."""
        self._dispatcher.is_stopping = True
        self._dispatcher.pacer.stop()
        self._woken.set()
        await self._ended.wait()

    async def hear(self) -> None:
        """Look for work whenever `wake_dispatchers` says so, until cancelled."""
        listener = Listener(self._dispatcher.engine, [_CHANNEL])
        with listener.subscribe(_CHANNEL) as told:
            async with asyncio.TaskGroup() as hearing:
                hearing.create_task(listener.run())
                while True:
                    await told.take()
                    self._may_be_due.set()

    async def _work(self, sending: asyncio.TaskGroup, lanes: Sequence[Lane], idle: asyncio.Semaphore) -> None:
        """Claim as many batches as there are idle workers, again and again."""
        has_claimed = False
        while workers := await self._idle_ones(idle):
            try:
                claimed = await claim(self._dispatcher, lanes, workers)
            except ServiceError as problem:
                _give(idle, workers)
                await self._outage.wait(problem.reason)
                continue
            self._outage.over()
            for work in claimed.works:
                sending.create_task(self._send(work, claimed.until, idle))
            _give(idle, workers - len(claimed.works))
            if claimed.due:
                has_claimed = True
                continue
            if has_claimed and len(lanes) == len(Lane):
                # All is done: what is tried again is due sooner than the next look may be. Without a claim nothing is:
                # somebody else has what is due, and another look at once would find the same.
                self._may_be_due.set()
            has_claimed = False
            await self._woken.wait()

    async def _idle_ones(self, idle: asyncio.Semaphore) -> int:
        """Wait for an idle worker; take all that are idle, and return how many: none while the process stops."""
        await idle.acquire()
        workers = 1
        while not idle.locked():
            await idle.acquire()
            workers += 1
        return 0 if self._dispatcher.is_stopping else workers

    async def _send(self, work: Work, until: float, idle: asyncio.Semaphore) -> None:
        try:
            await send(self._dispatcher, work, until)
        except ServiceError as problem:
            await self._outage.wait(problem.reason)
        finally:
            idle.release()

    async def _watch(self) -> None:
        """Wake the workers when a batch is due."""
        pause = self._poll_seconds
        while True:
            self._woken.clear()
            await self._pause(pause)
            pause = self._poll_seconds
            now = self._dispatcher.clock()
            try:
                wanted = self._dispatcher.wanted(list(Lane))
                async with transaction(self._dispatcher.engine) as connection:
                    due_at = await batches.next_due(connection, wanted, now, now + timedelta(seconds=pause))
            except ServiceError:
                continue
            if due_at and due_at > now:
                pause = (due_at - now).total_seconds()
            elif due_at or self._dispatcher.is_stopping:
                self._woken.set()
                # One turn of the loop, so that the waiting workers see the event before it is cleared.
                await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        """Return after the pause, or as soon as something may be due."""
        try:
            async with asyncio.timeout(seconds):
                await self._may_be_due.wait()
        except TimeoutError:
            return
        self._may_be_due.clear()


def _give(idle: asyncio.Semaphore, workers: int) -> None:
    for _ in range(workers):
        idle.release()
