"""Twilio Messages through Twilio's own SDK: acceptance, refusals by number, receipts, lists and replies."""

from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.contract.vendors.clients import twilio_client
from tests.support.eventually import eventually_sync
from tests.support.vendors import ACCOUNT_SID, AUTH_TOKEN, FROM_NUMBER, Receiver, VendorSimulator

GOOD = "+12125550111"


def send(client: Client, to: str = GOOD, **more: object) -> str:
    return str(client.messages.create(**{"to": to, "from_": FROM_NUMBER, "body": "School is closed.", **more}).sid)


def statuses(receiver: Receiver, count: int) -> list[str]:
    return [request.form["MessageStatus"] for request in receiver.wait_for(count)]


def test_an_accepted_message_is_queued_then_delivered(twilio: Client) -> None:
    message = twilio.messages.create(to=GOOD, from_=FROM_NUMBER, body="School is closed.")
    assert (message.status, message.to, message.from_, message.num_segments) == ("queued", GOOD, FROM_NUMBER, "1")
    assert message.error_code is None

    def delivered() -> None:
        assert twilio.messages(message.sid).fetch().status == "delivered"

    eventually_sync(delivered)


def test_receipts_are_signed_over_the_exact_address_with_its_query(twilio: Client, receiver: Receiver) -> None:
    url = f"{receiver.url}/webhooks/twilio/status?attempt=a%201&recipient=r-7&empty="
    sid = send(twilio, status_callback=url)
    for request in receiver.wait_for(2):
        assert f"{receiver.url}{request.path}" == url
        assert request.form["MessageSid"] == sid
        assert request.form["AccountSid"] == ACCOUNT_SID
        signature = request.headers["x-twilio-signature"]
        assert RequestValidator(AUTH_TOKEN).validate(url, request.form, signature)
        assert not RequestValidator("other").validate(url, request.form, signature)
    assert sorted(statuses(receiver, 2)) == ["delivered", "sent"]


@pytest.mark.parametrize(
    ("digits", "code"), [("91", 30003), ("92", 30005), ("93", 30006), ("94", 30007), ("95", 30008)]
)
def test_undelivered_says_why(twilio: Client, receiver: Receiver, digits: str, code: int) -> None:
    sid = send(twilio, to=f"+121255501{digits}", status_callback=f"{receiver.url}/s")
    last = receiver.wait_for(1, lambda request: request.form["MessageStatus"] == "undelivered")[0]
    assert last.form["ErrorCode"] == str(code)
    assert twilio.messages(sid).fetch().error_code == code


def test_receipts_can_come_twice(twilio: Client, vendors: VendorSimulator, receiver: Receiver) -> None:
    send(twilio, to="+12125550196", status_callback=f"{receiver.url}/s")
    vendors.wait_quiet()
    assert sorted(statuses(receiver, 4)) == ["delivered", "delivered", "sent", "sent"]


def test_without_receipts_the_provider_can_be_asked(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver
) -> None:
    sid = send(twilio, to="+12125550198", status_callback=f"{receiver.url}/s")
    vendors.wait_quiet()
    assert receiver.requests == []
    assert twilio.messages(sid).fetch().status == "delivered"


