"""Calls by AWS End User Messaging: the standby of Twilio for texts that are read aloud (statement 311).

It plays no recordings, and does not wait for the end of a machine's greeting.
"""

from services.queue.domain import Channel
from services.queue.merging import content_for
from services.queue.providers.aws_messaging import AwsMessaging
from services.queue.providers.base import Handed
from services.queue.providers.ringing import ring_in_turn
from services.queue.providers.speech import ssml
from services.queue.voices import standby_voice_of
from services.queue.work import Batch, Delivery, Work


class AwsVoice(AwsMessaging):
    """The adapter."""

    name = "aws_voice"
    channel = Channel.TTS

    def takes(self, batch: Batch) -> bool:
        """Tell whether a voice speaks the batch's language."""
        return bool(standby_voice_of(batch.content.language))

    async def _send(self, work: Work, recipient: Delivery) -> Handed:
        spoken = ssml(content_for(work, recipient).text)

        async def ring(number: str) -> Handed:
            return await self._give(
                work,
                recipient,
                self._aws.client.send_voice_message,
                DestinationPhoneNumber=number,
                MessageBody=spoken,
                MessageBodyTextType="SSML",
                VoiceId=standby_voice_of(work.content.language),
            )

        return await ring_in_turn(self.name, work, recipient, ring)
