"""Twilio Voice through Twilio's own SDK: progress events, TwiML given or fetched, keys pressed, hanging up."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Gather, VoiceResponse

from tests.contract.vendors.clients import twilio_client
from tests.support.eventually import eventually_sync
from tests.support.vendors import AUTH_TOKEN, FROM_NUMBER, Receiver, VendorSimulator

GOOD = "+12125550111"
EVENTS = ["initiated", "ringing", "answered", "completed"]
TWIML = "<Response><Say language='es-US'>La escuela está cerrada.</Say><Play>http://127.0.0.1:9/a.mp3</Play></Response>"


def dial(client: Client, to: str = GOOD, **more: Any) -> Any:
    defaults = {} if "url" in more else {"twiml": TWIML}
    return client.calls.create(**{"to": to, "from_": FROM_NUMBER, **defaults, **more})


def progress(receiver: Receiver, count: int) -> list[str]:
    return [request.form["CallStatus"] for request in receiver.wait_for(count)]


def test_a_call_is_answered_and_completed(twilio: Client, vendors: VendorSimulator, receiver: Receiver) -> None:
    url = f"{receiver.url}/voice?attempt=1"
    call = dial(twilio, status_callback=url, status_callback_event=EVENTS, machine_detection="DetectMessageEnd")
    assert call.status == "queued"
    assert sorted(progress(receiver, 4)) == ["completed", "in-progress", "initiated", "ringing"]
    for request in receiver.requests:
        assert RequestValidator(AUTH_TOKEN).validate(url, request.form, request.headers["x-twilio-signature"])
        assert request.form["CallSid"] == call.sid
    vendors.wait_quiet()
    fetched = twilio.calls(call.sid).fetch()
    assert (fetched.status, fetched.answered_by) == ("completed", "human")
    assert int(fetched.duration) > 0
    heard = vendors.arrivals(channel="voice")[0]["text"]
    assert heard == "La escuela está cerrada.\n♪ http://127.0.0.1:9/a.mp3"


def test_only_the_end_is_told_unless_more_is_asked_for(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver
) -> None:
    dial(twilio, status_callback=f"{receiver.url}/voice")
    vendors.wait_quiet()
    assert progress(receiver, 1) == ["completed"]


def test_what_a_call_plays_is_fetched(twilio: Client, vendors: VendorSimulator) -> None:
    class Audio(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/a.wav" else 404)
            self.send_header("Content-Type", "audio/wav")
            self.end_headers()
            self.wfile.write(b"RIFF")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Audio) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        for name in ("a", "b"):
            address = f"http://127.0.0.1:{server.server_port}/{name}.wav"
            dial(twilio, twiml=f"<Response><Play>{address}</Play></Response>")
        vendors.wait_quiet()
        server.shutdown()
    missing, heard = vendors.arrivals(channel="voice")
    assert (heard["code"], heard["details"]["played"][0]["bytes"]) == (None, 4)
    assert (missing["code"], missing["details"]["played"][0]["status"]) == (11200, 404)
    assert requests.get(f"{vendors.url}/arrived/{heard['seq']}/audio", timeout=5).content == b"RIFF"
    assert requests.get(f"{vendors.url}/arrived/{missing['seq']}/audio", timeout=5).status_code == 404
    assert "Recording" in requests.get(vendors.url, timeout=5).text


@pytest.mark.parametrize(("digits", "status"), [("91", "no-answer"), ("92", "busy"), ("93", "failed")])
def test_a_call_that_nobody_takes(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver, digits: str, status: str
) -> None:
    call = dial(twilio, to=f"+121255501{digits}", status_callback=f"{receiver.url}/voice")
    assert progress(receiver, 1) == [status]
    vendors.wait_quiet()
    assert twilio.calls(call.sid).fetch().status == status
    assert vendors.counts()["reached"] == 0


def test_a_machine_answers(twilio: Client, receiver: Receiver) -> None:
    url = f"{receiver.url}/voice"
    dial(twilio, to="+12125550194", status_callback=url, machine_detection="DetectMessageEnd")
    assert receiver.wait_for(1)[0].form["AnsweredBy"] == "machine_end_beep"


def test_twiml_is_fetched_signed_and_a_key_is_pressed(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver
) -> None:
    document = VoiceResponse()
    gather = Gather(num_digits=1, action=f"{receiver.url}/keys?recipient=7")
    gather.say("Press 1 to confirm.")
    document.append(gather)
    receiver.answer = lambda request: (200, str(document) if request.path == "/twiml" else "")
    dial(twilio, to="+12125550184", url=f"{receiver.url}/twiml")
    keys = receiver.wait_for(1, lambda request: request.path.startswith("/keys"))[0]
    assert keys.form["Digits"] == "1"
    url = f"{receiver.url}/keys?recipient=7"
    assert RequestValidator(AUTH_TOKEN).validate(url, keys.form, keys.headers["x-twilio-signature"])
    assert vendors.arrivals(channel="voice")[0]["text"] == "Press 1 to confirm."


def test_broken_twiml_is_heard_as_an_error(twilio: Client, vendors: VendorSimulator) -> None:
    dial(twilio, twiml="<Response><Say>no end</Response>")
    arrival = vendors.arrivals(channel="voice")[0]
    assert (arrival["code"], arrival["text"]) == (12100, "An application error has occurred. Goodbye.")


def test_a_call_can_be_taken_back_before_it_is_answered(
    twilio: Client, vendors: VendorSimulator, receiver: Receiver
) -> None:
    call = dial(twilio, to="+12125550199", status_callback=f"{receiver.url}/voice")
    vendors.wait_quiet()
    assert twilio.calls(call.sid).update(status="canceled").status == "canceled"
    assert progress(receiver, 1) == ["canceled"]
    with pytest.raises(TwilioRestException) as refused:
        twilio.calls(call.sid).update(status="canceled")
    assert refused.value.code == 21220


def test_a_call_under_way_can_be_ended() -> None:
    simulator = VendorSimulator.start("--receipt-seconds", "0.02", "--slow-seconds", "60")
    client = twilio_client(simulator.url)
    try:
        call = dial(client, to="+12125550190")

        def answered() -> None:
            assert client.calls(call.sid).fetch().status == "in-progress"

        eventually_sync(answered)
        assert client.calls(call.sid).update(status="completed").status == "completed"
        assert client.calls(call.sid).fetch().status == "completed"
    finally:
        client.http_client.session.close()
        assert simulator.stop() == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"to": "nobody"}, 21211),
        ({"to": ""}, 21201),
        ({"from_": ""}, 21213),
        ({"twiml": ""}, 21205),
        ({"status_callback": "ftp://example.org/x"}, 21609),
        ({"status_callback_event": ["sneezed"]}, 21626),
        ({"to": "+12125550189"}, 21211),
        ({"to": "+15005550002"}, 21214),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15005550004"}, 21216),
        ({"from_": "+15005550007"}, 21210),
    ],
)
def test_refusals_carry_twilios_error_numbers(
    twilio: Client, vendors: VendorSimulator, changes: dict[str, Any], code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        dial(twilio, **changes)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert vendors.counts()["total"] == 0


def test_the_list_answers_whether_the_provider_took_a_call(twilio: Client, vendors: VendorSimulator) -> None:
    sid = dial(twilio).sid
    dial(twilio, to="+12125550112")
    vendors.wait_quiet()
    assert [call.sid for call in twilio.calls.list(to=GOOD)] == [sid]
    assert [call.sid for call in twilio.calls.list(to=GOOD, status="completed")] == [sid]
    assert twilio.calls.list(to=GOOD, status="busy") == []
