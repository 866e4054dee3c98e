"""Trying a policy on the past: stored scores judged again by two policies, and what comes out differently.

Texts are not kept, so phrases are tried on those that are handed in (trying.py); without them a blocked phrase that is
new cannot be tried, nor an allowed one that comes or goes. Blocked phrases that were found then still hold, if the
policy has them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import transaction
from services.moderation import store
from services.moderation.domain import Category, Decision, Judgement, Outcome, Override, Policy, decide

MOST_EXAMPLES = 10
"""Examples of each kind of change."""


class Change(StrEnum):
    """How a message fares differently."""

    NEWLY_HELD = "newly_held"
    NEWLY_RELEASED = "newly_released"
    NEWLY_WATCHED = "newly_watched"


@dataclass
class Tally:
    """How many messages a policy holds and watches, in all and by category."""

    held: int = 0
    watched: int = 0
    holds: Counter[Category] = field(default_factory=Counter)
    watches: Counter[Category] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one message."""
        self.held += outcome.decision is Decision.HOLD
        self.watched += outcome.decision is Decision.WATCH
        self.holds.update(outcome.holds)
        self.watches.update(outcome.watches)


@dataclass(frozen=True)
class Example:
    """A message that the two policies judge differently."""

    message_id: str
    reached_at: datetime
    scores: dict[Category, float]
    before: Outcome
    after: Outcome
    phrases: tuple[str, ...] = ()
    """Blocked ones that hold it under one policy and not under the other."""

    def moved(self) -> list[tuple[Category, float]]:
        """Return the categories that hold or watch under one policy and not under the other, strongest first."""
        moved = (self.before.holds ^ self.after.holds) | (self.before.watches ^ self.after.watches)
        return sorted(((name, self.scores.get(name, 0.0)) for name in moved), key=lambda each: -each[1])


@dataclass
class Preview:
    """What trying a policy showed."""

    messages: int = 0
    before: Tally = field(default_factory=Tally)
    after: Tally = field(default_factory=Tally)
    changes: Counter[Change] = field(default_factory=Counter)
    examples: dict[Change, list[Example]] = field(default_factory=lambda: {change: [] for change in Change})
    tried: int = 0
    """Messages whose texts were read."""
    untried_phrases: int = 0
    """Blocked phrases that are new, where no text was read."""
    untried_allowed: int = 0
    """Allowed phrases that come or go, likewise."""

    def all_examples(self) -> Iterator[Example]:
        """Yield the examples, kind by kind, newest first."""
        for each in self.examples.values():
            yield from sorted(each, key=lambda example: example.reached_at, reverse=True)

    def add(self, rows: Iterable[store.Row], current: Policy, wanted: Policy) -> None:
        """Judge verdicts again; they come newest first."""
        for row in rows:
            moved = row | {"scores": row.get("scores_after", row["scores"])}
            before, after = _judge_again(row, current), _judge_again(moved, wanted)
            self.before.add(before)
            self.after.add(after)
            change = _change(before.decision, after.decision)
            if change is None:
                continue
            self.changes[change] += 1
            if len(self.examples[change]) < MOST_EXAMPLES:
                scores = {Category(name): max(score, row["scores"][name]) for name, score in moved["scores"].items()}
                phrases = tuple(sorted(_blocked(row, current) ^ _blocked(row, wanted)))
                example = Example(row["message_id"], row["reached_at"], scores, before, after, phrases)
                self.examples[change].append(example)


async def preview_policy(
    engine: AsyncEngine,
    current: Policy,
    wanted: Policy,
    past: store.Past,
    read: AsyncIterable[Sequence[store.Row]] | None = None,
) -> Preview:
    """Judge what was screened then by both policies. The counting is done in a thread: screening goes on.

    `read` are the verdicts on messages whose texts were read, newest first, as a trial gives them.
    """
    preview, tried = Preview(), set[str]()
    if read is not None:
        async for rows in read:
            await asyncio.to_thread(preview.add, rows, current, wanted)
            tried.update(row["message_id"] for row in rows)
    async with transaction(engine) as connection:
        preview.messages = await store.count_screened(connection, past)
        async for found in store.notable_verdicts(connection, past, _floors((current, wanted))):
            untried = [row for row in found if row["message_id"] not in tried]
            await asyncio.to_thread(preview.add, untried, current, wanted)
    preview.tried = len(tried)
    if not tried:
        preview.untried_phrases = len(_phrases(wanted, "blocked_phrases") - _phrases(current, "blocked_phrases"))
        preview.untried_allowed = len(_phrases(wanted, "allowed_phrases") ^ _phrases(current, "allowed_phrases"))
    return preview


def _phrases(policy: Policy, name: str) -> set[tuple[str, tuple[str, ...], str]]:
    """Return every phrase of a policy with the school and the grades that it is for."""
    everybody = {("", (), phrase) for phrase in getattr(policy, name)}
    return everybody | {
        (each.school_id, each.grades, phrase) for each in policy.overrides for phrase in getattr(each, name)
    }


def _judge_again(row: store.Row, policy: Policy) -> Outcome:
    scores = {Category(name): score for name, score in row["scores"].items()}
    judgement = Judgement(scores, "", "", is_uncertain=row["is_uncertain"])
    is_blocked = bool(_blocked(row, policy))
    return decide(policy, judgement, row["school_id"], row["grade"], is_blocked=is_blocked)


def _blocked(row: store.Row, policy: Policy) -> set[str]:
    """Return the phrases in a message that a policy blocks to its sender."""
    if not row["phrases"]:
        return set()
    return set(row["phrases"]).intersection(policy.of(row["school_id"], row["grade"]).blocked_phrases)


def _change(before: Decision, after: Decision) -> Change | None:
    if before is after:
        return None
    if after is Decision.HOLD:
        return Change.NEWLY_HELD
    if before is Decision.HOLD:
        return Change.NEWLY_RELEASED
    return Change.NEWLY_WATCHED if after is Decision.WATCH else None


def _floors(policies: Sequence[Policy]) -> dict[str, float]:
    """Return the lowest threshold of each category that any of the policies has for anybody."""
    parts: list[Policy | Override] = [*policies, *(each for policy in policies for each in policy.overrides)]
    rules = [rule for part in parts for rule in part.rules]
    return {name.value: min(rule.watch_threshold for rule in rules if rule.category is name) for name in Category}
