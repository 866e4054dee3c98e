"""How often something may be tried: counted before it is done, so that many tries at once count."""

import hashlib
import ipaddress
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from services.gateway import store
from services.gateway.database import transaction
from services.kit.clock import Clock
from services.kit.errors import ResourceExhausted
from services.kit.ids import new_id

WINDOW = timedelta(minutes=15)
"""Tries count for this long."""


def key_of(kind: str, value: str) -> bytes:
    """Return what tries are counted under; what they are about is not kept."""
    return hashlib.sha256(f"{kind}:{value}".encode()).digest()


def key_of_address(kind: str, address: str) -> bytes:
    """Return what tries from an address are counted under: of IPv6 its network, since one machine has 2^64 of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return key_of(kind, address)
    if isinstance(found, ipaddress.IPv6Address):
        # One of IPv4 in the form of IPv6 is that one: these are all of the same network.
        network = ipaddress.ip_network((int(found) >> 64 << 64, 64))
        return key_of(kind, str(found.ipv4_mapped or network))
    return key_of(kind, str(found))


def count(engine: sa.Engine, clock: Clock, limits: Mapping[bytes, int], refusal: tuple[str, str]) -> dict[bytes, str]:
    """Count a try under each key and return its id there.

    ResourceExhausted with this reason and sentence when a key is used up.
    """
    tries = {key: new_id() for key in limits}
    with transaction(engine) as connection:
        _count(connection, clock(), limits, tries, refusal)
    return tries


def count_once(engine: sa.Engine, clock: Clock, limit: tuple[bytes, int], name: str, refusal: tuple[str, str]) -> None:
    """Count what goes by a name of its own under a key, however often it is tried.

    ResourceExhausted with this reason and sentence when the key is used up by others.
    """
    key, most = limit
    attempt_id = str(uuid.UUID(bytes=hashlib.sha256(key + name.encode()).digest()[:16]))
    with transaction(engine) as connection:
        if not store.has_attempt(connection, attempt_id):
            _count(connection, clock(), {key: most}, {key: attempt_id}, refusal)


def _count(
    connection: sa.Connection,
    now: datetime,
    limits: Mapping[bytes, int],
    tries: Mapping[bytes, str],
    refusal: tuple[str, str],
) -> None:
    made = {key: store.attempts_since(connection, key, now - WINDOW) for key in limits}
    waits = [times[-limit] + WINDOW - now for key, limit in limits.items() if len(times := made[key]) >= limit]
    if waits:
        reason, sentence = refusal
        seconds = max(1.0, max(waits).total_seconds())
        raise ResourceExhausted(reason, sentence, retry_after_seconds=seconds)
    for key, attempt_id in tries.items():
        store.add_attempt(connection, attempt_id, key, now)
