"""The REST-JSON addresses of Amazon SES v2 that the product uses."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.aws import AwsError, json_answer, json_error, new_id, outage, read_signed
from deploy.vendors.core import Core, advance, new_hex, through_modes
from deploy.vendors.outcomes import Outcome, email_outcome
from deploy.vendors.ses.events import event_body, mail_object
from deploy.vendors.ses.message import Email, bare_address, read_email, shown_sender
from deploy.vendors.sns.topics import Topics

EVENTS_TOPIC = "ses-events"
_API = "/v2/email"
_OUTAGE = outage(
    {
        429: ("TooManyRequestsException", "Maximum sending rate exceeded."),
        500: ("InternalServiceErrorException", "Internal error"),
    },
    json_error,
)
_STEPS = {
    "Delivery": ("Send", "Delivery"),
    "Complaint": ("Send", "Delivery", "Complaint"),
    "Reject": ("Send", "Reject"),
}
_RANKS = ("queued", "Send")
_DENIED = "denied"
_UNVERIFIED = "unverified"
"""Local part of a sender from which the account's policy lets nobody send."""
_SUPPRESSED = Outcome("Bounce", "on the account's suppression list", detail="Permanent/OnAccountSuppressionList")
Handler = Callable[[web.Request, bytes], web.Response]


