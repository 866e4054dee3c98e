"""Texts by Twilio's Messages resource. Its address can be another than twilio.com."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.queue.domain import Channel
from services.queue.merging import text_for
from services.queue.providers.base import Found, Handed, MayContinue, Others, Trace, Write
from services.queue.providers.fan_out import Places, fan_out
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

_LONGEST_VALIDITY_SECONDS: Final = 36_000
"""Most of ValidityPeriod (twilio.com/docs/messaging/api/message-resource: 1 to 36,000): no text waits longer there."""


class TwilioSms:
    """The adapter. Make it inside the running loop."""

    name = "twilio"
    channel = Channel.SMS
    tells = True

    def __init__(self, settings: TwilioSettings, write: Write = text_for) -> None:
        """Nothing is connected yet."""
        self._settings, self._write = settings, write
        self.slice_size = 2 * settings.concurrency
        self._places = Places(settings.concurrency)
        self._account = TwilioAccount(self.name, settings)

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Send a text to each recipient."""
        return fan_out(self._places, work, recipients, lambda one: self._send(work, one), may_continue)

    async def _send(self, work: Work, recipient: Delivery) -> Handed:
        address = self._settings.callback(str(work.batch.key(recipient.number)))
        form = {
            "To": recipient.destination,
            "Body": self._write(work, recipient),
            "ValidityPeriod": str(_validity_seconds(work)),
        }
        if address:
            form["StatusCallback"] = address

        async def create(sender: str, seconds: float) -> Handed:
            origin = {"MessagingServiceSid" if sender.startswith("MG") else "From": sender}
            return await self._account.create(recipient.number, "Messages", form | origin, seconds)

        senders = (work.content.from_address, self._settings.from_number)
        return await from_first(self.name, senders, create, self._settings.timeout_seconds)

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Look for our text in what the account sent to each number since the batch was claimed.

        Twilio has no search by callback address: number, text and time must do. Two deliveries of the same text to
        the same number count each text once, oldest first.
        """
        alike: dict[tuple[str, str], list[Delivery]] = {}
        for each in recipients:
            alike.setdefault((each.destination, self._write(work, each)), []).append(each)
        limit = asyncio.Semaphore(self._settings.concurrency)
        sent = await asyncio.gather(*(self._sent_to(work, number, text, limit) for number, text in alike))
        taken = await others([str(each.sid) for messages in sent for each in messages])
        found: dict[int, Trace] = {}
        for messages, people in zip(sent, alike.values(), strict=True):
            found |= _assigned(people, [one for one in messages if str(one.sid) not in taken])
        return found

    async def _sent_to(self, work: Work, number: str, text: str, limit: asyncio.Semaphore) -> list[Any]:
        """Return this text as sent to the number since the batch was claimed, oldest first."""
        since = work.batch.claimed_at - OUR_CLOCKS_DIFFER
        messages = self._account.client.messages
        try:
            async with limit:
                sent = await messages.list_async(to=number, limit=MOST_LISTED, page_size=MOST_LISTED)
        except BROKEN as problem:
            raise silent() from problem
        ours = [each for each in sent if each.body == text and (not each.date_created or each.date_created >= since)]
        return ours[::-1]

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Fetch each message."""
        messages = self._account.client.messages
        return await self._account.ask(
            provider_message_ids, lambda sid: messages(sid).fetch_async(), lambda found: str(found.error_code or "")
        )

    async def close(self) -> None:
        """End the connections."""
        await self._account.close()


def _validity_seconds(work: Work) -> int:
    """Return for how long Twilio may keep a text waiting: one that would leave after its time does not leave at all."""
    left = int((work.batch.expires_at - datetime.now(UTC)).total_seconds())
    return max(1, min(left, _LONGEST_VALIDITY_SECONDS))


def _assigned(recipients: Sequence[Delivery], messages: Sequence[Any]) -> dict[int, Trace]:
    found = {}
    for position, recipient in enumerate(recipients):
        if position < len(messages):
            one = messages[position]
            found[recipient.number] = Trace(Found.TAKEN, str(one.sid), status_of(one), str(one.error_code or ""))
        else:
            found[recipient.number] = Trace(Found.NOT_TAKEN)
    return found
