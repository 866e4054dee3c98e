"""Between rows, domain and proto."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from protos.moderation.v1 import moderation_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.moderation.domain import Category, Decision, Override, Policy, Rule

_CATEGORIES = {category: types.Category.Value(f"CATEGORY_{category.name}") for category in Category}
_CATEGORY_OF: dict[int, Category] = {number: category for category, number in _CATEGORIES.items()}
_DECISIONS = {each: types.Verdict.Decision.Value(f"DECISION_{each.name}") for each in Decision}


def verdict_message(row: Mapping[str, Any]) -> types.Verdict:
    """Return a verdict from its row."""
    message = types.Verdict(
        verdict_id=row["verdict_id"],
        message_id=row["message_id"],
        decision=_DECISIONS[Decision(row["decision"])],
        scores=[
            types.CategoryScore(
                category=_CATEGORIES[Category(name)],
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
            }
            for each in policy.overrides
        ],
        "is_shadow": policy.is_shadow,
        "blocked_phrases": list(policy.blocked_phrases),
        "allowed_phrases": list(policy.allowed_phrases),
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
        tuple(
            Override(each["school_id"], tuple(each["grades"]), tuple(_rule_from_body(rule) for rule in each["rules"]))
            for each in body["overrides"]
        ),
        body["is_shadow"],
        tuple(body["blocked_phrases"]),
        tuple(body["allowed_phrases"]),
    )


def _rule_from_body(body: Mapping[str, Any]) -> Rule:
    return Rule(
        Category(body["category"]), body["is_on"], body["hold_threshold"], body["watch_threshold"], body["tier"]
    )


def policy_message(policy: Policy, author_id: str, created_at: datetime) -> pb.Policy:
    """Return a policy for the wire."""
    message = pb.Policy(
        version=policy.version,
        rules=[_rule_message(rule) for rule in policy.rules],
        overrides=[
            pb.PolicyOverride(
                school_id=each.school_id, grades=each.grades, rules=[_rule_message(rule) for rule in each.rules]
            )
            for each in policy.overrides
        ],
        is_shadow=policy.is_shadow,
        blocked_phrases=policy.blocked_phrases,
        allowed_phrases=policy.allowed_phrases,
        author_id=author_id,
    )
    message.created_at.FromDatetime(created_at)
    return message


def _rule_message(rule: Rule) -> pb.CategoryRule:
    return pb.CategoryRule(
        category=_CATEGORIES[rule.category],
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
        tuple(
            Override(each.school_id, tuple(each.grades), tuple(_rule_from_message(rule) for rule in each.rules))
            for each in message.overrides
        ),
        message.is_shadow,
        tuple(message.blocked_phrases),
        tuple(message.allowed_phrases),
    )


def _rule_from_message(message: pb.CategoryRule) -> Rule:
    category = _CATEGORY_OF.get(message.category)
    if category is None:
        raise InvalidArgument("POLICY_INVALID", violations=[("/rules", "A rule names no category.")])
    return Rule(category, message.is_on, message.hold_threshold, message.watch_threshold, message.tier)
