"""What texts and calls by AWS End User Messaging share: API version 2, through boto3, as standbys of Twilio."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from services.queue.domain import Channel
from services.queue.providers.aws import AwsClient, AwsSettings, failed
from services.queue.providers.base import Answer, Found, Handed, MayContinue, Others, Trace
from services.queue.providers.fan_out import Places, fan_out
from services.queue.work import Delivery, Work

KEY_CONTEXT: Final = "delivery_key"
"""Name in the message's context, which its events repeat."""
_SHORTEST_LIFE, _LONGEST_LIFE = 5, 259_200
"""Seconds of TimeToLive that the API takes."""


class AwsMessaging(ABC):
    """An adapter. It cannot be asked about a text or a call: their events, which carry our key, tell everything."""

    name: str
    channel: Channel
    tells = False

    def __init__(self, settings: AwsSettings, origin: str, configuration_set: str) -> None:
        """`origin` is a number or pool of the account; the configuration set publishes the events."""
        self.slice_size = settings.concurrency
        self._places = Places(self.slice_size)
        self._aws = AwsClient("pinpoint-sms-voice-v2", settings)
        self._own = {"OriginationIdentity": origin}
        self._own |= {"ConfigurationSetName": configuration_set} if configuration_set else {}

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Write to, or call, each recipient."""
        return fan_out(self._places, work, recipients, lambda one: self._send(work, one), may_continue)

    @abstractmethod
    async def _send(self, work: Work, recipient: Delivery) -> Handed:
        """Hand one delivery over."""

    async def _give(
        self, work: Work, recipient: Delivery, operation: Callable[..., dict[str, Any]], **arguments: Any
    ) -> Handed:
        """Call an operation of the API for a delivery."""
        left = int((work.batch.expires_at - datetime.now(UTC)).total_seconds())
        arguments |= {
            "Context": {KEY_CONTEXT: str(work.batch.key(recipient.number))},
            "TimeToLive": max(_SHORTEST_LIFE, min(left, _LONGEST_LIFE)),
            **self._own,
        }
        try:
            answer = await self._aws.call(operation, **arguments)
        except (BotoCoreError, ClientError) as problem:
            return failed(self.name, recipient.number, problem)
        return Handed(recipient.number, Answer.TAKEN, provider_message_id=str(answer["MessageId"]))

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Answer that it cannot tell."""
        return {each.number: Trace(Found.CANNOT_TELL) for each in recipients}

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Answer nothing: it tells by events alone."""
        return {}

    async def close(self) -> None:
        """End the connections."""
        await self._aws.close()
