"""ModerationAPI through its SDK (moderation-api 2.2.0), with its traps handled.

The vendor's API speaks of policies with labels; modapi_labels.json maps them to our ten (policy, label), an empty label
meaning the policy's own probability. A category that no policy reports is absent from the judgement, never zero; what
is reported and not in the table is named in the log, once. Of an answer nothing but the scores is kept.
Only the text, pseudonyms and the embedded model's verdict leave; do_not_store keeps the vendor from keeping the text
(statement 175).
"""

import asyncio
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import httpx
from moderation_api import ModerationAPI, errors
from moderation_api.models import SubmitContentClientActionTypedDict
from moderation_api.utils import BackoffStrategy, RetryConfig

from services.kit.logs import get_logger
from services.moderation.at_once import all_of
from services.moderation.domain import Category, Decision, Judgement, Outcome
from services.moderation.metrics import provider_errors
from services.moderation.providers.base import ProviderUnavailable, Text, TextRefused

_LABELS: dict[str, list[tuple[str, str]]] = {
    name: [(policy, label) for policy, label in places]
    for name, places in json.loads(Path(__file__).with_name("modapi_labels.json").read_text(encoding="utf-8")).items()
}
_KNOWN = frozenset(place for places in _LABELS.values() for place in places)
_MOST_NAMED = 100
"""Places besides that are named in the log: as many as a vendor may have, should it invent a new one each time."""
_log = get_logger(__name__)
_AT_ONCE = 16
"""Texts that one replica asks about at the same time."""
_TRIED_AGAIN = ["500", "502", "504"]
"""The SDK would sleep as long as Retry-After says, be it an hour: 429 and 503, which have one, are left out."""
_KINDS = {429: "rate_limit", 401: "key_refused", 402: "quota_exceeded", 403: "permission_denied", 404: "not_found"}
_LASTING = {401, 402, 403, 404}
"""Statuses that concern every text, and that no waiting changes."""


_ACTIONS: dict[Decision, Literal["allow", "review", "reject"]] = {
    Decision.CLEAN: "allow",
    Decision.WATCH: "review",
    Decision.HOLD: "reject",
}


class ModerationApi:
    """Judges by asking the vendor. One instance a process, made inside the running loop; close it."""

    name = "moderationapi"

    def __init__(self, secret_key: str, base_url: str, timeout_seconds: float) -> None:
        """base_url ends before /moderate; timeout_seconds bounds an answer, all tries and its last byte included."""
        self._timeout_seconds = timeout_seconds
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._named: set[tuple[str, str]] = set()
        # Milliseconds: first pause, longest pause, growth, how long new tries begin, and jitter.
        pauses = BackoffStrategy(100, 1000, 1.5, int(timeout_seconds * 600), 100)
        self._retries = RetryConfig("backoff", pauses, True, _TRIED_AGAIN)
        self._http = httpx.AsyncClient(timeout=timeout_seconds)
        # Taking its part loads it, here and not within the time of the first answer.
        self._content = ModerationAPI(secret_key=secret_key, server_url=base_url, async_client=self._http).content

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        """Return the scores that the vendor reports. ProviderUnavailable for every way in which it may fail to."""
        return await all_of(self._judge(text) for text in texts)

    async def _judge(self, text: Text) -> Judgement:
        try:
            # The SDK's and httpx's time-outs bound a silence, not an answer that comes byte by byte.
            async with self._room, asyncio.timeout(self._timeout_seconds):
                answer = await self._ask(text)
        except (TimeoutError, httpx.TimeoutException) as problem:
            raise ProviderUnavailable("timeout") from problem
        except errors.ModerationAPIError as problem:
            raise _refusal(problem) from problem
        # The SDK's errors and the transport's have no common parent (the SDK's README shows both being caught).
        except (httpx.HTTPError, errors.NoResponseError) as problem:
            raise ProviderUnavailable("unreachable") from problem
        return self._read(answer.model_dump(by_alias=False))

    def _read(self, answer: Mapping[str, Any]) -> Judgement:
        """Return what an answer says; what it leaves out, or says beside what we know, is counted and named."""
        if answer["meta"]["status"] != "success" or answer.get("errors"):
            provider_errors.add(1, {"provider": self.name, "error.type": "partial"})
        unknown = _reported(answer).keys() - _KNOWN - self._named
        for policy, label in sorted(unknown)[: _MOST_NAMED - len(self._named)]:
            self._named.add((policy, label))
            _log.info("vendor_label_unknown", policy=policy, label=label)
        scores = read_scores(answer)
        if not scores:
            raise ProviderUnavailable("schema_drift")
        return Judgement(scores, self.name, "moderationapi-2")

    async def _ask(self, text: Text) -> Any:
        return await self._content.submit_async(
            content={"type": "text", "text": text.text},
            content_id=text.content_id,
            author_id=text.author_key or None,
            conversation_id=text.conversation_key or None,
            meta_type="message",
            do_not_store=True,
            client_action=_client_action(text.local),
            retries=self._retries,
            timeout_ms=int(self._timeout_seconds * 1000),
        )


