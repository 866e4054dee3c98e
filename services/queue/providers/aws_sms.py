"""Texts by AWS End User Messaging: the standby of Twilio (statement 311)."""

from services.queue.domain import Channel
from services.queue.merging import text_for
from services.queue.providers.aws import AwsSettings
from services.queue.providers.aws_messaging import AwsMessaging
from services.queue.providers.base import Handed, Write
from services.queue.work import Batch, Delivery, Work


class AwsSms(AwsMessaging):
    """The adapter."""

    name = "aws_sms"
    channel = Channel.SMS

    def __init__(self, settings: AwsSettings, origin: str, configuration_set: str, write: Write = text_for) -> None:
        """`origin` may be a sender id, too."""
        super().__init__(settings, origin, configuration_set)
        self._write = write

    def takes(self, batch: Batch) -> bool:
        """Answer that it takes every text."""
        return True

    async def _send(self, work: Work, recipient: Delivery) -> Handed:
        return await self._give(
            work,
            recipient,
            self._aws.client.send_text_message,
            DestinationPhoneNumber=recipient.destination,
            MessageBody=self._write(work, recipient),
            MessageType="TRANSACTIONAL",
        )
