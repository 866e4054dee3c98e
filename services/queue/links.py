"""Personal links in e-mails: signed, for one recipient of one survey or entry, for one purpose, until a time.

The signed part of a link is base64 of the survey or entry (16 bytes), recipient's number (4), time (5, seconds of Unix)
and the first 16 bytes of an HMAC-SHA256 over purpose and them. Whoever holds it may use it; it names nobody.
"""

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.kit.errors import NotFound

_SIGNED: Final = 16 + 4 + 5
_SIGNATURE: Final = 16
LENGTH: Final = 55
"""Characters of the signed part of a link's address."""


@dataclass(frozen=True)
class Link:
    """The right to answer, or to unsubscribe, as one recipient."""

    subject_id: str
    """The survey, or for unsubscribing the entry."""
    number: int
    """1 to a million."""
    expires_at: datetime


class Links:
    """Signs and reads links with one secret, the same in every process of the queue."""

    def __init__(self, secret: str, purpose: str = "answer") -> None:
        """At least 32 characters. A link of one purpose is none of another, whatever its secret."""
        self._key, self._purpose = secret.encode(), f"{purpose} ".encode()

    def sign(self, link: Link) -> str:
        """Return the signed part of a link's address, 55 characters; equal links have equal ones."""
        until = int(link.expires_at.timestamp())
        body = uuid.UUID(link.subject_id).bytes + link.number.to_bytes(4) + until.to_bytes(5)
        return base64.urlsafe_b64encode(body + self._signature(body)).rstrip(b"=").decode()

    def read(self, text: str, now: datetime) -> Link:
        """Return the link of a text that we signed and whose time has not ended, or raise NotFound."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as problem:
            raise unknown_link() from problem
        body = raw[:_SIGNED]
        # The text too: others have the same bytes, and only ours was signed.
        is_ours = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text
        if not (hmac.compare_digest(raw[_SIGNED:], self._signature(body)) and is_ours):
            raise unknown_link()
        until = datetime.fromtimestamp(int.from_bytes(body[20:25]), UTC)
        if until <= now:
            raise unknown_link()
        return Link(str(uuid.UUID(bytes=body[:16])), int.from_bytes(body[16:20]), until)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, self._purpose + body, hashlib.sha256)[:_SIGNATURE]


def unknown_link() -> NotFound:
    """Return the refusal of a link that is none, or leads to nothing any more."""
    return NotFound("LINK_UNKNOWN", "This link does not work, or no longer. Was it copied whole?")
