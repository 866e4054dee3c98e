"""Tickets to listen to a recording: short-lived, signed, and for one purpose. They are the last part of an address.

call   for the provider that plays a recording in a call; whoever holds it may fetch
draft  for the person who uploaded it
entry  for one person who may see the entry; asked again whenever the ticket is used
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from services.kit.errors import NotFound

_LONGEST = 600
_HOUR = timedelta(hours=1)
_CALL_WAITS = timedelta(hours=25)
"""Twilio lets a call wait for a day when there are more than it may begin at once; then it rings and is listened to."""


class Purpose(StrEnum):
    """What a ticket is for."""

    CALL = "call"
    DRAFT = "draft"
    ENTRY = "entry"


@dataclass(frozen=True)
class Ticket:
    """The right to fetch one recording until a time."""

    purpose: Purpose
    subject_id: str
    """A recording, or for ENTRY an entry."""
    person_id: str
    """Who may use it; empty for a call."""
    expires_at: datetime


def call_ticket(recording_id: str, claimed_at: datetime) -> Ticket:
    """Return what a call plays that is handed over now; the same within an hour, so that it is not fetched anew."""
    hour = claimed_at.replace(minute=0, second=0, microsecond=0)
    return Ticket(Purpose.CALL, recording_id, "", hour + _HOUR + _CALL_WAITS)


class Tickets:
    """Signs and reads tickets with one secret, the same in every process of the queue."""

    def __init__(self, secret: str) -> None:
        """At least 32 characters."""
        self._key = secret.encode()

    def sign(self, ticket: Ticket) -> str:
        """Return the ticket as text; equal tickets have equal texts."""
        fields = [ticket.purpose.value, ticket.subject_id, ticket.person_id, int(ticket.expires_at.timestamp())]
        body = _encoded(json.dumps(fields, separators=(",", ":")).encode())
        return f"{body}.{_encoded(self._signature(body))}"

    def read(self, text: str, now: datetime) -> Ticket:
        """Return the ticket of a text that we signed and whose time has not ended, or raise NotFound."""
        body, _, signature = text.partition(".")
        try:
            # As text: more than one text of base64 has the same bytes, and only ours was signed.
            given, ours = signature.encode(), _encoded(self._signature(body)).encode()
            if len(text) > _LONGEST or not hmac.compare_digest(given, ours):
                raise _unknown()
            purpose, subject_id, person_id, until = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, ValueError) as problem:
            raise _unknown() from problem
        ticket = Ticket(Purpose(purpose), subject_id, person_id, datetime.fromtimestamp(until, UTC))
        if ticket.expires_at <= now:
            raise _unknown()
        return ticket

    def _signature(self, body: str) -> bytes:
        return hmac.digest(self._key, b"recording " + body.encode(), hashlib.sha256)


def _unknown() -> NotFound:
    return NotFound("RECORDING_NOT_FOUND", "There is no such recording, or its address is too old.")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