class Ses:
    """Sending, the suppression list, and the events of the configuration set, which go to the topic ses-events."""

    def __init__(self, core: Core, topics: Topics) -> None:
        """An empty suppression list."""
        self._core = core
        self._topics = topics
        self.events_topic_arn = topics.create(EVENTS_TOPIC).arn
        self.suppressed: dict[str, tuple[str, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The addresses that the SDK calls."""
        suppression = f"{_API}/suppression/addresses"
        return [
            web.post(f"{_API}/outbound-emails", self._endpoint(self._send)),
            web.get(f"{_API}/account", self._endpoint(self._account)),
            web.put(suppression, self._endpoint(self._suppress)),
            web.get(suppression, self._endpoint(self._list_suppressed)),
            web.get(f"{suppression}/{{address}}", self._endpoint(self._show_suppressed)),
            web.delete(f"{suppression}/{{address}}", self._endpoint(self._release)),
        ]

    def _endpoint(self, handle: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def wrapped(request: web.Request) -> web.StreamResponse:
            try:
                body = await read_signed(self._core, request, "ses")
            except AwsError as error:
                return json_error(error)

            async def answered() -> web.Response:
                try:
                    return handle(request, body)
                except AwsError as error:
                    return json_error(error, 1.0 if error.status == 429 else None)

            return await through_modes(self._core, "ses", request, _OUTAGE, answered)

        return wrapped

    def _send(self, _request: web.Request, body: bytes) -> web.Response:
        message = read_email(_json(body))
        self._check(message)
        outcomes = [(address, self._outcome(address)) for address in message.recipients]
        for address, outcome in outcomes:
            if outcome.flaky and self._core.modes.first_time("email", address):
                code = "TooManyRequestsException" if outcome.flaky == 429 else "InternalServiceErrorException"
                raise AwsError(code, "Try again.", outcome.flaky)
        message_id = f"0100{new_hex()[:12]}-{new_id()}-000000"
        for place, (address, outcome) in enumerate(outcomes):
            self._accept(message, message_id, address, outcome, place)
        return json_answer({"MessageId": message_id})

    def _check(self, message: Email) -> None:
        settings = self._core.settings
        domain = bare_address(message.sender).rpartition("@")[2].lower()
        if settings.ses_verified_domain and domain != settings.ses_verified_domain:
            text = f"Email address is not verified. The following identities failed the check: {message.sender}"
            raise AwsError("MessageRejected", text)
        if wrong := [each for each in message.recipients if each.startswith(f"{_UNVERIFIED}@")]:
            # What an account in SES's sandbox answers of a recipient.
            text = f"Email address is not verified. The following identities failed the check: {', '.join(wrong)}"
            raise AwsError("MessageRejected", text)
        if bare_address(message.sender).startswith(f"{_DENIED}@"):
            text = f"User is not authorized to perform `ses:SendEmail' on the identity {bare_address(message.sender)}"
            raise AwsError("AccessDeniedException", text, 403)
        if message.configuration_set not in ("", settings.ses_configuration_set):
            raise AwsError("NotFoundException", f"Configuration set <{message.configuration_set}> does not exist.", 404)

    def _outcome(self, address: str) -> Outcome:
        return _SUPPRESSED if address.lower() in self.suppressed else email_outcome(address)

    def _accept(self, message: Email, message_id: str, address: str, outcome: Outcome, place: int) -> None:
        # One message to several people is one id at SES, but one arrival for each of them here.
        own_id = message_id if place == 0 else f"{message_id}#{place}"
        sender = shown_sender(message.sender)
        arrival = Arrival("email", address, sender, message.text, own_id, outcome.reaches, dict(message.tags))
        arrival.subject, arrival.content = message.subject, message.content
        self._core.arrivals.add(arrival)
        self._schedule(arrival, message, message_id, outcome)

    def _schedule(self, arrival: Arrival, message: Email, message_id: str, outcome: Outcome) -> None:
        steps = _STEPS.get(outcome.end, ("Send", outcome.end))
        region = self._core.settings.aws_region

        def step(number: int, times: int) -> None:
            now, kind = time.time(), steps[number]
            advance(arrival, kind, _RANKS, now)
            if kind in ("Bounce", "Complaint"):
                self._learn(arrival.to, kind, outcome)
            if times and message.configuration_set:
                mail = mail_object(message, message_id, region, arrival.at)
                text = json.dumps(event_body(kind, mail, arrival.to, outcome, arrival.at, now))
                for _ in range(times):
                    self._topics.publish(self.events_topic_arn, text, "Amazon SES Email Event Notification")

        shares = tuple((place + 1) / len(steps) for place in range(len(steps)))
        self._core.follow(self._core.plan("ses", outcome.habit, shares), step)

    def _learn(self, address: str, kind: str, outcome: Outcome) -> None:
        """SES puts hard bounces and complaints on the account's suppression list by itself."""
        if kind == "Complaint" or outcome.detail == "Permanent/General":
            self.suppressed.setdefault(address.lower(), (kind.upper(), time.time()))

    def _account(self, _request: web.Request, _body: bytes) -> web.Response:
        quota = {
            "Max24HourSend": 5_000_000.0,
            "MaxSendRate": 5_000.0,
            "SentLast24Hours": float(self._core.arrivals.total),
        }
        return json_answer(
            {
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": "HEALTHY",
                "ProductionAccessEnabled": True,
                "SendQuota": quota,
                "SendingEnabled": True,
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
            }
        )

    def _suppress(self, _request: web.Request, body: bytes) -> web.Response:
        fields = _json(body)
        reason = fields.get("Reason")
        if reason not in ("BOUNCE", "COMPLAINT"):
            raise AwsError("BadRequestException", "Reason must be BOUNCE or COMPLAINT")
        self.suppressed[bare_address(str(fields.get("EmailAddress", ""))).lower()] = (reason, time.time())
        return json_answer({})

    def _list_suppressed(self, _request: web.Request, _body: bytes) -> web.Response:
        rows = [_summary(address, *entry) for address, entry in self.suppressed.items()]
        return json_answer({"SuppressedDestinationSummaries": rows[:1000]})

    def _show_suppressed(self, request: web.Request, _body: bytes) -> web.Response:
        address = self._known(request)
        return json_answer({"SuppressedDestination": _summary(address, *self.suppressed[address])})

    def _release(self, request: web.Request, _body: bytes) -> web.Response:
        del self.suppressed[self._known(request)]
        return json_answer({})

    def _known(self, request: web.Request) -> str:
        address = unquote(request.match_info["address"]).lower()
        if address not in self.suppressed:
            raise AwsError(
                "NotFoundException", f"Email address {address} does not exist on your suppression list.", 404
            )
        return address


def _summary(address: str, reason: str, since: float) -> dict[str, Any]:
    return {"EmailAddress": address, "Reason": reason, "LastUpdateTime": since}


def _json(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("BadRequestException", "The request body is not JSON") from error
    if not isinstance(fields, dict):
        raise AwsError("BadRequestException", "The request body is not an object")
    return fields
