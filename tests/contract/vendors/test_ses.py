"""Amazon SES v2 through boto3: sending, refusals, the suppression list and signed events."""

import json
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.vendors.clients import aws_client
from tests.contract.vendors.notifications import confirm, is_notification, verify
from tests.contract.vendors.shapes import Checked
from tests.support.vendors import CONFIGURATION_SET, Receiver, VendorSimulator

FROM = "Lantern Schools <office@example.org>"
Send = Callable[..., str]


@pytest.fixture
def send(ses: Any) -> Send:
    def send_one(to: str = "ana@example.org", **more: Any) -> str:
        content = {"Subject": {"Data": "Closed"}, "Body": {"Text": {"Data": "School is closed."}}}
        wanted = {
            "FromEmailAddress": FROM,
            "Destination": {"ToAddresses": [to]},
            "Content": {"Simple": content},
            "ConfigurationSetName": CONFIGURATION_SET,
            "EmailTags": [{"Name": "recipient", "Value": "r-7"}, {"Name": "attempt", "Value": "a-1"}],
        }
        return str(ses.send_email(**{**wanted, **more})["MessageId"])

    return send_one


@pytest.fixture
def events(vendors: VendorSimulator, receiver: Receiver) -> Iterator[Receiver]:
    """A receiver that is subscribed to the events of the configuration set."""
    client = aws_client("sns", vendors.url)
    topic = vendors.get("/control/state")["events_topic_arn"]
    client.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{receiver.url}/webhooks/ses")
    confirm(receiver)
    yield receiver
    for subscription in _subscriptions(vendors, receiver):
        client.unsubscribe(SubscriptionArn=subscription)
    client.close()


def _subscriptions(vendors: VendorSimulator, receiver: Receiver) -> list[str]:
    found = vendors.get("/control/state")["subscriptions"]
    return [each["arn"] for each in found if each["endpoint"].startswith(receiver.url)]


def published(events: Receiver, count: int) -> list[dict[str, Any]]:
    """The SES events of the notifications that came, each of them verified."""
    found = []
    for request in events.wait_for(count, is_notification):
        verify(request.json)
        assert isinstance(request.json["Message"], str)
        found.append(json.loads(request.json["Message"]))
    return found


def test_answers_fit_the_service_model(ses: Any) -> None:
    checked = Checked(ses)
    ses.send_email(
        FromEmailAddress=FROM,
        Destination={"ToAddresses": ["ana@example.org"], "CcAddresses": ["ben@example.org"]},
        Content={
            "Simple": {
                "Subject": {"Data": "s"},
                "Body": {"Html": {"Data": "<p>h</p>"}},
                "Headers": [{"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"}],
            }
        },
    )
    ses.get_account()
    ses.put_suppressed_destination(EmailAddress="off+list@example.org", Reason="COMPLAINT")
    assert ses.get_suppressed_destination(EmailAddress="off+list@example.org")["SuppressedDestination"]["Reason"]
    assert len(ses.list_suppressed_destinations()["SuppressedDestinationSummaries"]) == 1
    ses.delete_suppressed_destination(EmailAddress="off+list@example.org")
    assert len(checked.operations) == 6


def test_an_email_arrives_with_its_tags_and_content(send: Send, vendors: VendorSimulator) -> None:
    message_id = send()
    arrival = vendors.arrivals(channel="email")[0]
    assert (arrival["to"], arrival["subject"], arrival["text"]) == ("ana@example.org", "Closed", "School is closed.")
    assert (arrival["vendor_id"], arrival["tags"]) == (message_id, {"recipient": "r-7", "attempt": "a-1"})


def test_the_name_of_a_sender_is_shown_decoded(send: Send, vendors: VendorSimulator) -> None:
    send(FromEmailAddress="=?utf-8?b?U2XDsW9yYSBNdcOxb3o=?= <office@example.org>")
    send(FromEmailAddress='"High, Ridge" <office@example.org>')
    names = [each["sender"] for each in vendors.arrivals(channel="email")]
    assert names == ['"High, Ridge" <office@example.org>', "Señora Muñoz <office@example.org>"]


def test_a_raw_email_is_read_when_someone_looks(send: Send, vendors: VendorSimulator) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = FROM, "Zoé <zoe@example.org>", "École fermée demain"
    mail["List-Unsubscribe"] = "<https://example.org/u>"
    mail.set_content("Texte")
    mail.add_alternative("<p>Texte</p>", subtype="html")
    send(Content={"Raw": {"Data": mail.as_bytes()}}, Destination={})
    arrival = vendors.arrivals(channel="email")[0]
    assert (arrival["to"], arrival["subject"]) == ("zoe@example.org", "École fermée demain")
    assert (arrival["text"].strip(), arrival["html"].strip()) == ("Texte", "<p>Texte</p>")
    assert {"name": "List-Unsubscribe", "value": "<https://example.org/u>"} in arrival["headers"]


