"""Handing a batch over with several calls at the same time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from services.kit.logs import get_logger
from services.queue.providers.base import Answer, Handed, MayContinue
from services.queue.work import Delivery

_log = get_logger(__name__)


async def fan_out(
    recipients: Sequence[Delivery],
    send: Callable[[Delivery], Awaitable[Handed]],
    may_continue: MayContinue,
    concurrency: int,
) -> AsyncIterator[Handed]:
    """Yield each answer as it comes, with at most `concurrency` calls open; none begins once may_continue says no."""

    async def guarded(recipient: Delivery) -> Handed:
        try:
            return await send(recipient)
        except Exception as problem:  # noqa: BLE001  a bug with one delivery must not keep the others from being settled
            _log.error("hand_over_failed", exc_info=problem)
            return Handed(recipient.number, Answer.UNSURE)

    waiting = iter(recipients)
    open_calls: set[asyncio.Task[Handed]] = set()
    try:
        while True:
            while len(open_calls) < concurrency and (one := next(waiting, None)) is not None:
                if await may_continue(one.number):
                    open_calls.add(asyncio.ensure_future(guarded(one)))
                else:
                    yield Handed(one.number, Answer.NOT_TRIED)
            if not open_calls:
                return
            done, open_calls = await asyncio.wait(open_calls, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                yield each.result()
    finally:
        for each in open_calls:
            each.cancel()
