"""ModerationAPI's `POST /v1/moderate` and its webhooks, in the shape that SDK 2.2.0 validates.

A simulator, not a classifier: scores come from a few word rules below, or from the text itself, which may say
`sim:threat=0.91`. It exists to exercise the client; nothing about its accuracy means anything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from deploy.vendors.callbacks import MODERATION_POLICY, Webhook
from deploy.vendors.core import Core, new_hex, retry_after

_FLAGGED_FROM = 0.5
_REJECTED_FROM = 0.8
_LIMIT_PER_MINUTE = 60_000
_CLEAN = 0.01
_KEPT_BODIES = 100
_STRICTNESS = ("allow", "review", "reject")
_SAID = re.compile(r"\bsim:([a-z_]+)=([01](?:\.\d+)?)")
_POLICIES: dict[str, tuple[str, ...]] = {
    "toxicity": ("toxicity", "severe_toxicity", "insult", "profanity", "discrimination", "threat"),
    "toxicity_severe": (),
    "profanity": (),
    "hate": (),
    "threat": (),
    "violence": (),
    "self_harm": ("self_harm", "self_harm_intent", "self_harm_direction"),
    "sexual": (),
}
_RULES: tuple[tuple[str, dict[str, float]], ...] = (
    (r"\bkill myself\b|\bend my life\b|\bsuicid|\bwant to die\b", {"self_harm": 0.97, "self_harm_intent": 0.94}),
    (r"\bhow to (hurt|cut) (myself|yourself)\b", {"self_harm": 0.9, "self_harm_direction": 0.86}),
    (r"\bi(?:'ll| will| am going to|'m going to) (kill|hurt|shoot|stab) (you|him|her|them|everyone)\b",
     {"threat": 0.96, "violence": 0.93, "toxicity": 0.8}),
    (r"\b(gun|knife|bomb)\b.*\bschool\b|\bshoot up\b", {"threat": 0.92, "violence": 0.95}),
    (r"\b(idiot|stupid|loser|moron)\b", {"toxicity": 0.78, "insult": 0.9}),
    (r"\b(damn|crap|hell)\b", {"profanity": 0.74, "toxicity": 0.4}),
    (r"\bgo back to your country\b", {"discrimination": 0.93, "toxicity": 0.85}),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), scores) for pattern, scores in _RULES)
_ERRORS: dict[str, tuple[int, str, str]] = {
    "missing_api_key": (401, "authentication_error", "No API key in the Authorization header."),
    "malformed_api_key": (401, "authentication_error", "The Authorization header does not contain a valid key format."),
    "invalid_api_key": (401, "authentication_error", "The API key does not exist or was revoked."),
    "validation_failed": (400, "invalid_request_error", "The request body does not match the schema."),
    "quota_exceeded": (403, "permission_error", "The quota of this plan is used up."),
    "rate_limit_exceeded": (429, "rate_limit_error", "Too many requests."),
    "internal_error": (500, "api_error", "Something went wrong on our side."),
}
_FAILURES = {
    "400": "validation_failed",
    "429": "rate_limit_exceeded",
    "500": "internal_error",
    "quota_exceeded": "quota_exceeded",
    "key_refused": "invalid_api_key",
}
"""The error of each outage mode that is one."""


def score(text: str) -> dict[str, float]:
    """Scores of 0 to 1 by label; labels that are not in it are clean."""
    scores: dict[str, float] = {}
    for pattern, found in _COMPILED:
        if pattern.search(text):
            scores |= {label: max(value, scores.get(label, 0.0)) for label, value in found.items()}
    return scores | {label: min(1.0, float(value)) for label, value in _SAID.findall(text)}


def error_response(
    code: str, retry_after_seconds: float | None = None, issues: list[dict[str, Any]] | None = None
) -> web.Response:
    """An error in ModerationAPI's shape."""
    status, kind, message = _ERRORS[code]
    body = {
        "type": kind,
        "code": code,
        "message": message,
        "request_id": f"req_{new_hex()[:16]}",
        "doc_url": f"https://docs.moderationapi.com/errors/{code}",
    }
    headers = retry_after(retry_after_seconds)
    if status == 429:
        headers |= _limits(0, retry_after_seconds or 1.0)
    return web.json_response(body | ({"issues": issues} if issues else {}), status=status, headers=headers)


