"""Loops that work off what is due: woken by NOTIFY, and by a slow poll for what is retried or was missed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from services.kit.listening import Listener
from services.kit.outage import repeat
from services.notify.store.telling import CHANNEL

_POLL_SECONDS = 0.5


async def work_off(
    name: str, listener: Listener, work: Callable[[], Awaitable[bool]], poll_seconds: float = _POLL_SECONDS
) -> None:
    """Call `work` until it returns False, then wait for more; until cancelled. A lost database is waited for."""
    with listener.subscribe(CHANNEL) as subscription:

        async def hear(seconds: float) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await subscription.take()

        await repeat(name, poll_seconds, work, hear)
