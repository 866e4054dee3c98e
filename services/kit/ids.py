"""Identifiers: UUIDv7, so that rows sort by the time of their creation and indexes grow at one end."""

import uuid_utils


def new_id() -> str:
    """Return a fresh UUIDv7 in its 36-character text form."""
    return str(uuid_utils.uuid7())