def _limits(left: int, reset_in_seconds: float) -> dict[str, str]:
    reset = int(time.time() + reset_in_seconds)
    return {
        "X-RateLimit-Limit": str(_LIMIT_PER_MINUTE),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(reset),
    }


def text_of(content: Any) -> str | None:
    """All text of a request's `content`: a plain string, a text node, or an object of nodes. None if malformed."""
    if isinstance(content, str):
        return content
    if not isinstance(content, dict):
        return None
    if content.get("type") == "text":
        return content["text"] if isinstance(content.get("text"), str) else None
    if content.get("type") == "object" and isinstance(content.get("data"), dict):
        parts = [text_of(part) for part in content["data"].values()]
        return "\n".join(part for part in parts if part is not None)
    return "" if content.get("type") in ("image", "video", "audio") else None


def _policies(scores: Mapping[str, float], wanted: list[str]) -> list[dict[str, Any]]:
    aliases = {"hate": "discrimination", "toxicity_severe": "severe_toxicity"}
    policies: list[dict[str, Any]] = []
    for policy in wanted:
        labels = _POLICIES.get(policy, ())
        named = {label: scores.get(label, _CLEAN) for label in labels}
        whole = max([scores.get(policy, scores.get(aliases.get(policy, ""), _CLEAN)), *named.values()])
        # A threat is not by itself toxic: only the labels that the policy is about carry its own probability.
        own = scores.get(policy, _CLEAN) if policy == "toxicity" else whole
        shown: dict[str, Any] = {
            "id": policy,
            "type": "classifier",
            "probability": own,
            "flagged": own >= _FLAGGED_FROM,
        }
        if labels:
            rows = [
                {"id": label, "probability": value, "flagged": value >= _FLAGGED_FROM} for label, value in named.items()
            ]
            shown["labels"] = rows
        policies.append(shown)
    return policies


