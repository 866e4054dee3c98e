"""The policy in force: read often, changed seldom, versions kept for ever."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.moderation.v1 import moderation_pb2 as pb
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, NotFound
from services.moderation import messages, store
from services.moderation.domain import Category, Policy, Rule, check_policy

DEFAULT_POLICY = Path(__file__).parent / "model" / "default_policy.json"
_TIERS = {"critical": 1, "high": 2, "medium": 3, "low": 3}
_FRESH_SECONDS = 1.0


def read_default() -> Policy:
    """Return the policy that a new installation starts with: thresholds that were calibrated with the model."""
    table = json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))["categories"]
    rules = (
        # A threshold above 1 is how the calibration says "never".
        Rule(Category(name), each["hold"] <= 1, min(each["hold"], 1.0), min(each["watch"], 1.0), _TIERS[each["tier"]])
        for name, each in table.items()
    )
    return check_policy(Policy(1, tuple(rules)))


class Policies:
    """Answers the policy in force, at most a second old."""

    def __init__(self, engine: AsyncEngine, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take the clock that dates new versions."""
        self._engine, self._clock, self._monotonic = engine, clock, monotonic
        self._known: tuple[float, Policy] | None = None

    async def in_force(self) -> Policy:
        """Return the newest version; the first one is stored when there is none."""
        if self._known and self._known[0] > self._monotonic():
            return self._known[1]
        async with transaction(self._engine) as connection:
            row = await store.newest_policy(connection) or await self._first(connection)
        policy = messages.policy_from_body(row["version"], row["body"])
        self._known = (self._monotonic() + _FRESH_SECONDS, policy)
        return policy

    async def _first(self, connection: AsyncConnection) -> store.Row:
        default = read_default()
        await store.add_policy(connection, 1, messages.policy_body(default), "", self._clock())
        row = await store.newest_policy(connection)
        if row is None:
            raise LookupError("the first policy was not stored")
        return row

    async def get(self, version: int) -> pb.Policy:
        """Return a version for the wire, 0 meaning the one in force. NotFound when there is none."""
        await self.in_force()
        async with transaction(self._engine) as connection:
            row = await store.newest_policy(connection, version)
        if row is None:
            raise NotFound("POLICY_UNKNOWN", "There is no such version of the policy.")
        policy = messages.policy_from_body(row["version"], row["body"])
        return messages.policy_message(policy, row["author_id"], row["created_at"])

    async def update(self, wanted: Policy, author_id: str) -> pb.Policy:
        """Store the policy as the version after the one it names. Aborted when that is not the one in force."""
        checked = check_policy(wanted)
        new = replace(checked, version=checked.version + 1)
        now = self._clock()
        async with transaction(self._engine) as connection:
            row = await store.newest_policy(connection)
            is_newest = row is not None and row["version"] == wanted.version
            if not is_newest or not await store.add_policy(
                connection, new.version, messages.policy_body(new), author_id, now
            ):
                raise Aborted("POLICY_CHANGED", "Somebody else changed the policy meanwhile. Read it again.")
        self._known = None
        return messages.policy_message(new, author_id, now)