def test_delivery_is_published_signed_with_the_tags(send: Send, events: Receiver) -> None:
    message_id = send()
    kinds = {event["eventType"]: event for event in published(events, 2)}
    assert set(kinds) == {"Send", "Delivery"}
    delivery = kinds["Delivery"]
    assert delivery["mail"]["messageId"] == message_id
    assert delivery["mail"]["tags"]["recipient"] == ["r-7"]
    assert delivery["mail"]["tags"]["ses:configuration-set"] == [CONFIGURATION_SET]
    assert delivery["delivery"]["recipients"] == ["ana@example.org"]


@pytest.mark.parametrize(
    ("to", "kind", "sub_kind"),
    [
        ("ana+bounce@example.org", "Permanent", "General"),
        ("bounce12@example.org", "Permanent", "General"),
        ("ana@nowhere.invalid", "Permanent", "General"),
        ("ana+softbounce@example.org", "Transient", "MailboxFull"),
        ("suppressionlist@simulator.amazonses.com", "Permanent", "Suppressed"),
    ],
)
def test_bounces(send: Send, events: Receiver, vendors: VendorSimulator, to: str, kind: str, sub_kind: str) -> None:
    send(to)
    bounce = next(event for event in published(events, 2) if event["eventType"] == "Bounce")["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == (kind, sub_kind)
    assert [bounced["emailAddress"] for bounced in bounce["bouncedRecipients"]] == [to]
    assert vendors.counts()["reached"] == 0


def test_a_complaint_follows_the_delivery(send: Send, events: Receiver) -> None:
    send("complaint@simulator.amazonses.com")
    assert {event["eventType"] for event in published(events, 3)} == {"Send", "Delivery", "Complaint"}


def test_a_rejected_email_says_so(send: Send, events: Receiver) -> None:
    send("ana+reject@example.org")
    reject = next(event for event in published(events, 2) if event["eventType"] == "Reject")
    assert reject["reject"] == {"reason": "Bad content"}


def test_a_hard_bounce_puts_the_address_on_the_suppression_list(
    send: Send, ses: Any, events: Receiver, vendors: VendorSimulator
) -> None:
    send("gone+bounce@example.org")
    vendors.wait_quiet()
    found = ses.get_suppressed_destination(EmailAddress="gone+bounce@example.org")["SuppressedDestination"]
    assert found["Reason"] == "BOUNCE"
    send("gone+bounce@example.org")
    kinds = [event["bounce"]["bounceSubType"] for event in published(events, 4) if event["eventType"] == "Bounce"]
    assert sorted(kinds) == ["General", "OnAccountSuppressionList"]


def test_without_a_configuration_set_nothing_is_published(
    send: Send, events: Receiver, vendors: VendorSimulator
) -> None:
    send(ConfigurationSetName="")
    send()
    published(events, 2)
    vendors.wait_quiet()
    assert len(published(events, 2)) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"FromEmailAddress": "office@example.com"}, "MessageRejected"),
        ({"FromEmailAddress": "Denied <denied@example.org>"}, "AccessDeniedException"),
        ({"FromEmailAddress": "nobody"}, "BadRequestException"),
        ({"FromEmailAddress": "Señora Muñoz <office@example.org>"}, "BadRequestException"),
        ({"FromEmailAddress": f"{'x' * 300} <office@example.org>"}, "BadRequestException"),
        ({"Destination": {"ToAddresses": ["no at sign"]}}, "BadRequestException"),
        ({"Destination": {"ToAddresses": []}}, "BadRequestException"),
        ({"Destination": {"ToAddresses": ["a@example.org"] * 51}}, "BadRequestException"),
        ({"EmailTags": [{"Name": "message id", "Value": "1"}]}, "BadRequestException"),
        ({"EmailTags": [{"Name": "m", "Value": "a/b"}]}, "BadRequestException"),
        ({"ConfigurationSetName": "other"}, "NotFoundException"),
        ({"Content": {}}, "BadRequestException"),
        ({"Content": {"Raw": {"Data": b"no header at all"}}}, "BadRequestException"),
    ],
)
def test_refusals(send: Send, vendors: VendorSimulator, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        send(**changes)
    assert refused.value.response["Error"]["Code"] == code
    assert vendors.counts()["total"] == 0


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [("AKIASTRANGER00000000", "x", "UnrecognizedClientException"), (None, "wrong", "InvalidSignatureException")],
)
def test_a_wrong_key_or_signature_is_refused(vendors: VendorSimulator, key: str | None, secret: str, code: str) -> None:
    client = aws_client("sesv2", vendors.url, secret=secret, **({"key": key} if key else {}))
    with pytest.raises(ClientError) as refused:
        client.get_account()
    client.close()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(("word", "status"), [("throttled", 429), ("flaky", 500)])
def test_a_flaky_address_is_accepted_the_second_time(
    send: Send, vendors: VendorSimulator, word: str, status: int
) -> None:
    with pytest.raises(ClientError) as refused:
        send(f"ana+{word}@example.org")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    send(f"ana+{word}@example.org")
    assert vendors.counts()["total"] == 1
