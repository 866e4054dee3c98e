"""Lending the embedded model to replicas over NATS: texts come, scores go, nothing is kept and nothing is decided.

It knows no database, no vendor and no policy. Whoever asks judges by itself when this one is busy or ends.
"""

import asyncio
from contextlib import suppress

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.kit.bus import Bus, BusError
from services.kit.logs import get_logger
from services.moderation import loans, metrics
from services.moderation.providers.embedded import AT_ONCE, Embedded

_log = get_logger(__name__)
_GROUP = "lenders"


class Lender:
    """Judges for replicas, as much at a time as keeps its core at work; what comes besides is told so at once."""

    def __init__(self, bus: Bus, embedded: Embedded) -> None:
        """Nothing is asked of NATS before run."""
        self._bus, self._embedded = bus, embedded
        self._subscription: Subscription | None = None
        self._at_work: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Connect, waiting for NATS as long as it takes, and answer from then on. BusError where NATS forbids it."""
        await self._bus.connect()
        client, subject = self._bus.client, loans.subject_of(self._embedded.version)
        subscription = await client.subscribe(subject, queue=_GROUP, cb=self._receive)
        # What NATS has against a subscription it says before it answers what is sent after it; the client's first ping
        # may overtake the subscription.
        for _ in range(2):
            with suppress(BusError):
                await self._bus.check_connection()
        if "permissions violation" in str(client.last_error).lower():
            _log.error("lending_not_permitted", nats_subject=subject)
            raise BusError("not permitted")
        self._subscription = subscription
        _log.info("lending_model", nats_subject=subject, stores="nothing", judges_for="replicas that have a database")

    async def check(self) -> None:
        """Raise BusError unless it is subscribed and NATS answers; feed it to Health."""
        if self._subscription is None:
            raise BusError("not subscribed")
        await self._bus.check_connection()

    async def stop(self) -> None:
        """Take nothing more and finish what has come."""
        if self._subscription and self._bus.client.is_connected:
            await self._subscription.drain()  # type: ignore[no-untyped-call]
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _receive(self, message: Msg) -> None:
        if len(self._at_work) >= AT_ONCE:
            await message.respond(loans.busy_reply())
            return
        task = asyncio.create_task(self._answer(message))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _answer(self, message: Msg) -> None:
        try:
            texts = loans.texts_of(message.data)
        except ValueError as problem:
            _log.warning("request_refused", reason=str(problem))
            return
        judged = await self._embedded.judge(texts)
        metrics.lent.add(len(texts))
        await message.respond(loans.reply_of(judged, self._embedded.version))
