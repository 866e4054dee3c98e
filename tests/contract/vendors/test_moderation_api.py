"""ModerationAPI through its own SDK, which validates every answer; outage modes; signed webhooks."""

import threading
from typing import Any

import httpx
import pytest
from moderation_api import ModerationAPI
from moderation_api.errors import (
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
    ResponseValidationError,
)
from moderation_api.utils import BackoffStrategy, RetryConfig
from moderation_api.webhook_signature import construct_event, verify_signature

from tests.support.eventually import eventually_sync
from tests.support.vendors import MODAPI_KEY, MODAPI_WEBHOOK_SECRET, Receiver, VendorSimulator


def submit(client: ModerationAPI, text: str, **more: Any) -> Any:
    return client.content.submit(content={"type": "text", "text": text}, meta_type="message", do_not_store=True, **more)


def probability(answer: Any, policy: str, label: str = "") -> float:
    found = next(each for each in answer.policies if each.id == policy)
    return float(next(each.probability for each in found.labels if each.id == label) if label else found.probability)


def test_a_clean_message_is_allowed(moderation: ModerationAPI) -> None:
    answer = submit(moderation, "The bus is late", author_id="p-1", content_id="c-1", channel="students")
    assert (answer.content.id, answer.author.external_id, answer.meta.channel_key) == ("c-1", "p-1", "students")
    assert (answer.evaluation.flagged, answer.recommendation.action, answer.casebook) == (False, "allow", None)
    assert all(not policy.flagged for policy in answer.policies)


def test_scores_can_be_read_by_policy_and_label(moderation: ModerationAPI) -> None:
    answer = submit(moderation, "i want to die, i'm going to kill myself")
    assert probability(answer, "self_harm", "self_harm_intent") > 0.9
    assert probability(answer, "threat") < 0.1
    assert (answer.recommendation.action, answer.recommendation.reason_codes) == ("reject", ["severity_reject"])


def test_a_text_can_name_its_own_scores(moderation: ModerationAPI) -> None:
    answer = submit(moderation, "hello sim:threat=0.61 sim:insult=0.2")
    assert (probability(answer, "threat"), probability(answer, "toxicity", "insult")) == (0.61, 0.2)
    assert answer.recommendation.action == "review"


def test_a_stricter_verdict_that_is_handed_in_becomes_the_recommendation(
    moderation: ModerationAPI, vendors: VendorSimulator
) -> None:
    action = {"action": "reject", "behavior": "escalate", "source": "ours"}
    answer = submit(moderation, "The bus is late", client_action=action)
    assert (answer.recommendation.action, answer.recommendation.reason_codes) == ("reject", ["client_override"])
    assert not answer.evaluation.flagged
    (body,) = vendors.get("/control/moderated")["bodies"]
    assert body["clientAction"] == action


def test_only_the_policies_asked_for_are_evaluated(moderation: ModerationAPI) -> None:
    answer = submit(moderation, "stupid", policies=[{"id": "self_harm", "flag": True}])
    assert [policy.id for policy in answer.policies] == ["self_harm"]


@pytest.mark.parametrize(
    ("mode", "error", "code"),
    [
        ("429", RateLimitError, "rate_limit_exceeded"),
        ("500", InternalServerError, "internal_error"),
        ("quota_exceeded", PermissionDeniedError, "quota_exceeded"),
        ("key_refused", AuthenticationError, "invalid_api_key"),
        ("400", BadRequestError, "validation_failed"),
    ],
)
def test_outages_raise_the_sdks_errors(
    moderation: ModerationAPI, vendors: VendorSimulator, mode: str, error: type[Exception], code: str
) -> None:
    vendors.modes(moderation={"mode": mode, "retry_after_seconds": 7})
    with pytest.raises(error) as raised:
        submit(moderation, "x")
    failure: Any = raised.value
    assert failure.data.code == code
    if mode == "429":
        assert failure.headers["Retry-After"] == "7"
        assert failure.headers["X-RateLimit-Remaining"] == "0"


def test_the_sdk_waits_as_long_as_it_is_told(moderation: ModerationAPI, vendors: VendorSimulator) -> None:
    vendors.modes(moderation={"mode": "429", "retry_after_seconds": 1, "count": 1})
    retries = RetryConfig("backoff", BackoffStrategy(10, 100, 1.5, 8000), True)
    assert submit(moderation, "x", retries=retries).recommendation.action == "allow"


