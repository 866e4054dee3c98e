"""Outage modes: what an operator can make each provider do, and that reset ends it."""

import time
from typing import Any
from urllib.error import HTTPError

import pytest
import requests
from botocore.exceptions import ClientError, ReadTimeoutError
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.support.vendors import FROM_NUMBER, PLATFORM_APPLICATION, Receiver, VendorSimulator

TO = "+12125550111"


def send(client: Client, url: str = "", to: str = TO) -> Any:
    return client.messages.create(to=to, from_=FROM_NUMBER, body="x", **({"status_callback": url} if url else {}))


def test_a_throttled_provider_says_how_long_to_wait(twilio: Client, vendors: VendorSimulator) -> None:
    vendors.modes(twilio={"mode": "429", "retry_after_seconds": 9})
    with pytest.raises(TwilioRestException) as refused:
        send(twilio)
    assert (refused.value.status, refused.value.code) == (429, 20429)
    assert vendors.counts()["total"] == 0


def test_a_broken_provider_answers_500(twilio: Client, sns: Any, ses: Any, vendors: VendorSimulator) -> None:
    vendors.modes(sms={"mode": "500"}, sns={"mode": "500"}, ses={"mode": "429"})
    with pytest.raises(TwilioRestException) as refused:
        send(twilio)
    assert refused.value.status == 500
    with pytest.raises(ClientError) as failed:
        sns.create_platform_endpoint(PlatformApplicationArn=PLATFORM_APPLICATION, Token="t")
    assert failed.value.response["Error"]["Code"] == "InternalError"
    with pytest.raises(ses.exceptions.TooManyRequestsException):
        ses.get_account()
    vendors.reset()
    assert ses.get_account()["SendingEnabled"]


def test_a_provider_that_took_it_may_not_say_so(ses: Any, vendors: VendorSimulator) -> None:
    vendors.modes(ses={"mode": "timeout_after_accept"})
    with pytest.raises(ReadTimeoutError):
        ses.send_email(
            FromEmailAddress="office@example.org",
            Destination={"ToAddresses": ["ana@example.org"]},
            Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
        )
    assert vendors.counts()["by_channel"] == {"email": 1}


def test_a_mode_can_act_on_some_requests_only(twilio: Client, vendors: VendorSimulator) -> None:
    vendors.modes(sms={"mode": "500", "probability": 0.5})
    refused = 0
    for _ in range(60):
        try:
            send(twilio)
        except TwilioRestException:
            refused += 1
    assert 15 <= refused <= 45
    assert vendors.counts()["total"] == 60 - refused


def test_a_mode_can_end_after_some_requests(twilio: Client, vendors: VendorSimulator) -> None:
    vendors.modes(sms={"mode": "500", "count": 2})
    for _ in range(2):
        with pytest.raises(TwilioRestException):
            send(twilio)
    assert send(twilio).sid


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("drop_receipts", []),
        ("duplicate_receipts", ["delivered", "delivered", "sent", "sent"]),
        ("late_receipts", ["delivered", "sent"]),
    ],
)
def test_receipt_modes(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver, mode: str, wanted: list[str]
) -> None:
    vendors.modes(sms={"mode": mode, "late_seconds": 0.3})
    asked_at = time.monotonic()
    sid = send(twilio, f"{receiver.url}/s").sid
    vendors.wait_quiet()
    if mode == "late_receipts":
        assert all(request.at - asked_at >= 0.3 for request in receiver.requests)
    got = [request.form["MessageStatus"] for request in receiver.requests]
    assert sorted(got) == wanted
    assert twilio.messages(sid).fetch().status == "delivered"


def test_a_slow_provider_answers_in_the_end(twilio: Client, vendors: VendorSimulator) -> None:
    vendors.modes(sms={"mode": "ok", "delay_seconds": 0.2})
    answer = requests.get(f"{vendors.url}/control/modes", timeout=5).json()
    assert answer["sms"]["delay_seconds"] == 0.2
    assert send(twilio).sid


@pytest.mark.parametrize(
    "body",
    [
        {"pigeon": {"mode": "ok"}},
        {"sms": {"mode": "asleep"}},
        {"sms": {"mode": "quota_exceeded"}},
        {"sms": {"mood": "ok"}},
        {"sms": {"mode": "500", "probability": -1}},
        {"sms": "500"},
    ],
)
def test_a_mode_that_does_not_exist_changes_nothing(vendors: VendorSimulator, body: dict[str, Any]) -> None:
    before = vendors.get("/control/modes")
    with pytest.raises(HTTPError) as refused:
        vendors.post("/control/modes", body)
    refused.value.close()
    assert refused.value.code == 400
    assert vendors.get("/control/modes") == before


def test_reset_forgets_receipts_on_their_way(twilio: Client, vendors: VendorSimulator, receiver: Receiver) -> None:
    vendors.modes(sms={"mode": "late_receipts", "late_seconds": 60})
    send(twilio, f"{receiver.url}/first")
    assert vendors.get("/control/state")["pending"] == 2
    vendors.reset()
    assert vendors.get("/control/state")["pending"] == 0
    send(twilio, f"{receiver.url}/second")
    receiver.wait_for(2, lambda request: request.path == "/second")
    vendors.wait_quiet()
    assert {request.path for request in receiver.requests} == {"/second"}
    assert vendors.counts()["total"] == 1
