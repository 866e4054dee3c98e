"""Calls by AWS End User Messaging through boto3: taken, refused and told of, in the service model's shapes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.vendors.clients import aws_client
from tests.contract.vendors.notifications import confirm, is_notification
from tests.contract.vendors.shapes import Checked
from tests.support.vendors import Receiver, VendorSimulator

TOPIC = "arn:aws:sns:us-east-1:123456789012:text-events"
ORIGIN = "+18445550123"
SAID = '<speak><break time="1s"/>Stay inside &amp; wait.</speak>'


def called(client: Any, to: str = "+12125550101", **changes: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {"DestinationPhoneNumber": to, "OriginationIdentity": ORIGIN, "MessageBody": SAID}
    wanted |= {"MessageBodyTextType": "SSML", "VoiceId": "LUPE", "ConfigurationSetName": "texts", "TimeToLive": 60}
    return dict(client.send_voice_message(**{**wanted, "Context": {"delivery_key": "a.1.1"}, **changes}))


def test_answers_fit_the_service_model(messaging: Any, vendors: VendorSimulator) -> None:
    checked = Checked(messaging)
    answer = called(messaging)
    assert checked.operations == ["SendVoiceMessage"]
    (arrived,) = vendors.arrivals(channel="voice")
    assert (arrived["vendor_id"], arrived["tags"]) == (answer["MessageId"], {"delivery_key": "a.1.1"})
    assert (arrived["to"], arrived["sender"], arrived["text"]) == ("+12125550101", ORIGIN, "Stay inside & wait.")
    assert arrived["details"]["voice"] == "LUPE"


def test_every_voice_of_the_service_model_speaks(messaging: Any, vendors: VendorSimulator) -> None:
    voices = messaging.meta.service_model.shape_for("VoiceId").enum
    for voice in voices:
        called(messaging, VoiceId=voice)
    assert len(vendors.arrivals(channel="voice")) == len(voices)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": "+16465550189"}, "INVALID_PARAMETER"),
        ({"MessageBody": "<speak>Stay inside & wait.</speak>"}, "FIELD_VALIDATION_FAILED"),
        ({"MessageBody": "Stay inside."}, "FIELD_VALIDATION_FAILED"),
        ({"MessageBody": "x" * 3_001, "MessageBodyTextType": "TEXT"}, "FIELD_VALIDATION_FAILED"),
        ({"VoiceId": "GABRIELLE"}, "FIELD_VALIDATION_FAILED"),
    ],
)
def test_refusals_say_why(messaging: Any, vendors: VendorSimulator, changes: Any, reason: str) -> None:
    reasons = messaging.meta.service_model.shape_for("ValidationExceptionReason").enum
    with pytest.raises(ClientError) as refused:
        called(messaging, **changes)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["Reason"] == reason
    assert reason in reasons
    assert vendors.arrivals(channel="voice") == []


@pytest.mark.parametrize(("mode", "code"), [("429", "ThrottlingException"), ("500", "InternalServerException")])
def test_outages_have_amazons_names(messaging: Any, vendors: VendorSimulator, mode: str, code: str) -> None:
    vendors.modes(aws_voice={"mode": mode})
    with pytest.raises(ClientError) as refused:
        called(messaging)
    assert refused.value.response["Error"]["Code"] == code


@pytest.fixture
def events(vendors: VendorSimulator, receiver: Receiver) -> Iterator[Receiver]:
    """A receiver that is subscribed to the events of texts and calls."""
    client = aws_client("sns", vendors.url)
    client.subscribe(TopicArn=TOPIC, Protocol="http", Endpoint=f"{receiver.url}/webhooks/aws-texts")
    confirm(receiver)
    yield receiver
    for each in vendors.get("/control/state")["subscriptions"]:
        if each["endpoint"].startswith(receiver.url):
            client.unsubscribe(SubscriptionArn=each["arn"])
    client.close()


@pytest.mark.parametrize(
    ("to", "kinds"),
    [
        ("+12125550101", {"INITIATED", "RINGING", "ANSWERED", "COMPLETED"}),
        ("+16465550192", {"INITIATED", "BUSY"}),
        ("+16465550191", {"INITIATED", "RINGING", "NO_ANSWER"}),
        ("+16465550193", {"INITIATED", "FAILED"}),
        ("+16465550199", {"INITIATED", "RINGING"}),
    ],
)
def test_events_go_to_the_topic_of_texts(
    messaging: Any, vendors: VendorSimulator, events: Receiver, to: str, kinds: set[str]
) -> None:
    answer = called(messaging, to)
    vendors.wait_quiet()
    told = [json.loads(each.json["Message"]) for each in events.wait_for(len(kinds), is_notification)]
    assert {each["eventType"].removeprefix("VOICE_") for each in told} == kinds
    assert len(told) == len(kinds)
    assert {each["messageId"] for each in told} == {answer["MessageId"]}
    assert {each["context"]["delivery_key"] for each in told} == {"a.1.1"}
    assert {each["eventType"] for each in told} <= set(messaging.meta.service_model.shape_for("EventType").enum)