def test_a_changed_schema_fails_validation(moderation: ModerationAPI, vendors: VendorSimulator) -> None:
    vendors.modes(moderation={"mode": "schema_drift"})
    with pytest.raises(ResponseValidationError):
        submit(moderation, "x")


def test_a_partial_answer_lacks_a_policy_and_says_so(moderation: ModerationAPI, vendors: VendorSimulator) -> None:
    vendors.modes(moderation={"mode": "partial"})
    answer = submit(moderation, "x")
    assert "self_harm" not in [policy.id for policy in answer.policies]
    assert (answer.meta.status, [error.id for error in answer.errors]) == ("partial_success", ["self_harm"])


@pytest.mark.parametrize("mode", ["hang", "timeout_after_accept"])
def test_a_hanging_answer_times_out(moderation: ModerationAPI, vendors: VendorSimulator, mode: str) -> None:
    vendors.modes(moderation={"mode": mode})
    with pytest.raises(httpx.ReadTimeout):
        submit(moderation, "x", timeout_ms=200)
    assert vendors.get("/control/state")["moderated"] == (1 if mode == "timeout_after_accept" else 0)


def test_a_hanging_request_is_cut_when_the_mode_ends(moderation: ModerationAPI, vendors: VendorSimulator) -> None:
    vendors.modes(moderation={"mode": "hang"})
    failures: list[Exception] = []

    def wait() -> None:
        try:
            submit(moderation, "x", timeout_ms=10_000)
        except httpx.HTTPError as failure:
            failures.append(failure)

    def hangs() -> None:
        assert vendors.get("/control/state")["hanging"] == 1

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually_sync(hangs)
    vendors.modes(moderation={"mode": "ok"})
    waiting.join()
    assert len(failures) == 1
    assert not isinstance(failures[0], httpx.TimeoutException)
    assert submit(moderation, "x").recommendation.action == "allow"


def test_a_wrong_key_is_refused(vendors: VendorSimulator) -> None:
    with (
        ModerationAPI(secret_key="wrong", server_url=f"{vendors.url}/v1") as stranger,
        pytest.raises(AuthenticationError) as refused,
    ):
        submit(stranger, "x")
    assert refused.value.data.code == "invalid_api_key"


@pytest.mark.parametrize(("header", "code"), [("", "missing_api_key"), ("Basic x", "malformed_api_key")])
def test_a_missing_key_is_refused(vendors: VendorSimulator, header: str, code: str) -> None:
    answer = httpx.post(f"{vendors.url}/v1/moderate", json={}, headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_a_body_without_content_is_refused_with_its_place(vendors: VendorSimulator) -> None:
    answer = httpx.post(f"{vendors.url}/v1/moderate", json={}, headers={"Authorization": f"Bearer {MODAPI_KEY}"})
    assert answer.status_code == 400
    assert answer.json()["issues"] == [{"path": ["content"], "message": "Required"}]


def test_webhooks_are_signed_over_the_raw_body(vendors: VendorSimulator, receiver: Receiver) -> None:
    sent = vendors.post(
        "/control/moderation_webhook",
        {"type": "queue_item.allowed", "item": {"id": "c-1"}, "url": f"{receiver.url}/webhooks/moderation"},
    )
    request = receiver.wait_for(1)[0]
    signature = request.headers["modapi-signature"]
    event = construct_event(request.body, signature, secret=MODAPI_WEBHOOK_SECRET)
    assert (event["id"], event["type"], event["api_version"]) == (sent["id"], "queue_item.allowed", "v2")
    assert event["data"]["object"]["item"] == {"id": "c-1"}
    assert request.headers["webhook-event-id"] == sent["id"]
    assert not verify_signature(request.body + b" ", signature, secret=MODAPI_WEBHOOK_SECRET)


def test_a_webhook_is_tried_five_times(vendors: VendorSimulator, receiver: Receiver) -> None:
    receiver.answer = lambda _request: (500, "")
    vendors.post("/control/moderation_webhook", {"type": "author.blocked", "url": receiver.url})
    receiver.wait_for(5)
    vendors.wait_quiet()
    assert len(receiver.requests) == 5
