"""Calls by Twilio's Calls resource: a text read aloud, or a recording.

A machine that answers is waited for: Twilio tells the end of its greeting, then leaves the message after the beep.
Whether somebody took the call is told by receipts; calling again is the queue's business.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from services.queue.calling import in_turn
from services.queue.domain import Channel
from services.queue.providers.base import Found, Handed, MayContinue, Others, Trace
from services.queue.providers.fan_out import Places, fan_out
from services.queue.providers.ringing import ring_in_turn
from services.queue.providers.twilio import (
    BROKEN,
    MOST_LISTED,
    OUR_CLOCKS_DIFFER,
    TwilioAccount,
    TwilioSettings,
    from_first,
    silent,
    status_of,
)
from services.queue.work import Delivery, Work

_RING_SECONDS = 30
_EVENTS = ["initiated", "ringing", "answered", "completed"]
_FAX = "fax"


class TwilioVoice:
    """The adapter of one channel of calls. Make it inside the running loop."""

    name = "twilio_voice"
    tells = True

    def __init__(self, channel: Channel, settings: TwilioSettings, twiml: Callable[[Work, Delivery], str]) -> None:
        """`twiml` says what the call of a recipient says. Nothing is connected yet."""
        self.channel = channel
        self.slice_size = settings.concurrency
        self._settings, self._twiml = settings, twiml
        self._places = Places(settings.concurrency)
        self._account = TwilioAccount(self.name, settings)

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Call each recipient."""
        return fan_out(self._places, work, recipients, lambda one: self._call(work, one), may_continue)

    async def _call(self, work: Work, recipient: Delivery) -> Handed:
        twiml = self._twiml(work, recipient)
        return await ring_in_turn(self.name, work, recipient, lambda number: self._ring(work, recipient, number, twiml))

    async def _ring(self, work: Work, recipient: Delivery, number: str, twiml: str) -> Handed:
        address = self._settings.callback(str(work.batch.key(recipient.number)))
        form = {"To": number, "Twiml": twiml, "MachineDetection": "DetectMessageEnd", "Timeout": _RING_SECONDS}
        if address:
            form |= {"StatusCallback": address, "StatusCallbackEvent": _EVENTS}

        async def create(sender: str, seconds: float) -> Handed:
            return await self._account.create(recipient.number, "Calls", form | {"From": sender}, seconds)

        senders = (work.content.from_address, self._settings.from_number)
        return await from_first(self.name, senders, create, self._settings.timeout_seconds)

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Look for our call in what the account dialled to each number since the batch was claimed.

        A call in Twilio's list tells nothing of what it says: number and time must do, so a call that belongs to no
        other delivery is taken for ours. Two deliveries to one number count each call once, oldest first.
        """
        numbers = sorted({number for each in recipients for number in in_turn(each.destination, 1)})
        limit = asyncio.Semaphore(self._settings.concurrency)
        dialled = await asyncio.gather(*(self._dialled(work, number, limit) for number in numbers))
        taken = await others([str(each.sid) for calls in dialled for each in calls])
        free = {
            number: [one for one in calls if str(one.sid) not in taken]
            for number, calls in zip(numbers, dialled, strict=True)
        }
        return {each.number: _assigned(each, work.batch.attempt, free) for each in recipients}

    async def _dialled(self, work: Work, number: str, limit: asyncio.Semaphore) -> list[Any]:
        """Return the calls to the number since the batch was claimed, oldest first."""
        since = work.batch.claimed_at - OUR_CLOCKS_DIFFER
        calls = self._account.client.calls
        try:
            async with limit:
                found = await calls.list_async(to=number, limit=MOST_LISTED, page_size=MOST_LISTED)
        except BROKEN as problem:
            raise silent() from problem
        return [each for each in found if not each.date_created or each.date_created >= since][::-1]

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Fetch each call."""
        calls = self._account.client.calls
        return await self._account.ask(provider_message_ids, lambda sid: calls(sid).fetch_async(), _code)

    async def close(self) -> None:
        """End the connections."""
        await self._account.close()


def _assigned(recipient: Delivery, attempt: int, free: Mapping[str, list[Any]]) -> Trace:
    for number in in_turn(recipient.destination, attempt):
        if free[number]:
            call = free[number].pop(0)
            return Trace(Found.TAKEN, str(call.sid), status_of(call), _code(call))
    return Trace(Found.NOT_TAKEN)


def _code(call: Any) -> str:
    return _FAX if call.answered_by == _FAX else ""
