"""Between rows, domain and proto."""

from collections.abc import Mapping
from typing import Any

from protos.moderation.v1 import moderation_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.moderation.domain import Category, Decision, Override, Policy, Rule
from services.moderation.previewing import Change, Example, Preview

CATEGORIES = {category: types.Category.Value(f"CATEGORY_{category.name}") for category in Category}
CATEGORY_OF: dict[int, Category] = {number: category for category, number in CATEGORIES.items()}
_DECISIONS = {each: types.Verdict.Decision.Value(f"DECISION_{each.name}") for each in Decision}


def verdict_message(row: Mapping[str, Any]) -> types.Verdict:
    """Return a verdict from its row."""
    message = types.Verdict(
        verdict_id=row["verdict_id"],
        message_id=row["message_id"],
        decision=_DECISIONS[Decision(row["decision"])],
        scores=[
            types.CategoryScore(
                category=CATEGORIES[Category(name)],
                score=score,
                holds=name in row["holds"],
                watches=name in row["watches"],
            )
            for name, score in sorted(row["scores"].items(), key=lambda item: -item[1])
        ],
        provider=row["provider"],
        model=row["model"],
        policy_version=str(row["policy_version"]),
        explanation=row["explanation"],
        tier=row["tier"],
        phrases=row["phrases"],
        context_messages=row["context_messages"],
    )
    message.reached_at.FromDatetime(row["reached_at"])
    return message


def policy_body(policy: Policy) -> dict[str, Any]:
    """Return a policy as it is stored: everything but its version."""
    return {
        "rules": [_rule_body(rule) for rule in policy.rules],
        "overrides": [
            {
                "school_id": each.school_id,
                "grades": list(each.grades),
                "rules": [_rule_body(rule) for rule in each.rules],
                "is_shadow": each.is_shadow,
                "blocked_phrases": list(each.blocked_phrases),
                "allowed_phrases": list(each.allowed_phrases),
            }
            for each in policy.overrides
        ],
        "is_shadow": policy.is_shadow,
        "blocked_phrases": list(policy.blocked_phrases),
        "allowed_phrases": list(policy.allowed_phrases),
        "crisis_notice": policy.crisis_notice,
    }


def _rule_body(rule: Rule) -> dict[str, Any]:
    return {
        "category": rule.category.value,
        "is_on": rule.is_on,
        "hold_threshold": rule.hold_threshold,
        "watch_threshold": rule.watch_threshold,
        "tier": rule.tier,
    }


def policy_from_body(version: int, body: Mapping[str, Any]) -> Policy:
    """Return a stored policy."""
    return Policy(
        version,
        tuple(_rule_from_body(each) for each in body["rules"]),
        tuple(_override_from_body(each) for each in body["overrides"]),
        body["is_shadow"],
        tuple(body["blocked_phrases"]),
        tuple(body["allowed_phrases"]),
        body.get("crisis_notice", ""),
    )


def _override_from_body(body: Mapping[str, Any]) -> Override:
    return Override(
        body["school_id"],
        tuple(body["grades"]),
        tuple(_rule_from_body(rule) for rule in body["rules"]),
        # Versions that are older than these say nothing of them.
        body.get("is_shadow"),
        tuple(body.get("blocked_phrases", ())),
        tuple(body.get("allowed_phrases", ())),
    )


def _rule_from_body(body: Mapping[str, Any]) -> Rule:
    return Rule(
        Category(body["category"]), body["is_on"], body["hold_threshold"], body["watch_threshold"], body["tier"]
    )


def version_message(row: Mapping[str, Any]) -> pb.Policy:
    """Return who made a version of the policy, when and why, without what it says."""
    message = pb.Policy(
        version=row["version"], author_id=row["author_id"], author_name=row["author_name"], note=row["note"]
    )
    message.created_at.FromDatetime(row["created_at"])
    return message


