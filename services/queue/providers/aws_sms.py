"""Texts by AWS End User Messaging SMS, API version 2, through boto3: the standby of Twilio (statement 311)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from services.queue.domain import Channel
from services.queue.merging import text_for
from services.queue.providers.aws import AwsClient, AwsSettings, failed
from services.queue.providers.base import Answer, Found, Handed, MayContinue, Others, Trace, Write
from services.queue.providers.fan_out import Places, fan_out
from services.queue.work import Delivery, Work

KEY_CONTEXT: Final = "delivery_key"
"""Name in the message's context, which its events repeat."""
_SHORTEST_LIFE, _LONGEST_LIFE = 5, 259_200
"""Seconds of TimeToLive that the API takes."""


class AwsSms:
    """The adapter. It cannot be asked about a text: its events, which carry our key, tell everything."""

    name = "aws_sms"
    channel = Channel.SMS
    tells = False

    def __init__(self, settings: AwsSettings, origin: str, configuration_set: str, write: Write = text_for) -> None:
        """`origin` is a number, pool or sender id of the account; the configuration set publishes the events."""
        self._write = write
        self.slice_size = settings.concurrency
        self._places = Places(self.slice_size)
        self._aws = AwsClient("pinpoint-sms-voice-v2", settings)
        self._own = {"OriginationIdentity": origin, "MessageType": "TRANSACTIONAL"}
        self._own |= {"ConfigurationSetName": configuration_set} if configuration_set else {}

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Send a text to each recipient."""
        return fan_out(self._places, work, recipients, lambda one: self._send(work, one), may_continue)

    async def _send(self, work: Work, recipient: Delivery) -> Handed:
        left = int((work.batch.expires_at - datetime.now(UTC)).total_seconds())
        arguments: dict[str, Any] = {
            "DestinationPhoneNumber": recipient.destination,
            "MessageBody": self._write(work, recipient),
            "Context": {KEY_CONTEXT: str(work.batch.key(recipient.number))},
            "TimeToLive": max(_SHORTEST_LIFE, min(left, _LONGEST_LIFE)),
            **self._own,
        }
        try:
            answer = await self._aws.call(self._aws.client.send_text_message, **arguments)
        except (BotoCoreError, ClientError) as problem:
            return _with_reason(failed(self.name, recipient.number, problem), problem)
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


def _with_reason(handed: Handed, problem: BotoCoreError | ClientError) -> Handed:
    """Return a refusal with its reason: an exception alone says little, such as ConflictException for an opt-out."""
    reason = problem.response.get("Reason") if isinstance(problem, ClientError) else None
    return handed._replace(code=f"{handed.code}/{reason}") if reason and handed.answer is Answer.REFUSED else handed
