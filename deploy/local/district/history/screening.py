"""The verdict on each past student message: ten scores, what held it, who judged it."""

import random
from datetime import timedelta
from typing import Any

from deploy.local.district.history.drafts import Draft
from deploy.local.district.source import data

CATEGORIES = ("toxicity", "severe_toxicity", "profanity", "insult", "discrimination", "threat", "self_harm",
              "self_harm_intent", "self_harm_direction", "violence")  # fmt: skip


def judge(draft: Draft, rng: random.Random) -> dict[str, Any] | None:
    """Return the verdict on a student's message, None for anybody else's. Scores are 0 to 1."""
    if not draft.verdict:
        return None
    rules = data("traffic")["screening"]
    is_fallback = rng.random() < rules["fallback_share"]
    scores = {name: draft.scores.get(name) or round(rng.betavariate(1, 60), 4) for name in CATEGORIES}
    held = [name for name, score in scores.items() if score >= rules["hold_at"] and draft.verdict == "hold"]
    watched = [name for name, score in scores.items() if score >= rules["watch_at"] and name not in held]
    return {
        "decision": draft.verdict, "scores": scores, "holds": held, "watches": watched,
        "provider": rules["fallback_provider" if is_fallback else "provider"],
        "model": rules["fallback_model" if is_fallback else "model"], "policy_version": rules["policy_version"],
        "explanation": draft.because, "tier": draft.tier,
        "reached_at": (draft.sent_at + timedelta(seconds=rng.randint(1, 4))).isoformat(),
    }  # fmt: skip