class ModerationApi:
    """The moderating endpoint, and the webhooks that a reviewer's decision would cause."""

    def __init__(self, core: Core) -> None:
        """No requests yet."""
        self._core = core
        self.reset()

    def reset(self) -> None:
        """Forget what came.

        `asked` is how many came, `moderated` how many were answered, `most_at_once` how many were at work together, and
        `bodies` are the latest, oldest first.
        """
        self.asked = self.moderated = self.most_at_once = self._at_work = 0
        self.bodies: deque[dict[str, Any]] = deque(maxlen=_KEPT_BODIES)

    def routes(self) -> list[web.RouteDef]:
        """The address that the SDK calls."""
        return [web.post("/v1/moderate", self._moderate)]

    async def _moderate(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self._at_work += 1
        self.most_at_once = max(self.most_at_once, self._at_work)
        try:
            return await self._respond(request)
        finally:
            self._at_work = max(0, self._at_work - 1)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if refused := self._unauthorised(request):
            return refused
        mode = self._core.modes.draw("moderation")
        if mode.delay_seconds:
            await self._core.modes.pause(mode.delay_seconds)
        if mode.mode == "hang":
            return await self._core.modes.hang(request)
        if code := _FAILURES.get(mode.mode):
            return error_response(code, mode.retry_after_seconds if mode.mode == "429" else None)
        response = self._answer(await request.read(), mode.mode)
        if mode.mode == "drip":
            return await self._core.modes.drip(request, response)
        return await self._core.modes.hang(request) if mode.mode == "timeout_after_accept" else response

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return error_response("missing_api_key")
        kind, _, key = header.partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            return error_response("malformed_api_key")
        right = hmac.compare_digest(key.strip().encode(), self._core.settings.modapi_secret_key.encode())
        return None if right else error_response("invalid_api_key")

    def _answer(self, body: bytes, mode: str) -> web.Response:
        started = time.perf_counter()
        try:
            fields = json.loads(body)
            text = text_of(fields.get("content"))
            wanted = [str(policy["id"]) for policy in fields.get("policies") or ()] or list(_POLICIES)
        except (ValueError, AttributeError, KeyError, TypeError):
            text = None
        if text is None:
            return error_response("validation_failed", issues=[{"path": ["content"], "message": "Required"}])
        self.moderated += 1
        self.bodies.append(fields)
        shown = self._result(fields, _policies(score(text), wanted), mode)
        shown["meta"]["processing_time"] = f"{(time.perf_counter() - started) * 1000:.0f}ms"
        return web.json_response(shown, headers=_limits(_LIMIT_PER_MINUTE - 1, 60.0))

    @staticmethod
    def _result(fields: dict[str, Any], policies: list[dict[str, Any]], mode: str) -> dict[str, Any]:
        worst = max(
            [label["probability"] for policy in policies for label in (policy, *policy.get("labels", ()))],
            default=_CLEAN,
        )
        action = "reject" if worst >= _REJECTED_FROM else "review" if worst >= _FLAGGED_FROM else "allow"
        reasons = {"reject": ["severity_reject"], "review": ["severity_review"], "allow": []}[action]
        advised = (fields.get("clientAction") or {}).get("action", "allow")
        if _STRICTNESS.index(advised) > _STRICTNESS.index(action):
            action, reasons = advised, ["client_override"]
        author = fields.get("authorId")
        result = {
            "content": {
                "id": str(fields.get("contentId") or new_hex()),
                "masked": False,
                "unicode_cleaned": False,
                "modified": None,
            },
            "author": _author(str(author)) if author else None,
            "evaluation": {
                "flagged": worst >= _FLAGGED_FROM,
                "flag_probability": worst,
                "severity_score": worst,
                "unicode_spoofed": False,
            },
            "recommendation": {"action": action, "reason_codes": reasons},
            "casebook": None,
            "policies": policies,
            "insights": [{"id": "language", "type": "insight", "probability": 0.9, "value": "en"}],
            "meta": {
                "status": "success",
                "timestamp": int(time.time() * 1000),
                "channel_key": str(fields.get("channel") or "default"),
                "usage": 1,
            },
        }
        return _degraded(result, mode)

    def send_webhook(self, kind: str, item: Mapping[str, Any], url: str = "") -> str:
        """Post a signed event such as `queue_item.allowed`; returns its id. Without any address it goes nowhere."""
        settings = self._core.settings
        event_id = f"evt_{new_hex()}"
        event = {
            "id": event_id,
            "type": kind,
            "api_version": "v2",
            "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": {"object": {"item": dict(item)}},
        }
        body = json.dumps(event).encode()
        headers = {
            "Content-Type": "application/json",
            "modapi-signature": hmac.new(settings.modapi_webhook_secret.encode(), body, hashlib.sha256).hexdigest(),
            "webhook-version": "v2",
            "webhook-event-id": event_id,
            "User-Agent": "ModAPI/1.0",
        }
        if address := url or settings.modapi_webhook_url:
            self._core.callbacks.post(Webhook(address, body, headers, MODERATION_POLICY, "moderation"))
        return event_id


def _author(external_id: str) -> dict[str, Any]:
    digest = hashlib.sha256(external_id.encode()).hexdigest()[:24]
    trust = {"level": 0, "manual": False}
    return {"id": digest, "external_id": external_id, "status": "enabled", "block": None, "trust_level": trust}


def _degraded(result: dict[str, Any], mode: str) -> dict[str, Any]:
    """The answer as an outage mode wants it: `schema_drift` leaves casebook out, `partial` a policy and says so.

    `renamed` spells every policy as nobody knows it.
    """
    if mode == "schema_drift":
        del result["casebook"]
    elif mode == "renamed":
        result["policies"] = [{**policy, "id": f"new_{policy['id']}"} for policy in result["policies"]]
    elif mode == "partial" and result["policies"]:
        missing = next((p for p in result["policies"] if p["id"] == "self_harm"), result["policies"][-1])
        result["policies"] = [policy for policy in result["policies"] if policy is not missing]
        result["meta"]["status"] = "partial_success"
        result["errors"] = [{"id": missing["id"], "message": "The policy could not be evaluated"}]
    return result