def _client_action(local: Outcome | None) -> SubmitContentClientActionTypedDict | None:
    """Return the embedded model's verdict as the vendor takes it: where it is stricter, it is the recommendation."""
    if local is None:
        return None
    reason = ", ".join(sorted(local.holds or local.watches)) or "nothing found"
    return {"action": _ACTIONS[local.decision], "behavior": "escalate", "source": "embedded model", "reason": reason}


def _refusal(problem: errors.ModerationAPIError) -> ProviderUnavailable:
    status = problem.status_code
    if isinstance(problem, errors.PermissionDeniedError) and problem.data.code == "quota_exceeded":
        return ProviderUnavailable("quota_exceeded", is_lasting=True)
    if status < 400:
        # An answer that the SDK does not understand.
        return ProviderUnavailable("schema_drift")
    if status < 500 and status not in _KINDS:
        return TextRefused("refused")
    pause = retry_after_seconds(problem.headers.get("Retry-After"))
    kind = _KINDS.get(status, "server_error")
    return ProviderUnavailable(kind, retry_after_seconds=pause, is_lasting=status in _LASTING)


def retry_after_seconds(value: str | None) -> float:
    """Return for how long a Retry-After header asks, in seconds or until a date; 0 when it says nothing of use."""
    try:
        seconds = float(value or 0)
    except ValueError:
        try:
            until = parsedate_to_datetime(value or "")
            seconds = (until - datetime.now(until.tzinfo or UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def read_scores(answer: Mapping[str, Any]) -> dict[Category, float]:
    """Return our categories' scores out of an answer; those that it does not report are absent."""
    found, scores = _reported(answer), {}
    for category in Category:
        reported = [found[place] for place in _LABELS[category] if place in found]
        if reported:
            scores[category] = max(reported)
    return scores


def _reported(answer: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Return each probability that can be one, by policy and label; of a policy that failed there is none."""
    failed = {_plain(str(each.get("id", ""))) for each in answer.get("errors") or ()}
    found: dict[tuple[str, str], float] = {}
    for policy in answer.get("policies") or ():
        name = _plain(str(policy.get("id", "")))
        if policy.get("type") != "classifier" or policy.get("probability") is None or name in failed:
            continue
        said = [("", policy["probability"])]
        said += [(_plain(str(label.get("id", ""))), label.get("probability")) for label in policy.get("labels") or ()]
        # Neither "no number" nor a percentage is one: taken as it is, it would be below or above every threshold.
        found |= {(name, label): float(chance) for label, chance in said if chance is not None and 0 <= chance <= 1}
    return found


def _plain(identifier: str) -> str:
    # The vendor spells ids in several ways: "self-harm", "SELF_HARM", "self_harm/intent".
    return re.sub(r"[^a-z0-9]+", "_", identifier.lower()).strip("_")
