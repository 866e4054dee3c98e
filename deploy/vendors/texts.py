"""Texts by AWS End User Messaging: what SendTextMessage takes and refuses, and their events."""

from __future__ import annotations

from typing import Any

from deploy.vendors.arrivals import Arrival
from deploy.vendors.aws import AwsError, new_id
from deploy.vendors.outcomes import Outcome

DETAILS = {"vendor": "AWS End User Messaging"}
_LONGEST_BODY = 1_600
_ENDS = {30003: "TEXT_UNREACHABLE", 30005: "TEXT_INVALID", 30006: "TEXT_INVALID", 30007: "TEXT_CARRIER_BLOCKED"}
_OPTED_OUT = 21610


def take(fields: dict[str, Any], outcome: Outcome) -> Arrival:
    """The text, as it arrives. Raises AwsError for what is refused."""
    body = str(fields.get("MessageBody", ""))
    if not body.strip() or len(body) > _LONGEST_BODY:
        raise invalid("MessageBody")
    if outcome.refused == _OPTED_OUT:
        reason = {"Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT", "ResourceType": "opt-out-list"}
        raise AwsError("ConflictException", "Destination phone number is opted out", members=reason)
    if outcome.refused:
        raise no_such_number()
    to, origin = str(fields["DestinationPhoneNumber"]), str(fields["OriginationIdentity"])
    return Arrival("sms", to, origin, body, new_id(), outcome.reaches, details=dict(DETAILS))


def steps(outcome: Outcome) -> tuple[str, ...]:
    """The events, in order."""
    end = "TEXT_DELIVERED" if outcome.reaches else _ENDS.get(outcome.code or 0, "TEXT_UNKNOWN")
    return "TEXT_SUCCESSFUL", end


def details_of(kind: str) -> dict[str, Any]:
    """What an event of a text says beside what all do."""
    return {
        "messageEncoding": "GSM",
        "messageType": "TRANSACTIONAL",
        "messageStatus": kind.removeprefix("TEXT_"),
        "messageStatusDescription": kind.removeprefix("TEXT_").replace("_", " ").capitalize(),
        "totalMessageParts": 1,
        "totalMessagePrice": 0.00581,
        "totalCarrierFee": 0.003,
    }


def invalid(name: str) -> AwsError:
    """How a field that is none is refused."""
    return AwsError("ValidationException", f"{name} is not valid", members={"Reason": "FIELD_VALIDATION_FAILED"})


def no_such_number() -> AwsError:
    """How a destination that is no telephone is refused."""
    return AwsError("ValidationException", "Invalid number", members={"Reason": "INVALID_PARAMETER"})