def test_a_carrier_may_never_confirm(twilio: Client, vendors: VendorSimulator) -> None:
    sid = send(twilio, to="+12125550199")
    vendors.wait_quiet()
    assert twilio.messages(sid).fetch().status == "sent"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"to": "212-555-0111"}, 400, 21211),
        ({"to": "+15555550111x"}, 400, 21211),
        ({"to": ""}, 400, 21604),
        ({"from_": ""}, 400, 21603),
        ({"from_": "not a sender!"}, 400, 21212),
        ({"body": ""}, 400, 21602),
        ({"body": "x" * 1601}, 400, 21617),
        ({"status_callback": "not a url"}, 400, 21609),
        ({"to": "+12125550187"}, 400, 21614),
        ({"to": "+12125550188"}, 400, 21610),
        ({"to": "+12125550189"}, 400, 21211),
        ({"to": "+15005550001"}, 400, 21211),
        ({"to": "+15005550002"}, 400, 21612),
        ({"to": "+15005550003"}, 400, 21408),
        ({"to": "+15005550004"}, 400, 21610),
        ({"to": "+15005550009"}, 400, 21614),
        ({"from_": "+15005550007"}, 400, 21606),
        ({"from_": "+15005550008"}, 400, 21611),
        ({"from_": "+15005550059"}, 400, 21659),
        ({"from_": "+15005550060"}, 400, 21660),
        ({"from_": "+15005550061"}, 400, 21661),
        ({"validity_period": "36001"}, 400, 20001),
    ],
)
def test_refusals_carry_twilios_error_numbers(
    twilio: Client, vendors: VendorSimulator, changes: dict[str, str], status: int, code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        send(twilio, **changes)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert vendors.counts()["total"] == 0


def test_a_wrong_token_is_refused_before_anything_else(vendors: VendorSimulator) -> None:
    stranger = twilio_client(vendors.url, token="wrong")
    with pytest.raises(TwilioRestException) as refused:
        send(stranger)
    stranger.http_client.session.close()
    assert (refused.value.status, refused.value.code) == (401, 20003)


@pytest.mark.parametrize(("digits", "status"), [("85", 500), ("86", 429)])
def test_a_flaky_destination_is_accepted_the_second_time(
    twilio: Client, vendors: VendorSimulator, digits: str, status: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        send(twilio, to=f"+121255501{digits}")
    assert refused.value.status == status
    send(twilio, to=f"+121255501{digits}")
    assert vendors.counts()["total"] == 1


def test_the_list_answers_whether_the_provider_took_a_message(twilio: Client) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    mine = [send(twilio, body=f"number {number}") for number in range(3)]
    send(twilio, to="+12125550112")
    found = twilio.messages.list(to=GOOD, date_sent_after=before)
    assert [message.sid for message in found] == mine[::-1]
    assert [message.body for message in found] == ["number 2", "number 1", "number 0"]
    assert twilio.messages.list(to=GOOD, date_sent=datetime.now(UTC).date() - timedelta(days=2)) == []
    assert twilio.messages.list(to=GOOD, date_sent_before=before) == []
    assert twilio.messages.list(to="+12125550113") == []


def test_the_list_is_paged(twilio: Client) -> None:
    sent = {send(twilio) for _ in range(7)}
    assert {message.sid for message in twilio.messages.list(to=GOOD, page_size=3)} == sent
    assert len(twilio.messages.list(limit=2)) == 2


def test_an_unknown_message_is_not_found(twilio: Client) -> None:
    with pytest.raises(TwilioRestException) as refused:
        twilio.messages("SM" + "0" * 32).fetch()
    assert (refused.value.status, refused.value.code) == (404, 20404)


@pytest.mark.parametrize(
    ("body", "segments"),
    [("x" * 160, "1"), ("x" * 161, "2"), ("€" * 80, "1"), ("€" * 81, "2"), ("Lekòl la fèmen", "1"), ("ã" * 71, "2")],
)
def test_segments_are_counted_as_carriers_do(twilio: Client, body: str, segments: str) -> None:
    assert twilio.messages.create(to=GOOD, from_=FROM_NUMBER, body=body).num_segments == segments


def test_stop_opts_out_and_start_opts_in_again(twilio: Client, vendors: VendorSimulator) -> None:
    vendors.post("/control/inbound", {"from": GOOD, "body": " Stop "})
    with pytest.raises(TwilioRestException) as refused:
        send(twilio)
    assert refused.value.code == 21610
    vendors.post("/control/inbound", {"from": GOOD, "body": "START"})
    assert send(twilio)


def test_a_reply_is_posted_signed_to_the_inbound_address(receiver: Receiver) -> None:
    url = f"{receiver.url}/webhooks/twilio/inbound"
    simulator = VendorSimulator.start("--twilio-inbound-url", url)
    try:
        sid = simulator.post("/control/inbound", {"from": GOOD, "body": "HELP"})["sid"]
        request = receiver.wait_for(1)[0]
    finally:
        assert simulator.stop() == 0
    assert RequestValidator(AUTH_TOKEN).validate(url, request.form, request.headers["x-twilio-signature"])
    wanted = {"MessageSid": sid, "From": GOOD, "To": FROM_NUMBER, "Body": "HELP", "OptOutType": "HELP"}
    assert wanted.items() <= request.form.items()


def test_a_receipt_is_tried_again_as_its_address_asks(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver
) -> None:
    receiver.answer = lambda _request: (503 if len(receiver.requests) < 2 else 200, "")
    send(twilio, to="+12125550199", status_callback=f"{receiver.url}/s?attempt=1#rc=5&rp=5xx")
    requests = receiver.wait_for(3)
    vendors.wait_quiet()
    assert len(requests) == len(receiver.requests) == 3
    assert {request.path for request in requests} == {"/s?attempt=1"}
    assert len({request.headers["i-twilio-idempotency-token"] for request in requests}) == 1
    signature = requests[-1].headers["x-twilio-signature"]
    assert RequestValidator(AUTH_TOKEN).validate(f"{receiver.url}/s?attempt=1", requests[-1].form, signature)
