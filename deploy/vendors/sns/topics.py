"""Amazon SNS topics and their HTTP subscribers: the confirmation handshake and signed notifications."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from deploy.vendors.aws import AwsError, new_id
from deploy.vendors.callbacks import Webhook, sns_policy
from deploy.vendors.core import Core, new_hex
from deploy.vendors.settings import ACCOUNT_ID
from deploy.vendors.sns.signing import Signer

_CONFIRM_AGAIN_SECONDS = 1.0
_CONFIRM_FOR_SECONDS = 600.0


@dataclass
class Subscription:
    """An HTTP endpoint of a topic; it gets nothing but the confirmation request until it has confirmed."""

    arn: str
    topic_arn: str
    protocol: str
    endpoint: str
    token: str = field(default_factory=lambda: new_hex() * 4)
    confirmed: bool = False
    since: float = field(default_factory=time.monotonic)


@dataclass
class Topic:
    """A topic and the version of signature on its notifications."""

    arn: str
    signature_version: str
    subscriptions: list[Subscription] = field(default_factory=list)


class Topics:
    """All topics, by ARN."""

    def __init__(self, core: Core, signer: Signer) -> None:
        """No topics yet."""
        self._core = core
        self._signer = signer
        self._topics: dict[str, Topic] = {}

    def create(self, name: str, signature_version: str = "") -> Topic:
        """The topic of this name, made if it is new. Raises AwsError InvalidParameter for a bad name."""
        if not name or len(name) > 256 or not all(sign.isalnum() or sign in "-_" for sign in name):
            raise AwsError("InvalidParameter", "Invalid parameter: Topic Name")
        settings = self._core.settings
        arn = f"arn:aws:sns:{settings.aws_region}:{ACCOUNT_ID}:{name}"
        version = signature_version or settings.sns_signature_version
        return self._topics.setdefault(arn, Topic(arn, version))

    def find(self, arn: str) -> Topic:
        """The topic of this ARN. Raises AwsError NotFound."""
        if arn not in self._topics:
            raise AwsError("NotFound", "Topic does not exist", 404)
        return self._topics[arn]

    def subscriptions(self) -> list[Subscription]:
        """Every subscription of every topic."""
        return [subscription for topic in self._topics.values() for subscription in topic.subscriptions]

    def subscribe(self, topic_arn: str, protocol: str, endpoint: str, persistent: bool = False) -> Subscription:
        """Subscribe an HTTP address and ask it to confirm. Raises AwsError for anything that is not http or https.

        A `persistent` subscription is asked again every second for ten minutes, because a launcher starts the vendors
        before the gateway; any other one gets SNS's usual attempts.
        """
        topic = self.find(topic_arn)
        parts = urlsplit(endpoint)
        if protocol not in ("http", "https") or parts.scheme != protocol or not parts.netloc:
            raise AwsError("InvalidParameter", "Invalid parameter: Endpoint must match the specified protocol")
        for known in topic.subscriptions:
            if known.endpoint == endpoint and known.confirmed:
                return known
        subscription = Subscription(f"{topic_arn}:{new_id()}", topic_arn, protocol, endpoint)
        topic.subscriptions.append(subscription)
        self._ask_to_confirm(topic, subscription, persistent)
        return subscription

    def _ask_to_confirm(self, topic: Topic, subscription: Subscription, persistent: bool) -> None:
        query = {"Action": "ConfirmSubscription", "TopicArn": topic.arn, "Token": subscription.token}
        message_id, body = self._signer.envelope(
            "SubscriptionConfirmation",
            topic.arn,
            f"You have chosen to subscribe to the topic {topic.arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message.",
            topic.signature_version,
            self._core.base_url,
            Token=subscription.token,
            SubscribeURL=f"{self._core.base_url}/?{urlencode(query)}",
        )
        self._post("SubscriptionConfirmation", subscription, message_id, body)
        if persistent:
            self._core.callbacks.later(_CONFIRM_AGAIN_SECONDS, lambda: self._ask_again(topic, subscription))

    def _ask_again(self, topic: Topic, subscription: Subscription) -> None:
        waited = time.monotonic() - subscription.since
        if not subscription.confirmed and subscription in topic.subscriptions and waited < _CONFIRM_FOR_SECONDS:
            self._ask_to_confirm(topic, subscription, persistent=True)

    def confirm(self, topic_arn: str, token: str) -> Subscription:
        """Confirm by token. Raises AwsError NotFound or InvalidParameter."""
        for subscription in self.find(topic_arn).subscriptions:
            if subscription.token == token:
                subscription.confirmed = True
                return subscription
        raise AwsError("InvalidParameter", "Invalid parameter: Token")

    def unsubscribe(self, arn: str) -> None:
        """Remove a subscription; an unknown one is no error."""
        for topic in self._topics.values():
            topic.subscriptions = [known for known in topic.subscriptions if known.arn != arn]

    def publish(self, topic_arn: str, message: str, subject: str = "") -> str:
        """Notify every confirmed subscriber; returns the message's id. Raises AwsError NotFound."""
        topic = self.find(topic_arn)
        confirmed = [subscription for subscription in topic.subscriptions if subscription.confirmed]
        more = {"Subject": subject} if subject else {}
        message_id = new_id()
        for subscription in confirmed:
            query = urlencode({"Action": "Unsubscribe", "SubscriptionArn": subscription.arn})
            unsubscribe = f"{self._core.base_url}/?{query}"
            message_id, body = self._signer.envelope(
                "Notification",
                topic_arn,
                message,
                topic.signature_version,
                self._core.base_url,
                **more,
                UnsubscribeURL=unsubscribe,
            )
            self._post("Notification", subscription, message_id, body)
        return message_id

    def _post(self, kind: str, subscription: Subscription, message_id: str, body: bytes) -> None:
        headers = {
            "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": message_id,
            "x-amz-sns-topic-arn": subscription.topic_arn,
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
        }
        if kind == "Notification":
            headers["x-amz-sns-subscription-arn"] = subscription.arn
        policy = sns_policy(self._core.settings.sns_retries)
        self._core.callbacks.post(Webhook(subscription.endpoint, body, headers, policy, f"sns.{kind}"))
