"""Amazon SNS through boto3: push endpoints, topics, the subscription handshake and signed notifications."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.vendors.clients import aws_client
from tests.contract.vendors.notifications import confirm, is_notification, verify
from tests.contract.vendors.shapes import Checked
from tests.support.vendors import PLATFORM_APPLICATION, Receiver, VendorSimulator

RUNBOOK = Path(__file__).parents[3] / "docs/runbook.md"
PUSH = json.dumps({"default": "d", "GCM": json.dumps({"notification": {"title": "Closed", "body": "Stay home."}})})


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def endpoint(sns: Any, token: str, **more: Any) -> str:
    made = sns.create_platform_endpoint(PlatformApplicationArn=PLATFORM_APPLICATION, Token=token, **more)
    return str(made["EndpointArn"])


def test_answers_fit_the_service_model(sns: Any, receiver: Receiver) -> None:
    checked = Checked(sns)
    application = sns.create_platform_application(Name="other", Platform="APNS", Attributes={"PlatformCredential": "k"})
    device = sns.create_platform_endpoint(PlatformApplicationArn=application["PlatformApplicationArn"], Token="shape")
    sns.set_endpoint_attributes(EndpointArn=device["EndpointArn"], Attributes={"CustomUserData": "a < b & c"})
    assert sns.get_endpoint_attributes(EndpointArn=device["EndpointArn"])["Attributes"]["CustomUserData"] == "a < b & c"
    sns.publish(TargetArn=device["EndpointArn"], MessageStructure="json", Message=PUSH)
    sns.list_endpoints_by_platform_application(PlatformApplicationArn=application["PlatformApplicationArn"])
    sns.delete_endpoint(EndpointArn=device["EndpointArn"])
    topic = sns.create_topic(Name="shapes")["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    sns.get_topic_attributes(TopicArn=topic)
    made = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url, ReturnSubscriptionArn=True)
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    assert len(checked.operations) == 12


def test_the_same_token_gives_the_same_endpoint(sns: Any) -> None:
    first = endpoint(sns, "tok-1", CustomUserData="u")
    assert endpoint(sns, "tok-1", CustomUserData="u") == first
    assert endpoint(sns, "tok-1") == first
    assert endpoint(sns, "tok-2") != first
    arguments = {"PlatformApplicationArn": PLATFORM_APPLICATION, "Token": "tok-1", "CustomUserData": "other"}
    assert refused(sns.create_platform_endpoint, **arguments) == "InvalidParameter"


def test_a_push_arrives_with_its_attributes(sns: Any, vendors: VendorSimulator) -> None:
    attributes = {"recipient": {"DataType": "String", "StringValue": "r-7"}}
    made = sns.publish(
        TargetArn=endpoint(sns, "tok-3"), MessageStructure="json", Message=PUSH, MessageAttributes=attributes
    )
    arrival = vendors.arrivals(channel="push", to="tok-3")[0]
    assert (arrival["vendor_id"], arrival["tags"]) == (made["MessageId"], {"recipient": "r-7"})
    assert (arrival["subject"], arrival["text"]) == ("Closed", "Stay home.")


def test_a_device_gets_the_part_of_its_platform(sns: Any, vendors: VendorSimulator) -> None:
    apple = sns.create_platform_application(Name="a", Platform="APNS", Attributes={"PlatformCredential": "k"})
    device = sns.create_platform_endpoint(PlatformApplicationArn=apple["PlatformApplicationArn"], Token="tok-8")
    message = {"default": "d", "GCM": "{}", "APNS": json.dumps({"aps": {"alert": {"title": "Snow", "body": "b"}}})}
    sns.publish(TargetArn=device["EndpointArn"], MessageStructure="json", Message=json.dumps(message))
    sns.publish(TargetArn=device["EndpointArn"], MessageStructure="json", Message=json.dumps({"default": "plain"}))
    assert [(each["subject"], each["text"]) for each in vendors.arrivals(to="tok-8")] == [("", "plain"), ("Snow", "b")]


def test_a_disabled_endpoint_takes_nothing_until_it_is_enabled(sns: Any, vendors: VendorSimulator) -> None:
    device = endpoint(sns, "tok-4")
    sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "false"})
    assert refused(sns.publish, TargetArn=device, Message="x") == "EndpointDisabled"
    assert endpoint(sns, "tok-4") == device
    sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "true"})
    sns.publish(TargetArn=device, Message="x")
    assert vendors.counts()["by_channel"] == {"push": 1}


def test_the_devices_that_are_off_are_found_as_the_runbook_says(sns: Any) -> None:
    devices = {endpoint(sns, f"many-{number}") for number in range(105)}
    off = set(sorted(devices)[:101])
    for device in off:
        sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "false"})
    (wanted,) = re.findall(r'--query "(Endpoints.*?)"', RUNBOOK.read_text(encoding="utf-8"))
    pages = sns.get_paginator("list_endpoints_by_platform_application").paginate(
        PlatformApplicationArn=PLATFORM_APPLICATION
    )
    assert sorted(arn for (arn,) in pages.search(wanted) if arn in devices) == sorted(off)
    arguments = {"PlatformApplicationArn": f"{PLATFORM_APPLICATION}-other"}
    assert refused(sns.list_endpoints_by_platform_application, **arguments) == "NotFound"


def test_a_device_that_is_gone_is_disabled_after_the_first_publish(sns: Any) -> None:
    device = endpoint(sns, "gone-5")
    sns.set_endpoint_attributes(EndpointArn=device, Attributes={"Enabled": "true"})
    sns.publish(TargetArn=device, Message="x")
    assert refused(sns.publish, TargetArn=device, Message="x") == "EndpointDisabled"
    assert sns.get_endpoint_attributes(EndpointArn=device)["Attributes"]["Enabled"] == "false"


def test_refusals(sns: Any, vendors: VendorSimulator) -> None:
    device = endpoint(sns, "tok-6")
    assert refused(sns.publish, TargetArn=f"{device}x", Message="x") == "NotFound"
    assert refused(sns.publish, TargetArn=device, Message="") == "InvalidParameter"
    assert refused(sns.publish, TargetArn=device, Message="{}", MessageStructure="json") == "InvalidParameter"
    unknown = f"{PLATFORM_APPLICATION}2"
    assert refused(sns.create_platform_endpoint, PlatformApplicationArn=unknown, Token="t") == "NotFound"
    assert refused(sns.subscribe, TopicArn="arn:aws:sns:us-east-1:123456789012:no", Protocol="http") == "NotFound"
    assert refused(sns.list_topics) == "InvalidAction"
    assert vendors.counts()["total"] == 0


@pytest.mark.parametrize(("word", "code"), [("throttled", "Throttled"), ("flaky", "InternalError")])
def test_a_flaky_device_is_accepted_the_second_time(sns: Any, word: str, code: str) -> None:
    device = endpoint(sns, f"{word}-7")
    assert refused(sns.publish, TargetArn=device, Message="x") == code
    assert sns.publish(TargetArn=device, Message="x")["MessageId"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_notifications_come_signed_after_the_handshake(sns: Any, receiver: Receiver, version: str) -> None:
    topic = sns.create_topic(Name=f"handshake-{version}", Attributes={"SignatureVersion": version})["TopicArn"]
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)["SubscriptionArn"]
    assert arn == "pending confirmation"
    sns.publish(TopicArn=topic, Message="too early")
    assert confirm(receiver)["SignatureVersion"] == version
    sns.publish(TopicArn=topic, Subject="News", Message="line 1\nline 2 é")
    request = receiver.wait_for(1, is_notification)[0]
    verify(request.json)
    wanted = {"Type": "Notification", "TopicArn": topic, "Subject": "News", "Message": "line 1\nline 2 é"}
    assert wanted.items() <= request.json.items()
    assert request.headers["content-type"] == "text/plain; charset=UTF-8"
    assert request.headers["x-amz-sns-topic-arn"] == topic


def test_a_notification_is_tried_again(sns: Any, vendors: VendorSimulator, receiver: Receiver) -> None:
    topic = sns.create_topic(Name="retries")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    confirm(receiver)
    receiver.answer = lambda _request: (500, "")
    sns.publish(TopicArn=topic, Message="x")
    requests = receiver.wait_for(4, is_notification)
    vendors.wait_quiet()
    assert len({request.headers["x-amz-sns-message-id"] for request in requests}) == 1
    assert vendors.get("/control/state")["webhooks"]["sns.Notification.given_up"] == 1


def test_the_launchers_subscription_is_asked_until_it_confirms(receiver: Receiver) -> None:
    receiver.answer = lambda _request: (503, "")
    simulator = VendorSimulator.start("--ses-events-url", f"{receiver.url}/webhooks/ses")
    try:
        receiver.wait_for(6)
        assert not simulator.get("/control/state")["subscriptions"][0]["confirmed"]
        receiver.answer = lambda _request: (200, "")
        confirm(receiver)
        assert simulator.get("/control/state")["subscriptions"][0]["confirmed"]
    finally:
        assert simulator.stop() == 0


def test_a_wrong_signature_is_refused(vendors: VendorSimulator) -> None:
    client = aws_client("sns", vendors.url, secret="wrong")
    assert refused(client.create_topic, Name="t") == "SignatureDoesNotMatch"
    client.close()
    stranger = aws_client("sns", vendors.url, key="AKIASTRANGER00000000")
    assert refused(stranger.create_topic, Name="t") == "InvalidClientTokenId"
    stranger.close()