def policy_message(row: Mapping[str, Any]) -> pb.Policy:
    """Return a stored policy for the wire."""
    policy = policy_from_body(row["version"], row["body"])
    message = pb.Policy(
        rules=[_rule_message(rule) for rule in policy.rules],
        overrides=[
            pb.PolicyOverride(
                school_id=each.school_id,
                grades=each.grades,
                rules=[_rule_message(rule) for rule in each.rules],
                is_shadow=each.is_shadow,
                blocked_phrases=each.blocked_phrases,
                allowed_phrases=each.allowed_phrases,
            )
            for each in policy.overrides
        ],
        is_shadow=policy.is_shadow,
        blocked_phrases=policy.blocked_phrases,
        allowed_phrases=policy.allowed_phrases,
        crisis_notice=policy.crisis_notice,
    )
    message.MergeFrom(version_message(row))
    return message


def _rule_message(rule: Rule) -> pb.CategoryRule:
    return pb.CategoryRule(
        category=CATEGORIES[rule.category],
        is_on=rule.is_on,
        hold_threshold=rule.hold_threshold,
        watch_threshold=rule.watch_threshold,
        tier=rule.tier,
    )


def policy_from_message(message: pb.Policy) -> Policy:
    """Return a policy from the wire, unchecked but for its categories. InvalidArgument for one that is not known."""
    return Policy(
        message.version,
        tuple(_rule_from_message(each) for each in message.rules),
        tuple(_override_from_message(each) for each in message.overrides),
        message.is_shadow,
        tuple(message.blocked_phrases),
        tuple(message.allowed_phrases),
        message.crisis_notice,
    )


def _override_from_message(message: pb.PolicyOverride) -> Override:
    return Override(
        message.school_id,
        tuple(message.grades),
        tuple(_rule_from_message(rule) for rule in message.rules),
        message.is_shadow if message.HasField("is_shadow") else None,
        tuple(message.blocked_phrases),
        tuple(message.allowed_phrases),
    )


def preview_message(preview: Preview) -> pb.PreviewPolicyResponse:
    """Return what trying a policy showed."""
    before, after = preview.before, preview.after
    return pb.PreviewPolicyResponse(
        messages=preview.messages,
        before=pb.PolicyCounts(held=before.held, watched=before.watched),
        after=pb.PolicyCounts(held=after.held, watched=after.watched),
        categories=[
            pb.CategoryPreview(
                category=CATEGORIES[name],
                before=pb.PolicyCounts(held=before.holds[name], watched=before.watches[name]),
                after=pb.PolicyCounts(held=after.holds[name], watched=after.watches[name]),
            )
            for name in Category
        ],
        newly_held=preview.changes[Change.NEWLY_HELD],
        newly_released=preview.changes[Change.NEWLY_RELEASED],
        newly_watched=preview.changes[Change.NEWLY_WATCHED],
        examples=[_example_message(each) for each in preview.all_examples()],
        untried_phrases=preview.untried_phrases,
        untried_allowed=preview.untried_allowed,
    )


def _example_message(example: Example) -> pb.PolicyExample:
    message = pb.PolicyExample(
        message_id=example.message_id,
        before=_DECISIONS[example.before.decision],
        after=_DECISIONS[example.after.decision],
        scores=[
            types.CategoryScore(
                category=CATEGORIES[name],
                score=score,
                holds=name in example.after.holds,
                watches=name in example.after.watches,
            )
            for name, score in example.moved()
        ],
        phrases=example.phrases,
    )
    message.reached_at.FromDatetime(example.reached_at)
    return message


def _rule_from_message(message: pb.CategoryRule) -> Rule:
    category = CATEGORY_OF.get(message.category)
    if category is None:
        raise InvalidArgument("POLICY_INVALID", violations=[("/rules", "A rule names no category.")])
    return Rule(category, message.is_on, message.hold_threshold, message.watch_threshold, message.tier)


OPINIONS = {
    pb.Opinion.KIND_ALLOWED: "allowed",
    pb.Opinion.KIND_REJECTED: "rejected",
    pb.Opinion.KIND_RESOLVED: "resolved",
}
"""Opinions of the vendor's reviewers, as they are stored."""


def opinion_message(row: Mapping[str, Any]) -> pb.Opinion:
    """Return an opinion from its row."""
    kind = next(number for number, word in OPINIONS.items() if word == row["kind"])
    message = pb.Opinion(message_id=row["message_id"], kind=kind)
    message.said_at.FromDatetime(row["said_at"])
    return message
