"""Loops that work off what is due: woken by NOTIFY, and by a slow poll for what is retried or was missed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from services.kit.errors import ServiceError
from services.kit.listening import Listener
from services.kit.outage import Outage
from services.notify.store.telling import CHANNEL

_POLL_SECONDS = 0.5


async def work_off(
    name: str, listener: Listener, work: Callable[[], Awaitable[bool]], poll_seconds: float = _POLL_SECONDS
) -> None:
    """Call `work` until it returns False, then wait for more; until cancelled. A lost database is waited for."""
    outage = Outage(part=name)
    with listener.subscribe(CHANNEL) as subscription:
        while True:
            try:
                while await work():
                    pass
            except ServiceError as problem:
                await outage.wait(problem.reason)
                continue
            outage.over()
            with suppress(TimeoutError):
                await asyncio.wait_for(subscription.take(), poll_seconds)
