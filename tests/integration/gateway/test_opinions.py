"""What reviewers at ModerationAPI say about messages: signed, once, in time, and never acted upon."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from protos.moderation.v1 import moderation_pb2 as moderation
from services.kit.ids import new_id
from tests.integration.gateway.stack import MODAPI_SECRET, Stack
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.support.eventually import eventually_sync
from tests.support.vendors import Receiver, VendorSimulator, receiver, vendor_process, vendors

SERVICES = (*USUAL, "moderation")
ADDRESS = "/webhooks/moderation"
DANGER = "i have a plan to end my life this weekend, please don't tell anybody"
__all__ = ["receiver", "vendor_process", "vendors"]


@pytest.fixture(scope="module")
def message_id(stack: Stack) -> str:
    """A student's message that screening withheld."""
    body: dict[str, Any] = {"idempotency_key": new_id(), "subject": "Hello", "body": DANGER, "channels": ["email"]}
    body["audience"] = {"person_ids": [stack.people["tea"]]}
    sent = stack.browser("amy").send_json("POST", "/api/v1/messages", body)
    assert sent.status_code == 200
    principal = stack.browser("pri")

    def found() -> str:
        rows = principal.rows("threats")
        assert len(rows) == 1
        return str(rows[0]["message_id"])

    return eventually_sync(found, 30)


def event_of(message_id: str, **changes: Any) -> dict[str, Any]:
    created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    item = {"item": {"id": message_id}}
    event = {"id": f"evt_{new_id()}", "type": "queue_item.allowed", "created": created, "data": {"object": item}}
    return event | changes


def send(stack: Stack, event: dict[str, Any] | bytes, secret: str = MODAPI_SECRET, **headers: str) -> TestResponse:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    sent = {"modapi-signature": signature, "Content-Type": "application/json", **headers}
    return stack.browser().client.post(ADDRESS, data=body, headers=sent)


def opinions(stack: Stack, message_id: str) -> list[str]:
    wanted = moderation.ListVerdictsRequest(message_id=message_id)
    clients = stack.gateway.clients
    found = clients.moderation.ListVerdicts(wanted, metadata=clients.as_gateway).opinions
    return [moderation.Opinion.Kind.Name(each.kind) for each in found]


@pytest.mark.accepts(173)
def test_what_the_vendor_sends_is_kept_once_shown_and_releases_nothing(
    stack: Stack, message_id: str, vendors: VendorSimulator, receiver: Receiver
) -> None:
    item = {"type": "queue_item.allowed", "item": {"id": message_id}, "url": f"{receiver.url}{ADDRESS}"}
    vendors.post("/control/moderation_webhook", item)
    (received,) = receiver.wait_for(1)
    before = opinions(stack, message_id)
    for _ in range(2):
        answer = stack.browser().client.post(ADDRESS, data=received.body, headers=received.headers)
        assert answer.status_code == 204
    assert opinions(stack, message_id) == ["KIND_ALLOWED", *before]
    principal = stack.browser("pri")
    page = principal.get(f"/reports/threats/{message_id}").get_data(as_text=True)
    assert "What reviewers at ModerationAPI said" in page
    assert "it changes nothing here" in page
    row = principal.rows("threats")[0]
    assert (row["is_withheld"], row["decision"]) == (True, "THREAT_DECISION_UNSPECIFIED")
    assert stack.browser("tea").get("/api/v1/inbox").get_json().get("items", []) == []


def test_what_is_forged_changed_or_unsigned_is_refused(stack: Stack, message_id: str) -> None:
    before = opinions(stack, message_id)
    event = event_of(message_id)
    forged = send(stack, event, secret="another secret")
    assert (forged.status_code, forged.get_json()["reason"]) == (403, "SIGNATURE_INVALID")
    signed = hmac.new(MODAPI_SECRET.encode(), json.dumps(event).encode(), hashlib.sha256).hexdigest()
    changed = json.dumps(event | {"type": "queue_item.rejected"}).encode()
    for signature in (signed, "", "é", "0" * 64):
        assert send(stack, changed, **{"modapi-signature": signature}).status_code == 403
    assert stack.browser().client.post(ADDRESS, json=event).status_code == 403
    assert opinions(stack, message_id) == before


@pytest.mark.parametrize("seconds", [302, -330, 9 * 86400])
def test_what_is_old_or_of_the_future_is_refused_however_well_signed(
    stack: Stack, message_id: str, seconds: int
) -> None:
    before = opinions(stack, message_id)
    answer = send(stack, event_of(message_id, created=(datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()))
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "EVENT_TOO_OLD")
    assert send(stack, event_of(message_id, created="soon")).status_code == 403
    assert opinions(stack, message_id) == before


def test_other_events_and_messages_that_were_never_judged_are_taken_and_kept_nowhere(
    stack: Stack, message_id: str
) -> None:
    before = opinions(stack, message_id)
    ignored = (
        event_of(message_id, type="author.blocked"),
        event_of(message_id, data={}),
        event_of(message_id, data={"object": {"item": "x"}}),
        event_of("not-an-id"),
        event_of(new_id()),
    )
    assert [send(stack, each).status_code for each in ignored] == [204] * 5
    assert send(stack, b"[1]").status_code == 400
    assert send(stack, b"\xff").status_code == 400
    assert send(stack, event_of(message_id, id="")).status_code == 400
    assert opinions(stack, message_id) == before
