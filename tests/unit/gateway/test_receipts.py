"""What SES and AWS End User Messaging say, as receipts."""

import pytest

from services.gateway.routes.webhooks import DELIVERY_KEY, messaging_receipts_of, receipts_of
from services.queue.providers.aws_messaging import KEY_CONTEXT
from services.queue.providers.ses_email import KEY_TAG
from services.queue.providers.twilio import KEY_PARAMETER


def event(kind: str, **detail: object) -> dict[str, object]:
    mail = {"messageId": "m-1", "tags": {"delivery_key": ["e_1_1"]}}
    return {"eventType": kind, "mail": mail, kind[0].lower() + kind[1:]: detail}


def test_a_delivery_names_its_message_and_time() -> None:
    (receipt,) = receipts_of(event("Delivery", timestamp="2026-11-14T13:05:00.000Z"))
    assert (receipt.provider, receipt.provider_message_id, receipt.delivery_key) == ("ses", "m-1", "e_1_1")
    assert (receipt.status, receipt.error_code) == ("Delivery", "")
    assert receipt.occurred_at.ToJsonString() == "2026-11-14T13:05:00Z"


def test_a_bounce_carries_its_kind() -> None:
    (receipt,) = receipts_of(event("Bounce", bounceType="Permanent", bounceSubType="NoEmail"))
    assert (receipt.status, receipt.error_code) == ("Bounce", "Permanent/NoEmail")


def test_what_is_no_event_makes_no_receipt() -> None:
    assert receipts_of({"hello": "world"}) == []
    assert receipts_of({"eventType": "Delivery", "mail": "x"}) == []
    (receipt,) = receipts_of({"eventType": "Send", "mail": {"messageId": "m", "tags": []}, "send": []})
    assert receipt.delivery_key == ""


def test_an_event_of_amazons_texts_names_its_text_and_time() -> None:
    event = {"eventType": "TEXT_DELIVERED", "messageId": "t-1", "context": {"delivery_key": "e.1.1"}}
    (receipt,) = messaging_receipts_of({**event, "eventTimestamp": 1_794_661_500_000})
    assert (receipt.provider, receipt.provider_message_id, receipt.delivery_key) == ("aws_sms", "t-1", "e.1.1")
    assert (receipt.status, receipt.occurred_at.ToJsonString()) == ("TEXT_DELIVERED", "2026-11-14T13:05:00Z")
    (receipt,) = messaging_receipts_of({**event, "context": "x", "eventTimestamp": 10**20})
    assert (receipt.delivery_key, receipt.HasField("occurred_at")) == ("", False)


def test_an_event_of_amazons_calls_comes_by_the_same_way() -> None:
    event = {"eventType": "VOICE_NO_ANSWER", "messageId": "v-1", "context": {"delivery_key": "e.1.2"}}
    (receipt,) = messaging_receipts_of({**event, "eventTimestamp": 1_794_661_500_000})
    assert (receipt.provider, receipt.provider_message_id, receipt.delivery_key) == ("aws_voice", "v-1", "e.1.2")
    assert (receipt.status, receipt.occurred_at.ToJsonString()) == ("VOICE_NO_ANSWER", "2026-11-14T13:05:00Z")


@pytest.mark.parametrize("event", [{}, {"eventType": "MEDIA_SENT", "messageId": "m"}, {"eventType": "TEXT_SENT"}])
def test_what_is_about_no_text_or_call_makes_no_receipt(event: dict[str, object]) -> None:
    assert messaging_receipts_of(event) == []


def test_the_key_comes_back_under_the_name_that_the_queue_gave_it() -> None:
    assert KEY_TAG == KEY_PARAMETER == KEY_CONTEXT == DELIVERY_KEY
