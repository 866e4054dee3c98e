"""AWS End User Messaging SMS: SendTextMessage, and the events of what became of each text.

boto3 speaks JSON 1.0 to it: `POST /` with X-Amz-Target PinpointSMSVoiceV2.SendTextMessage.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.aws import AwsError, json_error, new_id, read_signed
from deploy.vendors.aws_json import answer, fields_of, outage_answer
from deploy.vendors.core import Core, advance, through_modes
from deploy.vendors.outcomes import SMS, Outcome, phone_outcome
from deploy.vendors.sns.topics import Topics

PREFIX = "PinpointSMSVoiceV2."
EVENTS_TOPIC = "text-events"
_NUMBER = re.compile(r"\+?[1-9][0-9]{1,18}")
_ORIGIN = re.compile(r"[A-Za-z0-9_:/+-]{1,256}")
_LONGEST_BODY = 1_600
_RANKS = ("queued", "TEXT_PENDING", "TEXT_SUCCESSFUL")
_ENDS = {30003: "TEXT_UNREACHABLE", 30005: "TEXT_INVALID", 30006: "TEXT_INVALID", 30007: "TEXT_CARRIER_BLOCKED"}
_OPTED_OUT = 21610


class Texts:
    """The one operation that the product uses, and its events, which go to the topic text-events."""

    def __init__(self, core: Core, topics: Topics) -> None:
        """Nothing was sent."""
        self._core, self._topics = core, topics
        self.events_topic_arn = topics.create(EVENTS_TOPIC).arn

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer `POST /` with X-Amz-Target."""
        try:
            body = await read_signed(self._core, request, "sms-voice")
        except AwsError as error:
            return json_error(error)
        operation = request.headers["X-Amz-Target"].removeprefix(PREFIX)

        async def handle() -> web.Response:
            try:
                return answer({"MessageId": self._send(operation, fields_of(body))}, "1.0")
            except AwsError as error:
                return json_error(error)

        return await through_modes(self._core, "aws_sms", request, outage_answer, handle)

    def _send(self, operation: str, fields: dict[str, Any]) -> str:
        if operation != "SendTextMessage":
            raise AwsError("UnknownOperationException", operation)
        to, body = str(fields.get("DestinationPhoneNumber", "")), str(fields.get("MessageBody", ""))
        _check(to, body, fields)
        outcome = phone_outcome(SMS, to)
        if outcome.refused == _OPTED_OUT:
            reason = {"Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT", "ResourceType": "opt-out-list"}
            raise AwsError("ConflictException", "Destination phone number is opted out", members=reason)
        if outcome.refused:
            raise AwsError("ValidationException", "Invalid number", members={"Reason": "INVALID_PARAMETER"})
        context = {str(key): str(value) for key, value in (fields.get("Context") or {}).items()}
        origin = str(fields["OriginationIdentity"])
        arrival = Arrival("sms", to, origin, body, new_id(), outcome.reaches, tags=context)
        arrival.details = {"vendor": "AWS End User Messaging"}
        self._schedule(self._core.arrivals.add(arrival), outcome, has_events=bool(fields.get("ConfigurationSetName")))
        return arrival.vendor_id

    def _schedule(self, arrival: Arrival, outcome: Outcome, *, has_events: bool) -> None:
        end = "TEXT_DELIVERED" if outcome.reaches else _ENDS.get(outcome.code or 0, "TEXT_UNKNOWN")
        steps = ("TEXT_SUCCESSFUL", end)

        def step(number: int, times: int) -> None:
            now = time.time()
            advance(arrival, steps[number], _RANKS, now)
            for _ in range(times if has_events else 0):
                self._topics.publish(self.events_topic_arn, json.dumps(_event(arrival, steps[number], now)))

        self._core.follow(self._core.plan("aws_sms", outcome.habit, (0.5, 1.0)), step)


def _check(to: str, body: str, fields: dict[str, Any]) -> None:
    if not _NUMBER.fullmatch(to):
        raise _invalid("DestinationPhoneNumber")
    if not body.strip() or len(body) > _LONGEST_BODY:
        raise _invalid("MessageBody")
    if not _ORIGIN.fullmatch(str(fields.get("OriginationIdentity", ""))):
        raise _invalid("OriginationIdentity")
    if not 5 <= int(fields.get("TimeToLive", 5)) <= 259_200 or len(fields.get("Context") or {}) > 5:
        raise _invalid("TimeToLive or Context")


def _invalid(name: str) -> AwsError:
    return AwsError("ValidationException", f"{name} is not valid", members={"Reason": "FIELD_VALIDATION_FAILED"})


def _event(arrival: Arrival, kind: str, now: float) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventVersion": "1.0",
        "eventTimestamp": int(now * 1000),
        "isFinal": True,
        "originationPhoneNumber": arrival.sender,
        "destinationPhoneNumber": arrival.to,
        "isoCountryCode": "US",
        "messageId": arrival.vendor_id,
        "messageRequestTimestamp": int(arrival.at * 1000),
        "messageEncoding": "GSM",
        "messageType": "TRANSACTIONAL",
        "messageStatus": kind.removeprefix("TEXT_"),
        "messageStatusDescription": kind.removeprefix("TEXT_").replace("_", " ").capitalize(),
        "context": arrival.tags,
        "totalMessageParts": 1,
        "totalMessagePrice": 0.00581,
        "totalCarrierFee": 0.003,
    }
