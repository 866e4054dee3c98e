"""AWS End User Messaging: SendTextMessage, SendVoiceMessage, and the events of what became of each text and call.

boto3 speaks JSON 1.0 to it: `POST /` with X-Amz-Target, PinpointSMSVoiceV2. and the operation.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from deploy.vendors import texts, voice_messages
from deploy.vendors.arrivals import Arrival
from deploy.vendors.aws import AwsError, json_error, read_signed
from deploy.vendors.aws_json import answer, fields_of, outage_answer
from deploy.vendors.core import Core, advance, through_modes
from deploy.vendors.outcomes import SMS, VOICE, Outcome, phone_outcome
from deploy.vendors.sns.topics import Topics

PREFIX = "PinpointSMSVoiceV2."
EVENTS_TOPIC = "text-events"
_NUMBER = re.compile(r"\+?[1-9][0-9]{1,18}")
_ORIGIN = re.compile(r"[A-Za-z0-9_:/+-]{1,256}")


@dataclass(frozen=True)
class _Operation:
    """One of the two."""

    provider: str
    """As outage modes name it."""
    outcomes: dict[str, Outcome]
    take: Callable[[dict[str, Any], Outcome], Arrival]
    steps: Callable[[Outcome], tuple[str, ...]]
    """Its events, in order; the last one is final."""


_OPERATIONS = {
    "SendTextMessage": _Operation("aws_sms", SMS, texts.take, texts.steps),
    "SendVoiceMessage": _Operation("aws_voice", VOICE, voice_messages.take, voice_messages.steps),
}


class Messaging:
    """The operations that the product uses, and their events, which go to the topic text-events."""

    def __init__(self, core: Core, topics: Topics) -> None:
        """Nothing was sent."""
        self._core, self._topics = core, topics
        self.events_topic_arn = topics.create(EVENTS_TOPIC).arn

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer `POST /` with X-Amz-Target."""
        try:
            body = await read_signed(self._core, request, "sms-voice")
            operation = _operation(request.headers["X-Amz-Target"].removeprefix(PREFIX))
        except AwsError as error:
            return json_error(error)

        async def handle() -> web.Response:
            try:
                return answer({"MessageId": self._send(operation, fields_of(body))}, "1.0")
            except AwsError as error:
                return json_error(error)

        return await through_modes(self._core, operation.provider, request, outage_answer, handle)

    def _send(self, operation: _Operation, fields: dict[str, Any]) -> str:
        _check(fields)
        outcome = phone_outcome(operation.outcomes, str(fields["DestinationPhoneNumber"]))
        arrival = operation.take(fields, outcome)
        arrival.tags = {str(key): str(value) for key, value in (fields.get("Context") or {}).items()}
        self._core.arrivals.add(arrival)
        self._schedule(operation, arrival, outcome, has_events=bool(fields.get("ConfigurationSetName")))
        return arrival.vendor_id

    def _schedule(self, operation: _Operation, arrival: Arrival, outcome: Outcome, *, has_events: bool) -> None:
        steps = operation.steps(outcome)

        def step(number: int, times: int) -> None:
            now = time.time()
            advance(arrival, steps[number], ("queued", *steps[:-1]), now)
            is_final = number == len(steps) - 1
            for _ in range(times if has_events else 0):
                event = _event(arrival, steps[number], now, is_final=is_final)
                self._topics.publish(self.events_topic_arn, json.dumps(event))

        shares = tuple((place + 1) / len(steps) for place in range(len(steps)))
        self._core.follow(self._core.plan(operation.provider, outcome.habit, shares), step)


def _operation(name: str) -> _Operation:
    if name not in _OPERATIONS:
        raise AwsError("UnknownOperationException", name)
    return _OPERATIONS[name]


def _check(fields: dict[str, Any]) -> None:
    if not _NUMBER.fullmatch(str(fields.get("DestinationPhoneNumber", ""))):
        raise texts.invalid("DestinationPhoneNumber")
    if not _ORIGIN.fullmatch(str(fields.get("OriginationIdentity", ""))):
        raise texts.invalid("OriginationIdentity")
    if not 5 <= int(fields.get("TimeToLive", 5)) <= 259_200 or len(fields.get("Context") or {}) > 5:
        raise texts.invalid("TimeToLive or Context")


def _event(arrival: Arrival, kind: str, now: float, *, is_final: bool) -> dict[str, Any]:
    """What texts and calls have in common; texts have more to tell."""
    common = {
        "eventType": kind,
        "eventVersion": "1.0",
        "eventTimestamp": int(now * 1000),
        "isFinal": is_final,
        "originationPhoneNumber": arrival.sender,
        "destinationPhoneNumber": arrival.to,
        "isoCountryCode": "US",
        "messageId": arrival.vendor_id,
        "messageRequestTimestamp": int(arrival.at * 1000),
        "context": arrival.tags,
    }
    return common | (texts.details_of(kind) if arrival.channel == "sms" else {})
