"""The query protocol of Amazon SNS: one form post with an Action, an XML answer."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from deploy.vendors.aws import SNS_NAMESPACE, AwsError, new_id, outage, query_error, read_signed
from deploy.vendors.core import Core, through_modes
from deploy.vendors.sns.push import Push
from deploy.vendors.sns.signing import Signer
from deploy.vendors.sns.topics import Topics

_OUTAGE = outage({429: ("Throttled", "Rate exceeded"), 500: ("InternalError", "Internal error")}, query_error)
Fields = dict[str, str]
Action = Callable[[Fields], str]


def _entries(form: Fields, prefix: str, key: str = "key", value: str = "value") -> Fields:
    """A map of the query protocol: prefix.entry.N.key and prefix.entry.N.value."""
    pairs: Fields = {}
    number = 1
    while (name := form.get(f"{prefix}.entry.{number}.{key}")) is not None:
        pairs[name] = form.get(f"{prefix}.entry.{number}.{value}", "")
        number += 1
    return pairs


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _map(attributes: Fields) -> str:
    rows = "".join(f"<entry>{_element('key', k)}{_element('value', v)}</entry>" for k, v in attributes.items())
    return f"<Attributes>{rows}</Attributes>"


class Sns:
    """The service behind `POST /` with an Action; owns topics and push."""

    def __init__(self, core: Core) -> None:
        """Make the signing key and the application that is there from the start."""
        self._core = core
        self.signer = Signer()
        self.topics = Topics(core, self.signer)
        self.push = Push(core)
        self._actions: dict[str, Action] = {
            "CreatePlatformApplication": self._create_platform_application,
            "CreatePlatformEndpoint": self._create_platform_endpoint,
            "SetEndpointAttributes": self._set_endpoint_attributes,
            "GetEndpointAttributes": self._get_endpoint_attributes,
            "ListEndpointsByPlatformApplication": self._list_endpoints,
            "DeleteEndpoint": self._delete_endpoint,
            "Publish": self._publish,
            "CreateTopic": self._create_topic,
            "GetTopicAttributes": self._get_topic_attributes,
            "SetTopicAttributes": self._set_topic_attributes,
            "Subscribe": self._subscribe,
            "ConfirmSubscription": self._confirm_subscription,
            "Unsubscribe": self._unsubscribe,
        }

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer a signed request of the SDK."""
        try:
            body = await read_signed(self._core, request, "sns")
        except AwsError as error:
            return query_error(error)
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

        async def handle() -> web.Response:
            return self._answer(form)

        return await through_modes(self._core, "sns", request, _OUTAGE, handle)

    async def get(self, request: web.Request) -> web.Response:
        """Follow a SubscribeURL or UnsubscribeURL, which carry no signature."""
        form = dict(request.query)
        if form.get("Action") not in ("ConfirmSubscription", "Unsubscribe"):
            return query_error(AwsError("MissingAuthenticationToken", "Missing Authentication Token", 403))
        return self._answer(form)

    async def certificate(self, request: web.Request) -> web.Response:
        """The certificate that SigningCertURL names."""
        if request.path != self.signer.certificate_path:
            raise web.HTTPNotFound
        return web.Response(body=self.signer.certificate_pem, content_type="application/x-pem-file")

    def _answer(self, form: Fields) -> web.Response:
        name = form.get("Action", "")
        try:
            if name not in self._actions:
                raise AwsError("InvalidAction", f"The action {name} is not valid for this endpoint.")
            result = self._actions[name](form)
        except AwsError as error:
            return query_error(error)
        inner = f"<{name}Result>{result}</{name}Result>" if result else ""
        meta = f"<ResponseMetadata>{_element('RequestId', new_id())}</ResponseMetadata>"
        text = f'<{name}Response xmlns="{SNS_NAMESPACE}">{inner}{meta}</{name}Response>'
        return web.Response(text=text, content_type="text/xml")

    def _create_platform_application(self, form: Fields) -> str:
        arn = self.push.create_application(form.get("Name", ""), form.get("Platform", ""))
        return _element("PlatformApplicationArn", arn)

    def _create_platform_endpoint(self, form: Fields) -> str:
        arn = self.push.create_endpoint(
            form.get("PlatformApplicationArn", ""),
            form.get("Token", ""),
            form.get("CustomUserData", ""),
            _entries(form, "Attributes"),
        )
        return _element("EndpointArn", arn)

    def _set_endpoint_attributes(self, form: Fields) -> str:
        self.push.set_attributes(form.get("EndpointArn", ""), _entries(form, "Attributes"))
        return ""

    def _get_endpoint_attributes(self, form: Fields) -> str:
        return _map(self.push.endpoint(form.get("EndpointArn", "")).attributes)

    def _list_endpoints(self, form: Fields) -> str:
        endpoints, token = self.push.listed(form.get("PlatformApplicationArn", ""), form.get("NextToken", ""))
        rows = (_element("EndpointArn", each.arn) + _map(each.attributes) for each in endpoints)
        members = "".join(f"<member>{row}</member>" for row in rows)
        return f"<Endpoints>{members}</Endpoints>" + (_element("NextToken", token) if token else "")

    def _delete_endpoint(self, form: Fields) -> str:
        self.push.delete(form.get("EndpointArn", ""))
        return ""

    def _publish(self, form: Fields) -> str:
        target = form.get("TargetArn") or form.get("TopicArn", "")
        message, subject = form.get("Message", ""), form.get("Subject", "")
        if ":endpoint/" in target:
            tags = _entries(form, "MessageAttributes", "Name", "Value.StringValue")
            return _element(
                "MessageId", self.push.publish(target, message, form.get("MessageStructure", ""), subject, tags)
            )
        if not message:
            raise AwsError("InvalidParameter", "Invalid parameter: Empty message")
        return _element("MessageId", self.topics.publish(target, message, subject))

    def _create_topic(self, form: Fields) -> str:
        version = _entries(form, "Attributes").get("SignatureVersion", "")
        return _element("TopicArn", self.topics.create(form.get("Name", ""), version).arn)

    def _get_topic_attributes(self, form: Fields) -> str:
        topic = self.topics.find(form.get("TopicArn", ""))
        confirmed = sum(subscription.confirmed for subscription in topic.subscriptions)
        counts = {"SubscriptionsConfirmed": confirmed, "SubscriptionsPending": len(topic.subscriptions) - confirmed}
        shown = {name: str(count) for name, count in counts.items()}
        return _map({"TopicArn": topic.arn, "SignatureVersion": topic.signature_version, **shown})

    def _set_topic_attributes(self, form: Fields) -> str:
        topic = self.topics.find(form.get("TopicArn", ""))
        value = form.get("AttributeValue", "")
        if form.get("AttributeName") != "SignatureVersion" or value not in ("1", "2"):
            raise AwsError("InvalidParameter", "Invalid parameter: AttributeName")
        topic.signature_version = value
        return ""

    def _subscribe(self, form: Fields) -> str:
        subscription = self.topics.subscribe(
            form.get("TopicArn", ""), form.get("Protocol", ""), form.get("Endpoint", "")
        )
        shown = subscription.confirmed or form.get("ReturnSubscriptionArn", "").lower() == "true"
        return _element("SubscriptionArn", subscription.arn if shown else "pending confirmation")

    def _confirm_subscription(self, form: Fields) -> str:
        subscription = self.topics.confirm(form.get("TopicArn", ""), form.get("Token", ""))
        return _element("SubscriptionArn", subscription.arn)

    def _unsubscribe(self, form: Fields) -> str:
        self.topics.unsubscribe(form.get("SubscriptionArn", ""))
        return ""
