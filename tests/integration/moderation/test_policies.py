"""Policies: versions, who may change them, and what a change would have done to the last month."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.moderation.v1 import moderation_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer, set_caller
from services.kit.db import transaction
from services.kit.errors import Aborted, InvalidArgument, PermissionDenied
from services.kit.ids import new_id
from services.moderation import messages, store
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Override, Rule
from services.moderation.judging import Judge
from services.moderation.policies import Author, Policies
from services.moderation.previewing import Change, preview_policy
from services.moderation.providers.embedded import Embedded
from services.moderation.rpc import ModerationServicer

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ADA = Author("ada", "Ada North", frozenset({"*"}))
MONTH = store.Past(NOW - timedelta(days=30), frozenset({"*"}))


def clock() -> datetime:
    return NOW


async def judged(engine: AsyncEngine, days_ago: float = 1, **changes: Any) -> str:
    """Store a verdict of the past; return its message."""
    scores = dict.fromkeys(Category, 0.01) | changes.pop("scores", {})
    row: store.Row = {
        "verdict_id": new_id(),
        "screening_id": new_id(),
        "message_id": new_id(),
        "decision": "clean",
        "scores": scores,
        "holds": [],
        "watches": [],
        "provider": "embedded",
        "model": "m1",
        "policy_version": 1,
        "explanation": "",
        "tier": 0,
        "reached_at": NOW - timedelta(days=days_ago),
        **changes,
    }
    async with transaction(engine) as connection:
        await store.add_verdicts(connection, [row])
    return str(row["message_id"])


@pytest.mark.accepts(173)
async def test_versions_are_kept_with_their_author_and_note_and_a_late_editor_is_refused(
    moderation_engine: AsyncEngine,
) -> None:
    policies = Policies(moderation_engine, clock)
    first = await policies.in_force()
    second = await policies.update(first, ADA, "Asked by the counsellors.")
    assert (second.version, second.author_name, second.note) == (2, "Ada North", "Asked by the counsellors.")
    with pytest.raises(Aborted):
        await policies.update(first, ADA, "Again.")
    assert (await policies.get(1)).rules == second.rules
    assert [(each.version, each.author_name) for each in await policies.versions(0)] == [(2, "Ada North"), (1, "")]
    assert [each.version for each in await policies.versions(2)] == [1]


async def test_a_change_without_a_reason_is_refused_and_changes_nothing(moderation_engine: AsyncEngine) -> None:
    policies = Policies(moderation_engine, clock)
    with pytest.raises(InvalidArgument) as refusal:
        await policies.update(await policies.in_force(), ADA, "  ")
    assert refusal.value.reason == "POLICY_NOTE_NEEDED"
    assert (await policies.get(0)).version == 1


@pytest.mark.accepts(304)
async def test_a_policy_is_tried_on_the_last_month(moderation_engine: AsyncEngine) -> None:
    current = await Policies(moderation_engine, clock).in_force()
    rules = tuple(
        replace(rule, hold_threshold=0.9, watch_threshold=0.1)
        if rule.category is Category.THREAT
        else replace(rule, hold_threshold=0.2, watch_threshold=0.1)
        if rule.category is Category.INSULT
        else rule
        for rule in current.rules
    )
    wanted = replace(current, rules=rules, blocked_phrases=("old mill",))
    released = await judged(moderation_engine, scores={Category.THREAT: 0.8})
    watched = await judged(moderation_engine, scores={Category.THREAT: 0.12})
    held = await judged(moderation_engine, scores={Category.INSULT: 0.25})
    await judged(moderation_engine, scores={Category.THREAT: 0.95})
    await judged(moderation_engine)
    await judged(moderation_engine, days_ago=31, scores={Category.INSULT: 0.25})
    await judged(moderation_engine, scores={Category.INSULT: 0.25}, is_rescreening=True)
    found = await preview_policy(moderation_engine, current, wanted, MONTH)
    assert found.messages == 5
    assert (found.before.held, found.after.held) == (2, 2)
    assert found.before.holds == {Category.THREAT: 2}
    assert found.after.holds == {Category.THREAT: 1, Category.INSULT: 1}
    examples = {change: [each.message_id for each in found.examples[change]] for change in Change}
    assert examples == {
        Change.NEWLY_HELD: [held], Change.NEWLY_RELEASED: [released], Change.NEWLY_WATCHED: [watched],
    }  # fmt: skip
    assert found.untried_phrases == 1


async def test_trying_looks_at_the_school_and_grade_of_the_sender_and_at_phrases_found_then(
    moderation_engine: AsyncEngine,
) -> None:
    current = await Policies(moderation_engine, clock).in_force()
    current = replace(current, blocked_phrases=("old mill",))
    strict = Override("s1", ("05",), (Rule(Category.INSULT, True, 0.2, 0.1, 1),))
    here = await judged(moderation_engine, school_id="s1", grade="05", scores={Category.INSULT: 0.25})
    await judged(moderation_engine, school_id="s1", grade="11", scores={Category.INSULT: 0.25})
    phrase = await judged(moderation_engine, phrases=["old mill"])
    wanted = replace(current, overrides=(strict,), blocked_phrases=())
    found = await preview_policy(moderation_engine, current, wanted, MONTH)
    assert [each.message_id for each in found.examples[Change.NEWLY_HELD]] == [here]
    assert [each.message_id for each in found.examples[Change.NEWLY_RELEASED]] == [phrase]


async def test_trying_says_how_many_phrases_it_could_not_try(moderation_engine: AsyncEngine) -> None:
    current = replace(await Policies(moderation_engine, clock).in_force(), allowed_phrases=("old mill", "night ride"))
    found = await preview_policy(
        moderation_engine, current, replace(current, allowed_phrases=("old mill", "raiders")), MONTH
    )
    assert (found.untried_phrases, found.untried_allowed) == (0, 2)
    found = await preview_policy(moderation_engine, current, replace(current, blocked_phrases=("mill",)), MONTH)
    assert (found.untried_phrases, found.untried_allowed) == (1, 0)
    here = Override("s1", (), (), is_shadow=True, blocked_phrases=("mill",), allowed_phrases=("raiders",))
    found = await preview_policy(moderation_engine, current, replace(current, overrides=(here,)), MONTH)
    assert (found.untried_phrases, found.untried_allowed) == (1, 1)


async def test_what_an_exception_says_is_stored_and_tried(moderation_engine: AsyncEngine) -> None:
    policies = Policies(moderation_engine, clock)
    here = Override("s1", ("5",), (), is_shadow=False, blocked_phrases=("mill",), allowed_phrases=("raiders",))
    current = await policies.in_force()
    await policies.update(replace(current, overrides=(here,)), ADA, "Theirs.")
    fresh = await Policies(moderation_engine, clock).in_force()
    assert fresh.overrides == (here,)
    sent = messages.policy_from_message(await policies.get(0))
    assert sent.overrides == (here,)
    held = await judged(moderation_engine, school_id="s1", scores={Category.THREAT: 0.99})
    await judged(moderation_engine, school_id="s2", scores={Category.THREAT: 0.99})
    quiet = replace(fresh, overrides=(replace(here, grades=(), is_shadow=True),))
    found = await preview_policy(moderation_engine, fresh, quiet, MONTH)
    assert [each.message_id for each in found.examples[Change.NEWLY_RELEASED]] == [held]


def acting(*permissions: str, schools: frozenset[str] = frozenset({"*"})) -> None:
    viewer = Viewer("p1", "Ida Cole", "admin", frozenset(permissions), schools, all_users=True)
    set_caller(Caller("p1", frozenset({"moderation.write"}), viewer))


async def test_only_who_may_manage_the_policy_tries_or_changes_it(
    moderation_engine: AsyncEngine, embedded: Embedded
) -> None:
    policies, nothing = Policies(moderation_engine, clock), Conversations(moderation_engine, clock, timedelta())
    screening = Screening(moderation_engine, Judge(embedded, embedded), policies, nothing, clock, timedelta())
    servicer = ModerationServicer(screening)
    acting("view_all_users")
    policy = (await servicer.GetPolicy(pb.GetPolicyRequest(), None)).policy
    with pytest.raises(PermissionDenied):
        await servicer.UpdatePolicy(pb.UpdatePolicyRequest(policy=policy, note="Mine."), None)
    with pytest.raises(PermissionDenied):
        await servicer.PreviewPolicy(pb.PreviewPolicyRequest(policy=policy), None)
    acting("manage_policy", schools=frozenset({"s1"}))
    policy.is_shadow = True
    with pytest.raises(PermissionDenied) as refusal:
        await servicer.UpdatePolicy(pb.UpdatePolicyRequest(policy=policy, note="Mine."), None)
    assert refusal.value.reason == "POLICY_BEYOND_SCHOOLS"
    acting("manage_policy")
    message = await judged(moderation_engine, scores={Category.THREAT: 0.99})
    tried = await servicer.PreviewPolicy(pb.PreviewPolicyRequest(policy=policy), None)
    assert (tried.before.held, tried.after.held, tried.after.watched, tried.newly_released) == (1, 0, 1, 1)
    assert [(each.message_id, each.after) for each in tried.examples] == [(message, types.Verdict.DECISION_WATCH)]
    saved = (await servicer.UpdatePolicy(pb.UpdatePolicyRequest(policy=policy, note="Try it."), None)).policy
    assert (saved.version, saved.is_shadow, saved.author_name) == (2, True, "Ida Cole")


async def test_who_sees_one_school_is_told_of_its_students_alone(
    moderation_engine: AsyncEngine, embedded: Embedded
) -> None:
    policies, nothing = Policies(moderation_engine, clock), Conversations(moderation_engine, clock, timedelta())
    screening = Screening(moderation_engine, Judge(embedded, embedded), policies, nothing, clock, timedelta())
    servicer = ModerationServicer(screening)
    policy = await policies.get(0)
    policy.is_shadow = True
    for school in ("s1", "s2", "s2"):
        await judged(moderation_engine, school_id=school, scores={Category.THREAT: 0.99})
    acting("manage_policy", schools=frozenset({"s1"}))
    tried = await servicer.PreviewPolicy(pb.PreviewPolicyRequest(policy=policy), None)
    assert (tried.messages, tried.before.held, tried.newly_released, len(tried.examples)) == (1, 1, 1, 1)
