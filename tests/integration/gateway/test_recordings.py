"""Calls from the composer and the API: uploads, players, addresses that work for those who may hear alone."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.directory.v1 import directory_pb2 as directory
from services.kit.ids import new_id
from services.queue.tickets import Purpose, Ticket, Tickets
from tests.integration.gateway.stack import Browser, Stack
from tests.support.eventually import eventually_sync
from tests.support.sound import mp3, wav

TICKETS = Tickets("r" * 32)
SOUND = wav(1.5)
FORM: dict[str, Any] = {"subject": "Snow", "body": "School is closed.", "audience": "directory", "role": "parent"}


def upload(browser: Browser, content: bytes = SOUND) -> Any:
    token = browser.get("/api/v1/viewer").get_json()["csrf_token"]
    return browser.client.post(
        "/api/v1/recordings", data=content, headers={"X-CSRFToken": token}, content_type="audio/wav"
    )


def send(browser: Browser, **changes: Any) -> Any:
    body = {
        "idempotency_key": new_id(),
        "subject": "Snow",
        "body": "School is closed.",
        "audience": {"roles": ["parent"]},
    }
    return browser.send_json("POST", "/api/v1/messages", {**body, "channels": ["recorded"], **changes})


def reason(answer: Any) -> str:
    return str(answer.get_json()["reason"])


@pytest.fixture(scope="module")
def recorded(stack: Stack) -> str:
    """The entry of a recorded call that the principal sent to families of his school."""
    browser = stack.browser("pri")
    recording_id = upload(browser).get_json()["recording_id"]
    sent = send(browser, recording_id=recording_id).get_json()
    entry_id = str(sent["entries"][0]["entry_id"])

    def is_there() -> None:
        assert browser.get(f"/reports/history/entries/{entry_id}/message").status_code == 200

    eventually_sync(is_there)
    return entry_id


@pytest.mark.accepts(87, 88)
def test_the_pop_up_of_a_recorded_call_plays_it_by_itself(stack: Stack, recorded: str) -> None:
    page = stack.browser("pri").get(f"/reports/history/entries/{recorded}/message").get_data(as_text=True)
    player = re.search(r'<audio controls [^>]*src="(/recordings/[^"]+)" autoplay', page)
    assert player
    assert f'href="{player[1]}" download="recording.wav"' in page
    assert "data-rate" in page
    assert "0:01" in page


@pytest.mark.accepts(4, 89)
def test_the_address_works_for_those_who_see_the_row_and_not_for_long(stack: Stack, recorded: str) -> None:
    owner = stack.browser("pri")
    address = owner.get(f"/api/v1/entries/{recorded}/recording").get_json()["url"]
    heard = owner.get(address)
    assert (heard.status_code, heard.mimetype, heard.data) == (200, "audio/wav", SOUND)
    assert heard.headers["Cache-Control"] == "no-store"
    officer = stack.browser("off")
    theirs = officer.get(f"/api/v1/entries/{recorded}/recording").get_json()["url"]
    assert officer.get(theirs).data == SOUND
    assert officer.get(address).status_code == 404
    teacher = stack.browser("tea")
    assert teacher.get(address).status_code == 404
    assert teacher.get(f"/api/v1/entries/{recorded}/recording").status_code == 404
    assert stack.browser("mum").get(address).status_code == 403
    assert stack.browser().get(address).status_code in {302, 303}
    old = Ticket(Purpose.ENTRY, recorded, stack.people["pri"], datetime.now(UTC) - timedelta(seconds=1))
    assert owner.get(f"/recordings/{TICKETS.sign(old)}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ("bytes=0-", 206, (0, len(SOUND))),
        ("bytes=10-19", 206, (10, 20)),
        ("bytes=-16", 206, (len(SOUND) - 16, len(SOUND))),
        (f"bytes={len(SOUND) - 4}-{len(SOUND) + 100}", 206, (len(SOUND) - 4, len(SOUND))),
        (f"bytes=2-{10**30}", 206, (2, len(SOUND))),
        (f"bytes=-{10**30}", 206, (0, len(SOUND))),
        ("bytes=0-9,20-29", 200, (0, len(SOUND))),
        ("lines=1-2", 200, (0, len(SOUND))),
    ],
)
def test_ranges_are_answered(stack: Stack, recorded: str, asked: str, status: int, span: tuple[int, int]) -> None:
    browser = stack.browser("pri")
    address = browser.get(f"/api/v1/entries/{recorded}/recording").get_json()["url"]
    answer = browser.get(address, headers={"Range": asked})
    assert (answer.status_code, answer.data) == (status, SOUND[slice(*span)])
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.content_length == span[1] - span[0]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/{len(SOUND)}"


@pytest.mark.parametrize("start", [len(SOUND), 10**30])
def test_a_range_past_the_end_is_none(stack: Stack, recorded: str, start: int) -> None:
    browser = stack.browser("pri")
    address = browser.get(f"/api/v1/entries/{recorded}/recording").get_json()["url"]
    answer = browser.get(address, headers={"Range": f"bytes={start}-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{len(SOUND)}")


@pytest.mark.accepts(89)
def test_twilio_fetches_by_a_ticket_of_its_own_alone(stack: Stack, recorded: str) -> None:
    owner, twilio = stack.browser("pri"), stack.browser()
    person_ticket = owner.get(f"/api/v1/entries/{recorded}/recording").get_json()
    recording_id, until = person_ticket["recording"]["recording_id"], datetime.now(UTC) + timedelta(minutes=5)
    call = TICKETS.sign(Ticket(Purpose.CALL, recording_id, "", until))
    answer = twilio.get(f"/webhooks/twilio/recordings/{call}")
    assert (answer.status_code, answer.data) == (200, SOUND)
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    forged = Tickets("f" * 32).sign(Ticket(Purpose.CALL, recording_id, "", until))
    for ticket in (person_ticket["ticket"], forged, call[:-4], "nonsense"):
        refused = twilio.get(f"/webhooks/twilio/recordings/{ticket}")
        assert (refused.status_code, reason(refused)) == (404, "RECORDING_NOT_FOUND")


def test_what_is_no_recording_is_refused(stack: Stack) -> None:
    browser = stack.browser("pri")
    refused = upload(browser, b"<script>")
    assert (refused.status_code, reason(refused)) == (400, "RECORDING_INVALID")
    assert upload(browser, mp3()).get_json()["content_type"] == "audio/mpeg"
    assert upload(browser, b"\x00" * 12_000_000).status_code == 413
    for username in ("mum", "amy"):
        assert upload(stack.browser(username)).status_code == 403
    missing = send(browser)
    assert [each["pointer"] for each in missing.get_json()["errors"]] == ["/recording"]
    stolen = send(stack.browser("tea"), recording_id=upload(browser).get_json()["recording_id"])
    assert (stolen.status_code, reason(stolen)) == (400, "RECORDING_MISSING")


@pytest.mark.accepts(40)
def test_a_call_is_composed_heard_previewed_and_sent(stack: Stack) -> None:
    browser = stack.browser("pri")
    form = {**FORM, "channel": ["email", "sms", "tts"], "text_tts": "Closed.", "step": "preview"}
    files = {"recording": (io.BytesIO(SOUND), "snow.wav")}
    page = browser.post("/compose", {**form, **files}, page="/compose").get_data(as_text=True)
    address = re.search(r'<audio controls [^>]*src="(/recordings/[^"]+)"', page)
    assert address
    assert browser.get(address[1]).data == SOUND
    assert stack.browser("off").get(address[1]).status_code == 404
    for title in ("Text to speech", "Recorded call"):
        assert re.search(rf'<th scope="row">{title}</th><td class="number">[1-9]', page)
    recording_id = re.search(r'name="recording_id" value="([^"]+)"', page)
    assert recording_id
    form |= {"channel": ["email", "sms", "tts", "recorded"], "recording_id": recording_id[1], "step": "send"}
    sent = browser.post("/compose", form, page="/compose").get_data(as_text=True)
    assert re.findall(r'<tr><th scope="row">([^<]+)', sent) == ["E-mail", "SMS", "TTS", "Recorded"]


def test_the_composer_says_what_is_wrong_with_a_call_at_its_place(stack: Stack) -> None:
    browser = stack.browser("pri")
    files = {"recording": (io.BytesIO(b"no sound"), "snow.wav")}
    for form, words in (
        ({**FORM, "channel": "recorded"}, "Upload a recording for the call."),
        ({**FORM, "channel": "email", **files}, "This is neither a WAV nor an MP3 file that can be played."),
        ({**FORM, "channel": "email", "emergency": "1"}, "An emergency goes out as a call"),
    ):
        answer = browser.post("/compose", form, page="/compose")
        assert answer.status_code == 400
        assert words in answer.get_data(as_text=True)


@pytest.mark.accepts(46, 47)
def test_an_emergency_is_a_call_of_those_who_may(stack: Stack) -> None:
    principal, teacher = stack.browser("pri"), stack.browser("tea")
    assert 'name="emergency"' in principal.get("/compose").get_data(as_text=True)
    assert 'name="emergency"' not in teacher.get("/compose").get_data(as_text=True)
    refused = send(teacher, channels=["tts"], is_emergency=True)
    assert (refused.status_code, reason(refused)) == (403, "EMERGENCY_NOT_ALLOWED")
    by_mail = send(principal, channels=["email"], is_emergency=True)
    assert (by_mail.status_code, by_mail.get_json()["errors"][0]["pointer"]) == (400, "/is_emergency")
    sent = send(principal, channels=["email", "tts"], is_emergency=True, subject="Lockdown").get_json()

    def is_ticked() -> None:
        rows = principal.rows("history")
        own = {row["channel"]: row["is_emergency"] for row in rows if row["message_id"] == sent["message_id"]}
        assert own == {"CHANNEL_EMAIL": False, "CHANNEL_TTS": True}

    eventually_sync(is_ticked)


@pytest.mark.accepts(13, 226)
def test_calls_are_refused_where_calling_out_is_switched_off(stack: Stack) -> None:
    browser, client = stack.browser("pri"), stack.gateway.clients.directory

    def switch(is_enabled: bool) -> None:
        module = directory.Module(name="call_out", is_purchased=True, is_enabled=is_enabled)
        client.UpdateModule(directory.UpdateModuleRequest(module=module), metadata=stack.operator)

    def is_off() -> None:
        for answer in (send(browser, channels=["tts"]), upload(browser)):
            assert answer.status_code == 409
            assert reason(answer) == "CALL_OUT_OFF"
        page = browser.get("/compose").get_data(as_text=True)
        assert 'value="tts"' not in page
        assert 'value="recorded"' not in page
        assert 'value="recorded"' not in browser.get("/reports/history").get_data(as_text=True)

    def is_on() -> None:
        assert upload(browser).status_code == 200
        assert 'value="recorded"' in browser.get("/compose").get_data(as_text=True)

    switch(False)
    try:
        eventually_sync(is_off)
    finally:
        switch(True)
    eventually_sync(is_on)
