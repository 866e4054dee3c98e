"""What the policy makes of a judgement on a request: a verdict, which is stored for messages and told to who asked."""

from collections.abc import Sequence
from datetime import datetime

from protos.events.v1 import queue_pb2 as requests
from protos.types.v1 import types_pb2 as types
from services.kit.ids import new_id
from services.moderation import store
from services.moderation.domain import Judgement, Policy, decide, explain
from services.moderation.judging import Judge, Weigh
from services.moderation.messages import verdict_message
from services.moderation.reading import blocked_in, said_in, texts_of

_LONGEST_EXPLANATION = 1000


def weighing(request: requests.ScreeningRequested, policy: Policy) -> Weigh:
    """Return what says what the policy makes of a judgement on this request, blocked phrases aside."""
    return lambda judgement: decide(policy, judgement, request.school_id, request.grade, is_blocked=False)


def verdict_row(
    request: requests.ScreeningRequested,
    judgement: Judgement,
    policy: Policy,
    now: datetime,
    phrases: Sequence[str] = (),
) -> store.Row:
    """Return the verdict that the policy makes of a judgement and of the blocked phrases in the request."""
    outcome = decide(policy, judgement, request.school_id, request.grade, is_blocked=bool(phrases))
    return {
        "verdict_id": new_id(),
        "screening_id": request.event_id,
        "message_id": request.message_id,
        "decision": outcome.decision.value,
        "scores": {name.value: round(score, 6) for name, score in judgement.scores.items()},
        "holds": sorted(outcome.holds),
        "watches": sorted(outcome.watches),
        "provider": judgement.provider,
        "model": judgement.model,
        "policy_version": policy.version,
        "explanation": explain(policy, judgement, outcome, request.school_id, request.grade)[:_LONGEST_EXPLANATION],
        "tier": outcome.tier,
        "reached_at": now,
        "school_id": request.school_id,
        "grade": request.grade,
        "is_uncertain": judgement.is_uncertain or not judgement.doubts <= outcome.holds,
        "phrases": list(phrases),
        "is_rescreening": bool(request.rescreening_id or request.translated_into),
        "context_messages": 0,
    }


async def screen_now(
    judge: Judge, policy: Policy, request: requests.ScreeningRequested, now: datetime, seconds: float | None
) -> types.Verdict:
    """Return a verdict that is not stored, for other district systems; they give the vendor so many seconds."""
    texts = texts_of(request, said_in(request, policy))
    judgement = await judge.judge_within(texts, seconds, weighing(request, policy))
    phrases = await blocked_in(request, policy)
    return verdict_message(verdict_row(request, judgement, policy, now, phrases))
