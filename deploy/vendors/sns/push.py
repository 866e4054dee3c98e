"""Amazon SNS mobile push: platform applications, their endpoints, and what is published to them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from deploy.vendors.arrivals import Arrival
from deploy.vendors.aws import AwsError, new_id
from deploy.vendors.core import Core
from deploy.vendors.outcomes import push_outcome
from deploy.vendors.settings import ACCOUNT_ID

_PLATFORMS = frozenset({"ADM", "APNS", "APNS_SANDBOX", "BAIDU", "GCM", "MPNS", "WNS"})
_LISTED_TOGETHER = 100
_LONGEST_MESSAGE = 262_144


@dataclass
class Endpoint:
    """One device."""

    arn: str
    application_arn: str
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def platform(self) -> str:
        """GCM, APNS, …"""
        return self.application_arn.partition(":app/")[2].partition("/")[0]

    @property
    def enabled(self) -> bool:
        """False once SNS or the owner has switched it off."""
        return self.attributes["Enabled"].lower() == "true"


class Push:
    """Applications and endpoints, by ARN. `arn:…:app/GCM/lantern` is there from the start."""

    def __init__(self, core: Core) -> None:
        """One application, no endpoints."""
        self._core = core
        self._applications: set[str] = set()
        self._endpoints: dict[str, Endpoint] = {}
        self.create_application("lantern", "GCM")

    def create_application(self, name: str, platform: str) -> str:
        """Make an application, or find it; returns its ARN. Raises AwsError InvalidParameter."""
        if not name or platform not in _PLATFORMS:
            raise AwsError(
                "InvalidParameter", f"Invalid parameter: Platform Reason: {platform} is not a valid platform"
            )
        arn = f"arn:aws:sns:{self._core.settings.aws_region}:{ACCOUNT_ID}:app/{platform}/{name}"
        self._applications.add(arn)
        return arn

    def create_endpoint(self, application_arn: str, token: str, user_data: str, attributes: dict[str, str]) -> str:
        """Make an endpoint; the same token again gives the same ARN, as long as the attributes are the same.

        Raises AwsError NotFound for an unknown application, InvalidParameter without a token or when it exists with
        other attributes.
        """
        self._check_application(application_arn)
        if not token:
            raise AwsError("InvalidParameter", "Invalid parameter: Token Reason: no value for required parameter")
        path = application_arn.partition(":app/")[2]
        stem = application_arn.partition(":app/")[0]
        # The ARN follows from the token, so that endpoints which a database remembers stay true after a restart.
        arn = f"{stem}:endpoint/{path}/{uuid.uuid5(uuid.NAMESPACE_URL, application_arn + token)}"
        given = ({"CustomUserData": user_data} if user_data else {}) | attributes
        made = Endpoint(arn, application_arn, {"Enabled": "true", "Token": token, **given})
        known = self._endpoints.setdefault(arn, made)
        if any(known.attributes.get(name) != value for name, value in given.items()):
            reason = f"Endpoint {arn} already exists with the same Token, but different attributes."
            raise AwsError("InvalidParameter", f"Invalid parameter: Token Reason: {reason}")
        return arn

    def listed(self, application_arn: str, token: str) -> tuple[list[Endpoint], str]:
        """One page of an application's endpoints, and the token of the next page; raises AwsError NotFound."""
        self._check_application(application_arn)
        every = [each for each in self._endpoints.values() if each.application_arn == application_arn]
        start = int(token) if token.isdecimal() else 0
        end = start + _LISTED_TOGETHER
        return every[start:end], str(end) if end < len(every) else ""

    def _check_application(self, application_arn: str) -> None:
        if application_arn not in self._applications:
            raise AwsError("NotFound", "PlatformApplication does not exist", 404)

    def endpoint(self, arn: str) -> Endpoint:
        """The endpoint of this ARN. Raises AwsError NotFound."""
        if arn not in self._endpoints:
            raise AwsError("NotFound", "Endpoint does not exist", 404)
        return self._endpoints[arn]

    def set_attributes(self, arn: str, attributes: dict[str, str]) -> None:
        """Change some attributes of an endpoint. Raises AwsError NotFound, or InvalidParameter for an unknown one."""
        endpoint = self.endpoint(arn)
        if unknown := set(attributes) - {"Enabled", "Token", "CustomUserData"}:
            raise AwsError("InvalidParameter", f"Invalid parameter: Attributes Reason: {sorted(unknown)[0]}")
        endpoint.attributes |= attributes

    def delete(self, arn: str) -> None:
        """Remove an endpoint; an unknown one is no error."""
        self._endpoints.pop(arn, None)

    def publish(self, arn: str, message: str, structure: str, subject: str, tags: dict[str, str]) -> str:
        """Hand one message to a device; returns the message's id.

        Raises AwsError NotFound, EndpointDisabled, InvalidParameter (empty or too long, or JSON without `default`), and
        Throttled or InternalError for the first try at a flaky token.
        """
        endpoint = self._checked(arn, message)
        payload = self._payload(message, structure, endpoint.platform)
        title, text = shown(payload)
        token = endpoint.attributes["Token"]
        outcome = push_outcome(token)
        if outcome.flaky and self._core.modes.first_time("push", token):
            code = "Throttled" if outcome.flaky == 429 else "InternalError"
            raise AwsError(code, "Rate exceeded" if outcome.flaky == 429 else "Internal error", outcome.flaky)
        message_id = new_id()
        arrival = Arrival(
            "push", token, endpoint.application_arn, text, message_id, outcome.reaches, tags, subject or title
        )
        arrival.status = outcome.end
        arrival.details = {"endpoint_arn": arn, "payload": payload}
        self._core.arrivals.add(arrival)
        if not outcome.reaches:
            # The push platform says so only after the fact; the next publish is then refused.
            endpoint.attributes["Enabled"] = "false"
        return message_id

    def _checked(self, arn: str, message: str) -> Endpoint:
        endpoint = self.endpoint(arn)
        if endpoint.application_arn not in self._applications:
            raise AwsError("PlatformApplicationDisabled", "Platform application is disabled")
        if not endpoint.enabled:
            raise AwsError("EndpointDisabled", "Endpoint is disabled")
        if not message:
            raise AwsError("InvalidParameter", "Invalid parameter: Empty message")
        if len(message.encode()) > _LONGEST_MESSAGE:
            raise AwsError("InvalidParameter", "Invalid parameter: Message too long")
        return endpoint

    @staticmethod
    def _payload(message: str, structure: str, platform: str) -> str:
        if structure != "json":
            return message
        try:
            parts = json.loads(message)
            default = parts["default"]
        except (ValueError, KeyError, TypeError) as error:
            reason = "Invalid parameter: Message Structure - No default entry in JSON message body"
            raise AwsError("InvalidParameter", reason) from error
        return str(parts.get(platform, default))


def shown(payload: str) -> tuple[str, str]:
    """Title and text that a device would show for a payload of FCM or APNS; anything else is shown as it is."""
    try:
        fields = json.loads(payload)
        alert = fields.get("notification") or fields["aps"]["alert"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return "", payload
    if not isinstance(alert, dict):
        return "", payload
    return str(alert.get("title", "")), str(alert.get("body", ""))
