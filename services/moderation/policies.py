"""The policy in force: read often, changed seldom, versions kept for ever."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.moderation.v1 import moderation_pb2 as pb
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, InvalidArgument, NotFound
from services.moderation import messages, store
from services.moderation.domain import Category, Override, Policy, Rule, check_note, check_policy, check_reach
from services.moderation.phrases import can_be_found

DEFAULT_POLICY = Path(__file__).parent / "model" / "default_policy.json"
_TIERS = {"critical": 1, "high": 2, "medium": 3, "low": 3}
_FRESH_SECONDS = 1.0
MOST_VERSIONS = 50
FIRST_NOTE = "The thresholds that were calibrated with the model."


@dataclass(frozen=True)
class Author:
    """Who changes a policy, and the schools whose exceptions they may change ("*": everything)."""

    person_id: str
    name: str
    schools: frozenset[str]


def read_default() -> Policy:
    """Return the policy that a new installation starts with: thresholds that were calibrated with the model."""
    table = json.loads(DEFAULT_POLICY.read_text(encoding="utf-8"))["categories"]
    rules = (
        # A threshold above 1 is how the calibration says "never".
        Rule(Category(name), each["hold"] <= 1, min(each["hold"], 1.0), min(each["watch"], 1.0), _TIERS[each["tier"]])
        for name, each in table.items()
    )
    return check_policy(Policy(1, tuple(rules)))


def check_new_phrases(before: Policy, after: Policy) -> None:
    """Raise InvalidArgument when a blocked phrase is new that nothing could be found by.

    One that is in force stays until somebody takes it out: others could not save what has nothing to do with it.
    """
    known = {phrase for _, part in _parts(before) for phrase in part.blocked_phrases}
    wrong = []
    for pointer, part in _parts(after):
        new = (phrase for phrase in part.blocked_phrases if phrase not in known)
        if lost := next((phrase for phrase in new if not can_be_found(phrase)), None):
            wrong.append((f"{pointer}/blocked_phrases", f'"{lost}" has no word that could be found.'))
    if wrong:
        raise InvalidArgument("POLICY_INVALID", "The policy is not valid.", violations=wrong)


def _parts(policy: Policy) -> list[tuple[str, Policy | Override]]:
    """Return what has phrases of its own, with where it stands."""
    return [*((f"/overrides/{place}", each) for place, each in enumerate(policy.overrides)), ("", policy)]


class Policies:
    """Answers the policy in force, at most a second old."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        """Take the clock that dates new versions."""
        self._engine, self._clock = engine, clock
        self._known: tuple[float, Policy] | None = None

    async def in_force(self) -> Policy:
        """Return the newest version; the first one is stored when there is none."""
        if self._known and self._known[0] > time.monotonic():
            return self._known[1]
        async with transaction(self._engine) as connection:
            row = await store.newest_policy(connection) or await self._first(connection)
        policy = messages.policy_from_body(row["version"], row["body"])
        self._known = (time.monotonic() + _FRESH_SECONDS, policy)
        return policy

    async def _first(self, connection: AsyncConnection) -> store.Row:
        default = read_default()
        body = messages.policy_body(default)
        await store.add_policy(connection, store.NewPolicy(1, body, "", "", FIRST_NOTE, self._clock()))
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
        return messages.policy_message(row)

    async def versions(self, before: int) -> list[pb.Policy]:
        """Return versions for the wire, newest first, without what they say; those before `before`, 0 meaning all."""
        await self.in_force()
        async with transaction(self._engine) as connection:
            rows = await store.policies_before(connection, before, MOST_VERSIONS)
        return [messages.version_message(row) for row in rows]

    async def update(self, wanted: Policy, author: Author, note: str) -> pb.Policy:
        """Store the policy as the version after the one it names.

        Aborted when that is not the one in force; InvalidArgument names what is wrong with the policy or the note;
        PermissionDenied when the author may not change as much.
        """
        checked, said = check_policy(wanted), check_note(note)
        new = replace(checked, version=checked.version + 1)
        body = messages.policy_body(new)
        row = store.NewPolicy(new.version, body, author.person_id, author.name, said, self._clock())
        async with transaction(self._engine) as connection:
            now = await store.newest_policy(connection)
            if now is None or now["version"] != wanted.version:
                raise Aborted("POLICY_CHANGED", "Somebody else changed the policy meanwhile. Read it again.")
            in_force = messages.policy_from_body(now["version"], now["body"])
            check_reach(in_force, checked, author.schools)
            check_new_phrases(in_force, checked)
            if not await store.add_policy(connection, row):
                raise Aborted("POLICY_CHANGED", "Somebody else changed the policy meanwhile. Read it again.")
        self._known = None
        return messages.policy_message(row._asdict())
