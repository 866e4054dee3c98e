"""Calls by AWS End User Messaging: what SendVoiceMessage takes and refuses, what one hears, and their events."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

from deploy.vendors.arrivals import Arrival
from deploy.vendors.aws import new_id
from deploy.vendors.outcomes import Outcome
from deploy.vendors.texts import DETAILS, invalid, no_such_number

_LONGEST = {"TEXT": 3_000, "SSML": 6_000}
_VOICE = re.compile(
    "AMY|ASTRID|BIANCA|BRIAN|CAMILA|CARLA|CARMEN|CELINE|CHANTAL|CONCHITA|CRISTIANO|DORA|EMMA|ENRIQUE|EWA|FILIZ|GERAINT"
    "|GIORGIO|GWYNETH|HANS|INES|IVY|JACEK|JAN|JOANNA|JOEY|JUSTIN|KARL|KENDRA|KIMBERLY|LEA|LIV|LOTTE|LUCIA|LUPE|MADS"
    "|MAJA|MARLENE|MATHIEU|MATTHEW|MAXIM|MIA|MIGUEL|MIZUKI|NAJA|NICOLE|PENELOPE|RAVEENA|RICARDO|RUBEN|RUSSELL|SALLI"
    "|SEOYEON|TAKUMI|TATYANA|VICKI|VITORIA|ZEINA|ZHIYU"
)
_USUAL_VOICE = "MATTHEW"
_TAKEN = ("VOICE_INITIATED", "VOICE_RINGING", "VOICE_ANSWERED", "VOICE_COMPLETED")
_ENDS = {
    "busy": ("VOICE_INITIATED", "VOICE_BUSY"),
    "no-answer": ("VOICE_INITIATED", "VOICE_RINGING", "VOICE_NO_ANSWER"),
    "failed": ("VOICE_INITIATED", "VOICE_FAILED"),
    # A number that is stuck there loses the last one.
    "ringing": ("VOICE_INITIATED", "VOICE_RINGING", "VOICE_COMPLETED"),
}


def take(fields: dict[str, Any], outcome: Outcome) -> Arrival:
    """The call, as one hears it. Raises AwsError for what is refused."""
    kind, body = str(fields.get("MessageBodyTextType", "TEXT")), str(fields.get("MessageBody", ""))
    voice = str(fields.get("VoiceId", _USUAL_VOICE))
    if kind not in _LONGEST or not _VOICE.fullmatch(voice):
        raise invalid("MessageBodyTextType or VoiceId")
    if not body.strip() or len(body) > _LONGEST[kind]:
        raise invalid("MessageBody")
    heard = _heard(body) if kind == "SSML" else body
    if outcome.refused:
        raise no_such_number()
    to, origin = str(fields["DestinationPhoneNumber"]), str(fields["OriginationIdentity"])
    details = {**DETAILS, "voice": voice, "ssml": body if kind == "SSML" else ""}
    return Arrival("voice", to, origin, heard, new_id(), outcome.reaches, details=details)


def _heard(ssml: str) -> str:
    try:
        root = ET.fromstring(ssml)  # noqa: S314 - it comes from our own services
    except ET.ParseError as error:
        raise invalid("MessageBody") from error
    if root.tag != "speak":
        raise invalid("MessageBody")
    return "".join(root.itertext()).strip()


def steps(outcome: Outcome) -> tuple[str, ...]:
    """The events, in order."""
    return _ENDS.get(outcome.end, _TAKEN)
