"""Whose SNS topics are believed: Amazon signs anybody's, so only those that the district names."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from deploy.local.environment import TOPICS
from deploy.local.ports import free_port
from deploy.vendors import messaging
from deploy.vendors.ses import api as ses
from services.gateway.sns import Certificates
from services.kit.ids import new_id
from tests.contract.vendors.clients import aws_client
from tests.integration.gateway.stack import Stack
from tests.support.vendors import Received, Receiver, VendorSimulator, receiver, vendor_process, vendors  # noqa: F401

SERVICES = ("directory", "queue")


@contextmanager
def naming(stack: Stack, url: str, arns: str) -> Iterator[None]:
    """Let the gateway believe the certificates of this address, and these topics."""
    gateway = stack.gateway
    before = gateway.settings, gateway.certificates
    settings = gateway.settings.model_copy(update={"sns_topic_arns": arns})
    object.__setattr__(gateway, "settings", settings)
    object.__setattr__(gateway, "certificates", Certificates(frozenset({urlsplit(url).netloc})))
    yield
    object.__setattr__(gateway, "settings", before[0])
    object.__setattr__(gateway, "certificates", before[1])


@pytest.mark.accepts(68)
@pytest.mark.parametrize("address", ["/webhooks/aws-texts", "/webhooks/ses"])
def test_a_topic_that_the_district_does_not_name_is_neither_confirmed_nor_heard(
    stack: Stack,
    vendors: VendorSimulator,  # noqa: F811  the fixture
    receiver: Receiver,  # noqa: F811  the fixture
    address: str,
) -> None:
    sns = aws_client("sns", vendors.url)
    topic = sns.create_topic(Name=f"somebodys-{new_id()}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    (confirmation,) = receiver.wait_for(1)
    for named in ("", "arn:aws:sns:us-east-1:123456789012:another"):
        with naming(stack, vendors.url, named):
            assert status(stack, address, confirmation) == 403
    with urlopen(confirmation.json["SubscribeURL"], timeout=10):  # noqa: S310  the simulator's address
        pass
    said = {"inboundMessageId": new_id(), "originationNumber": "+12125550177", "destinationNumber": "+12125550100"}
    sns.publish(TopicArn=topic, Message=json.dumps({**said, "messageBody": "STOP"}))
    notification = receiver.wait_for(2)[1]
    with naming(stack, vendors.url, ""):
        assert status(stack, address, notification) == 403
    with naming(stack, vendors.url, f"arn:aws:sns:us-east-1:123456789012:another, {topic}"):
        assert [status(stack, address, each) for each in (confirmation, notification)] == [204, 204]


@pytest.mark.parametrize("arns", ["", "arn:aws:sns:us-east-1:123456789012:ours"])
def test_no_certificate_is_fetched_for_a_topic_that_is_not_ours(stack: Stack, arns: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    envelope = {
        "Type": "Notification",
        "SignatureVersion": "2",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:somebodys",
        "SigningCertURL": f"{nowhere}/SimpleNotificationService-1.pem",
    }
    with naming(stack, nowhere, arns):
        answers = [stack.browser().client.post(f"/webhooks/{each}", json=envelope) for each in ("ses", "aws-texts")]
    assert [each.get_json()["reason"] for each in answers] == ["SIGNATURE_INVALID"] * 2


def test_the_local_system_names_the_simulators_topics(vendors: VendorSimulator) -> None:  # noqa: F811  the fixture
    sns = aws_client("sns", vendors.url)
    names = (ses.EVENTS_TOPIC, messaging.EVENTS_TOPIC)
    assert [sns.create_topic(Name=name)["TopicArn"] for name in names] == list(TOPICS)


def status(stack: Stack, address: str, received: Received) -> int:
    return stack.browser().client.post(address, data=received.body, content_type="text/plain").status_code
