"""Push messages by Amazon SNS platform endpoints, through boto3.

Beside a poll or a sign-up a message carries the recipient's link to answer as `link`, which the app opens when it is
tapped: a key of its own beside `aps` at Apple, an entry of `data` at Google.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from services.queue.domain import Channel
from services.queue.merging import content_for
from services.queue.providers.aws import AwsClient, AwsSettings, failed
from services.queue.providers.base import Answer, Found, Handed, MayContinue, Others, Trace
from services.queue.providers.fan_out import Places, fan_out
from services.queue.work import Content, Delivery, Work

_TITLE = 120
_REMEMBERED = 20_000
"""Devices whose endpoint is not asked for again: some 10 MB."""
_PAYLOAD_BYTES = 4_096
"""What Apple and Google take of one message, keys and all."""


class SnsPush:
    """The adapter. A device token becomes an endpoint of our platform application, the same one each time."""

    name = "sns"
    channel = Channel.PUSH
    tells = False

    def __init__(
        self, settings: AwsSettings, application_arn: str, link: Callable[[Work, Delivery], str] = lambda *_: ""
    ) -> None:
        """`application_arn` names the platform application of our app; `link` where a recipient answers, or empty."""
        self._link = link
        self.slice_size = settings.concurrency
        self._places = Places(self.slice_size)
        self._aws = AwsClient("sns", settings)
        self._application = application_arn
        self._endpoints: dict[str, str] = {}

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Send a push message to every device of each recipient."""
        return fan_out(self._places, work, recipients, lambda one: self._send(work, one), may_continue)

    async def _send(self, work: Work, recipient: Delivery) -> Handed:
        """One device that takes it is enough; the first failure stands for all when none does."""
        payload = _payload(content_for(work, recipient), self._link(work, recipient))
        answers = [
            await self._publish(work, recipient.number, device, payload) for device in recipient.destination.split(",")
        ]
        order = (Answer.TAKEN, Answer.UNSURE, Answer.UNREACHABLE, Answer.REFUSED)
        return min(answers, key=lambda each: order.index(each.answer))

    async def _publish(self, work: Work, number: int, device: str, payload: str) -> Handed:
        try:
            endpoint = await self._endpoint(device)
        except (BotoCoreError, ClientError) as problem:
            # Making an endpoint sends nothing, so that a failure here is never an unsure one.
            handed = failed(self.name, number, problem)
            return Handed(number, Answer.UNREACHABLE) if handed.answer is Answer.UNSURE else handed
        try:
            answer = await self._aws.call(
                self._aws.client.publish,
                TargetArn=endpoint,
                Message=payload,
                MessageStructure="json",
                MessageAttributes={"delivery_key": {"DataType": "String", "StringValue": str(work.batch.key(number))}},
            )
        except (BotoCoreError, ClientError) as problem:
            self._endpoints.pop(device, None)
            return failed(self.name, number, problem)
        return Handed(number, Answer.TAKEN, provider_message_id=str(answer["MessageId"]))

    async def _endpoint(self, device: str) -> str:
        endpoint = self._endpoints.get(device)
        if endpoint is None:
            answer = await self._aws.call(
                self._aws.client.create_platform_endpoint, PlatformApplicationArn=self._application, Token=device
            )
            endpoint = str(answer["EndpointArn"])
            # Messages to all go through the devices in one order: were the oldest dropped, none would be met again.
            if len(self._endpoints) < _REMEMBERED:
                self._endpoints[device] = endpoint
        return endpoint

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Answer that SNS cannot tell."""
        return {each.number: Trace(Found.CANNOT_TELL) for each in recipients}

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Answer nothing: SNS keeps no record that can be asked for."""
        return {}

    async def close(self) -> None:
        """End the connections."""
        await self._aws.close()


def _payload(content: Content, link: str) -> str:
    """Return the message for Apple's and Google's services; SNS picks the part of the device's platform."""
    text = content.text
    apple, google = _parts(content, text, link)
    while (over := max(map(_size, (apple, google))) - _PAYLOAD_BYTES) > 0:
        # A character has up to six bytes, so that a few turns may pass until enough of them are left out.
        text = f"{text[: -2 - over // 6]}…"
        apple, google = _parts(content, text, link)
    return _packed({"default": text, "APNS": apple, "APNS_SANDBOX": apple, "GCM": google})


def _parts(content: Content, text: str, link: str) -> tuple[str, str]:
    title = (content.subject or content.from_title)[:_TITLE]
    apple: dict[str, object] = {"aps": {"alert": {"title": title, "body": text}, "sound": "default"}}
    google: dict[str, object] = {"notification": {"title": title, "body": text}}
    if link:
        apple["link"], google["data"] = link, {"link": link}
    return _packed(apple), _packed(google)


def _packed(message: Mapping[str, object]) -> str:
    # Written as it is read: escaped, a message in Creole or Arabic would be several times as long.
    return json.dumps(message, ensure_ascii=False)


def _size(text: str) -> int:
    return len(text.encode())
