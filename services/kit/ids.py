"""Identifiers: UUIDv7, so that rows sort by the time of their creation and indexes grow at one end."""

import re
import uuid

import uuid_utils

from services.kit.errors import InvalidArgument

# Python reads `urn:uuid:…` and braces, too, which PostgreSQL does not.
_FORM = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


def new_id() -> str:
    """Return a fresh UUIDv7 in its 36-character text form."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Tell whether the text is an id, with or without its hyphens."""
    return _FORM.fullmatch(text) is not None


def check_id(field: str, value: str) -> str:
    """Return an id in its usual form; InvalidArgument, which names the field, when it is none."""
    if not is_id(value):
        raise InvalidArgument("ID_MALFORMED", "An id is malformed.", violations=[(f"/{field}", "This is not an id.")])
    return str(uuid.UUID(value))
