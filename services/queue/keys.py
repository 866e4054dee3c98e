"""What makes a request once: its idempotency key, and a hash of what it asked for."""

import hashlib
from typing import Any, NamedTuple

from services.kit.errors import InvalidArgument
from services.queue.domain import MAX_KEY


class Key(NamedTuple):
    """The key of a request, and what tells it from another one under the same key."""

    key: str
    request_hash: bytes


def hash_of(message: Any) -> bytes:
    """Return what tells one request from another under the same key."""
    return hashlib.sha256(message.SerializeToString(deterministic=True)).digest()


def read(request: Any) -> Key:
    """Return the key of a request that has the field `idempotency_key`; InvalidArgument for none that can be kept."""
    key: str = request.idempotency_key
    if not 1 <= len(key) <= MAX_KEY or "\x00" in key:
        wrong = [("/idempotency_key", f"1 to {MAX_KEY} characters are needed, and no zero character.")]
        raise InvalidArgument("KEY_INVALID", "An idempotency key is needed.", violations=wrong)
    return Key(key, hash_of(request))
