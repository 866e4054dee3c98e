"""ModerationAPI through its SDK (moderation-api 2.2.0), with its traps handled.

The vendor's API speaks of policies with labels; modapi_labels.json maps them to our ten (policy, label), an empty label
meaning the policy's own probability. A category that no policy reports is absent from the judgement, never zero.
Only the text and pseudonyms leave; do_not_store keeps the vendor from keeping the text (statement 175).
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from moderation_api import ModerationAPI, errors
from moderation_api.utils import BackoffStrategy, RetryConfig

from services.moderation.domain import Category, Judgement
from services.moderation.providers.base import ProviderUnavailable, Text

_LABELS: dict[str, list[tuple[str, str]]] = {
    name: [(policy, label) for policy, label in places]
    for name, places in json.loads(Path(__file__).with_name("modapi_labels.json").read_text(encoding="utf-8")).items()
}
# Milliseconds: first pause, longest pause, growth, and how long all tries together may take. Retry-After is honoured.
_RETRIES = RetryConfig("backoff", BackoffStrategy(100, 1000, 1.5, 4000), retry_connection_errors=True)


class ModerationApi:
    """Judges by asking the vendor. One instance a process, made inside the running loop; close it."""

    name = "moderationapi"

    def __init__(self, secret_key: str, base_url: str, timeout_seconds: float) -> None:
        """base_url ends before /moderate; timeout_seconds bounds one try."""
        self._timeout_ms = int(timeout_seconds * 1000)
        self._http = httpx.AsyncClient(timeout=timeout_seconds)
        self._client = ModerationAPI(secret_key=secret_key, server_url=base_url, async_client=self._http)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        """Return the scores that the vendor reports. ProviderUnavailable for every way in which it may fail to."""
        return [await self._judge(text) for text in texts]

    async def _judge(self, text: Text) -> Judgement:
        try:
            answer = await self._client.content.submit_async(
                content={"type": "text", "text": text.text},
                content_id=text.content_id,
                author_id=text.author_key,
                conversation_id=text.conversation_key,
                meta_type="message",
                do_not_store=True,
                retries=_RETRIES,
                timeout_ms=self._timeout_ms,
            )
        except errors.ResponseValidationError as problem:
            raise ProviderUnavailable("schema_drift") from problem
        except errors.PermissionDeniedError as problem:
            raise ProviderUnavailable("quota_or_permission") from problem
        except errors.RateLimitError as problem:
            raise ProviderUnavailable("rate_limit") from problem
        except httpx.TimeoutException as problem:
            raise ProviderUnavailable("timeout") from problem
        # The SDK's errors and the transport's have no common parent (the SDK's README shows both being caught).
        except (errors.ModerationAPIDefaultError, httpx.HTTPError, errors.NoResponseError) as problem:
            raise ProviderUnavailable("unreachable") from problem
        except (
            errors.AuthenticationError,
            errors.BadRequestError,
            errors.NotFoundError,
            errors.ConflictError,
        ) as problem:
            raise ProviderUnavailable("refused") from problem
        except errors.InternalServerError as problem:
            raise ProviderUnavailable("server_error") from problem
        return Judgement(read_scores(answer.model_dump(by_alias=False)), self.name, "moderationapi-2")


def read_scores(answer: Mapping[str, Any]) -> dict[Category, float]:
    """Return our categories' scores out of an answer; those that it does not report are absent."""
    found: dict[tuple[str, str], float] = {}
    for policy in answer.get("policies") or ():
        if policy.get("type") != "classifier" or policy.get("probability") is None:
            continue
        name = _plain(str(policy.get("id", "")))
        found[name, ""] = float(policy["probability"])
        for label in policy.get("labels") or ():
            if label.get("probability") is not None:
                found[name, _plain(str(label.get("id", "")))] = float(label["probability"])
    scores = {}
    for category in Category:
        reported = [found[place] for place in _LABELS[category] if place in found]
        if reported:
            scores[category] = max(reported)
    return scores


def _plain(identifier: str) -> str:
    # The vendor spells ids in several ways: "self-harm", "SELF_HARM", "self_harm/intent".
    return re.sub(r"[^a-z0-9]+", "_", identifier.lower()).strip("_")
