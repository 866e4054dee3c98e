"""Receipts in the wrong order, from a simulator that leaves a second between them, so that the order is no accident."""

from collections.abc import Iterator

import pytest
from twilio.rest import Client

from tests.contract.vendors.clients import twilio_client
from tests.support.vendors import FROM_NUMBER, Receiver, VendorSimulator


@pytest.fixture(scope="module")
def unhurried() -> Iterator[VendorSimulator]:
    simulator = VendorSimulator.start("--receipt-seconds", "2")
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture
def client(unhurried: VendorSimulator) -> Iterator[Client]:
    made = twilio_client(unhurried.url)
    yield made
    made.http_client.session.close()


@pytest.mark.parametrize(
    ("to", "mode", "wanted"),
    [
        ("+12125550111", "ok", ["sent", "delivered"]),
        ("+12125550111", "reorder", ["delivered", "sent"]),
        ("+12125550197", "ok", ["delivered", "sent"]),
    ],
)
def test_receipts_come_in_the_order_that_number_and_mode_decide(
    client: Client, unhurried: VendorSimulator, receiver: Receiver, to: str, mode: str, wanted: list[str]
) -> None:
    unhurried.modes(sms={"mode": mode})
    sent = client.messages.create(to=to, from_=FROM_NUMBER, body="x", status_callback=f"{receiver.url}/s")
    assert [request.form["MessageStatus"] for request in receiver.wait_for(2)] == wanted
    assert client.messages(sent.sid).fetch().status == "delivered"
