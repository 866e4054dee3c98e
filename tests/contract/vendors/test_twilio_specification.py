"""Requests of Twilio's SDK and our answers, both held by Prism to the specification that Twilio publishes."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from twilio.rest import Client

from tests.contract.vendors.clients import twilio_client
from tests.contract.vendors.prism import Prism
from tests.support.vendors import ACCOUNT_SID, AUTH_TOKEN, FROM_NUMBER, VendorSimulator

TO = "+12125550111"
CALLBACK = "http://127.0.0.1:9/never"


@pytest.fixture
def through_prism(vendors: VendorSimulator, prism: Prism) -> Iterator[Client]:
    client = twilio_client(prism.url)
    yield client
    client.http_client.session.close()


def test_messages_follow_the_specification(through_prism: Client, vendors: VendorSimulator) -> None:
    sent = through_prism.messages.create(
        to=TO, from_=FROM_NUMBER, body="School is closed.", status_callback=CALLBACK, validity_period=3600
    )
    failed = through_prism.messages.create(to="+12125550191", from_=FROM_NUMBER, body="Unreachable")
    through_prism.messages.create(to=TO, messaging_service_sid="MG" + "a" * 32, body="By a service")
    vendors.wait_quiet()
    assert through_prism.messages(sent.sid).fetch().status == "delivered"
    assert through_prism.messages(failed.sid).fetch().error_code == 30003
    assert len(through_prism.messages.list(to=TO, page_size=1)) == 2


def test_calls_follow_the_specification(through_prism: Client, vendors: VendorSimulator) -> None:
    call = through_prism.calls.create(
        to=TO,
        from_=FROM_NUMBER,
        twiml="<Response><Say>Hello</Say></Response>",
        status_callback=CALLBACK,
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        machine_detection="DetectMessageEnd",
        timeout=30,
    )
    vendors.wait_quiet()
    assert through_prism.calls(call.sid).fetch().status == "completed"
    assert len(through_prism.calls.list(to=TO, page_size=1)) == 1
    stuck = through_prism.calls.create(to="+12125550199", from_=FROM_NUMBER, url="http://127.0.0.1:9/twiml")
    assert through_prism.calls(stuck.sid).update(status="canceled").status == "canceled"


@pytest.mark.parametrize(
    "form",
    [
        {"From": FROM_NUMBER, "Body": "no destination"},
        {"To": TO, "From": FROM_NUMBER, "Body": "x", "ValidityPeriod": "soon"},
        {"To": TO, "From": FROM_NUMBER, "Body": "x", "StatusCallback": "not an address"},
    ],
)
def test_prism_really_looks(prism: Prism, vendors: VendorSimulator, form: dict[str, Any]) -> None:
    url = f"{prism.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    answer = requests.post(url, data=form, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=10)
    assert answer.status_code == 422
    assert vendors.counts()["total"] == 0
