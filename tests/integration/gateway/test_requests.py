"""What requests get: bad input, form tokens, headers, columns, webhooks, messages; on real services."""

import functools
import io
import re
from typing import Any

import pytest
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from protos.directory.v1 import directory_pb2 as directory
from services.gateway.access import Permission
from services.gateway.app import HEADERS
from services.kit.ids import new_id
from tests.integration.gateway.stack import TWILIO_TOKEN, Browser, Stack
from tests.support.eventually import eventually_sync


def reason(response: TestResponse) -> str:
    assert response.content_type == "application/problem+json"
    body = response.get_json()
    assert body["status"] == response.status_code
    assert body["type"] == f"/problems/{body['reason'].lower().replace('_', '-')}"
    return str(body["reason"])


def test_every_route_names_its_permission(stack: Stack) -> None:
    views: dict[str, Any] = dict(stack.app.view_functions)
    assert [name for name, view in views.items() if not getattr(view, "requires", ())] == []
    public = {name for name, view in views.items() if view.requires == (Permission.PUBLIC,)}
    assert public == {
        "sign_in.form", "sign_in.sign_in", "sign_in.sign_out", "assets.asset", "assets.icon", "health.healthz",
        "health.readyz", "api.openapi", "api.end_session", "api_sign_in.begin_session", "webhooks.twilio_status",
        "webhooks.twilio_inbound", "webhooks.twilio_recording", "webhooks.ses", "webhooks.moderation_api",
        "answers.show", "answers.take", "unsubscribing.show", "unsubscribing.change",
        "webhooks.aws_texts",
    }  # fmt: skip


def test_a_program_is_told_to_sign_in_and_a_browser_is_led_there(stack: Stack) -> None:
    assert reason(stack.browser().get("/api/v1/inbox")) == "SIGN_IN_NEEDED"
    assert stack.browser().get("/inbox").headers["Location"] == "/sign-in?next=%2Finbox"


def test_a_change_without_a_form_token_is_refused(stack: Stack) -> None:
    browser = stack.browser("pri")
    assert browser.client.post("/preferences/columns/history", data={"column": "date"}).status_code == 400
    answer = browser.client.put("/api/v1/preferences/columns/history", json={"columns": ["date"]})
    assert reason(answer) == "FORM_EXPIRED"


def test_a_body_of_10_mb_is_refused_everywhere(stack: Stack) -> None:
    browser = stack.browser("pri")
    token = browser.get("/api/v1/viewer").get_json()["csrf_token"]
    large = b'{"username": "' + b"x" * 10_000_000 + b'"}'
    for address in ("/api/v1/session", "/api/v1/messages", "/webhooks/ses"):
        answer = browser.client.post(
            address, data=large, content_type="application/json", headers={"X-CSRFToken": token}
        )
        assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    assert browser.client.post("/sign-in", data={"username": "x" * 2_000_000}).status_code == 413


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"unknown": 1}, "/unknown"),
        ({"is_secure": 1}, "/is_secure"),
        ({"subject": "x" * 201}, "/subject"),
        ({"channels": ["fax"]}, "/channels/0"),
        ({"audience": {"school_ids": ["not an id"]}}, "/audience/school_ids/0"),
        ({"subject": None}, "/subject"),
    ],
)
def test_wrong_fields_are_named(stack: Stack, change: dict[str, Any], pointer: str) -> None:
    answer = stack.browser("pri").send_json("POST", "/api/v1/messages", {**message(), **change})
    assert (answer.status_code, reason(answer)) == (400, "REQUEST_INVALID")
    assert pointer in [each["pointer"] for each in answer.get_json()["errors"]]


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff\xfe"])
def test_what_is_not_a_json_object_is_refused(stack: Stack, body: bytes) -> None:
    browser = stack.browser("pri")
    token = browser.get("/api/v1/viewer").get_json()["csrf_token"]
    answer = browser.client.post(
        "/api/v1/messages", data=body, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert answer.status_code == 400
    assert reason(answer) in {"REQUEST_INVALID", "REQUEST_MALFORMED"}


def test_unknown_addresses_and_methods_are_problems(stack: Stack) -> None:
    browser = stack.browser("pri")
    assert reason(browser.get("/api/v1/nothing")) == "PAGE_NOT_FOUND"
    assert reason(browser.client.get("/webhooks/ses")) == "METHOD_NOT_ALLOWED"
    assert "There is nothing here" in browser.get("/nothing").get_data(as_text=True)
    assert browser.get(f"/reports/history/entries/{new_id()}").status_code == 404


def test_every_answer_has_the_headers(stack: Stack) -> None:
    for address in ("/sign-in", "/healthz", "/nothing", "/api/v1/inbox"):
        headers = stack.browser().get(address).headers
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert stack.browser().get("/sign-in").headers["Cache-Control"] == "no-store"


def test_assets_are_kept_for_ever_and_pages_name_them(stack: Stack) -> None:
    browser = stack.browser()
    addresses = re.findall(r'(?:src|href)="(/assets/[^"]+)"', browser.get("/sign-in").get_data(as_text=True))
    assert len(addresses) == 6
    for address in addresses:
        answer = browser.get(address, headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
        assert "immutable" in answer.headers["Cache-Control"]
    assert browser.get("/assets/0000000000000000/app.js").status_code == 404


@pytest.mark.accepts(217, 218, 219)
def test_a_hidden_column_stays_hidden_on_every_device_and_in_its_report_alone(stack: Stack) -> None:
    first, second = stack.browser("pri"), stack.browser("pri")
    first.send_json("PUT", "/api/v1/preferences/columns/history", {"columns": ["date", "message", "secure"]})
    heads = re.findall(r'<th scope="col" class="\w+"', history_page(second))
    menu = second.get("/reports/history").get_data(as_text=True)
    assert 'value="source"> Source' in menu
    assert 'value="secure" checked> Secure' in menu
    assert len(heads) in (0, 3)
    assert 'value="source" checked> Source' in second.get("/reports/threats").get_data(as_text=True)


def test_columns_of_no_report_and_no_columns_are_refused(stack: Stack) -> None:
    browser = stack.browser("pri")
    unknown = browser.send_json("PUT", "/api/v1/preferences/columns/nothing", {"columns": ["date"]})
    assert reason(unknown) == "REPORT_UNKNOWN"
    none = browser.send_json("PUT", "/api/v1/preferences/columns/history", {"columns": ["nothing"]})
    assert reason(none) == "COLUMNS_EMPTY"


def history_page(browser: Browser) -> str:
    return browser.get("/reports/history").get_data(as_text=True)


def twilio(stack: Stack, address: str, form: dict[str, str], signed: str | None = None) -> TestResponse:
    signature = RequestValidator(TWILIO_TOKEN).compute_signature(f"http://localhost{signed or address}", form)
    return stack.browser().client.post(address, data=form, headers={"X-Twilio-Signature": signature})


@pytest.mark.accepts(67, 68)
def test_receipts_of_twilio_need_its_signature_and_repeats_are_taken(stack: Stack) -> None:
    address, form = "/webhooks/twilio/status?delivery_key=k.1.1", {"MessageSid": "SM1", "MessageStatus": "delivered"}
    assert [twilio(stack, address, form).status_code for _ in range(2)] == [204, 204]
    elsewhere = "/webhooks/twilio/status?delivery_key=k.2.1"
    assert reason(twilio(stack, address, form, signed=elsewhere)) == "SIGNATURE_INVALID"
    assert stack.browser().client.post(address, data=form).status_code == 403
    assert reason(twilio(stack, address, {"MessageSid": "SM1"})) == "RECEIPT_INCOMPLETE"


def test_an_inbound_text_is_answered_with_empty_twiml(stack: Stack) -> None:
    form = {"MessageSid": new_id(), "From": "+12125550101", "To": "+12125550100", "Body": "STOP"}
    answer = twilio(stack, "/webhooks/twilio/inbound", form)
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    assert "<Message>" not in answer.get_data(as_text=True)
    assert stack.browser().client.post("/webhooks/twilio/inbound", data=form).status_code == 403


@pytest.mark.accepts(306)
@pytest.mark.parametrize(
    ("body", "says"),
    [("ALTO", "EMPEZAR"), ("Empezar", "ALTO"), ("Sispann", "KÒMANSE"), ("ajuda", "ligue para"), ("aide", "ARRÊT"),
     ("HELP", ""), ("Gracias", "")],
)  # fmt: skip
def test_a_word_of_another_language_is_answered_in_it(stack: Stack, body: str, says: str) -> None:
    form = {"MessageSid": new_id(), "From": "+12125550102", "To": "+12125550100", "Body": body}
    for _ in range(2):  # Twilio asks again when an answer was lost.
        page = twilio(stack, "/webhooks/twilio/inbound", form).get_data(as_text=True)
        assert ("<Message>Lincoln" in page, says in page) == (bool(says), True)
    handled = twilio(stack, "/webhooks/twilio/inbound", {**form, "OptOutType": "STOP"}).get_data(as_text=True)
    assert "<Message>" not in handled


@pytest.mark.accepts(68)
@pytest.mark.parametrize(
    "change",
    [
        {"SigningCertURL": "https://evil.example/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/evil.pem"},
        {"SigningCertURL": "http://169.254.169.254/SimpleNotificationService-1.pem"},
        {"SignatureVersion": "3"},
        {"Type": "Unknown"},
    ],
)
def test_an_envelope_that_sns_did_not_sign_is_refused(stack: Stack, change: dict[str, str]) -> None:
    envelope = {"Type": "Notification", "SignatureVersion": "1", "Message": "{}", "Signature": "AAAA", **change}
    for address in ("/webhooks/ses", "/webhooks/aws-texts"):
        answer = stack.browser().client.post(address, json=envelope)
        assert (answer.status_code, reason(answer)) == (403, "SIGNATURE_INVALID")


def test_readiness_names_what_does_not_answer(stack: Stack) -> None:
    answer = stack.browser().get("/readyz")
    assert answer.status_code == 503
    assert set(answer.get_json()["failing"]) == {"moderation", "notify"}
    assert stack.browser().get("/healthz").status_code == 200


def message(**changes: object) -> dict[str, object]:
    body = {
        "idempotency_key": new_id(),
        "subject": "Snow day",
        "body": "School is closed.",
        "channels": ["email"],
        "audience": {"roles": ["parent"]},
    }
    return {**body, **changes}


@pytest.mark.accepts(6, 40)
def test_a_message_is_sent_once_for_one_key_and_appears_in_its_senders_history(stack: Stack) -> None:
    browser, body = stack.browser("pri"), message(channels=["email", "sms"], subject="Two ways")
    answers = [browser.send_json("POST", "/api/v1/messages", body).get_json() for _ in range(2)]
    assert answers[0]["message_id"] == answers[1]["message_id"]
    assert [each["is_repeat"] for each in answers] == [False, True]

    def is_there() -> None:
        rows = browser.rows("history")
        own = [row for row in rows if row["message_id"] == answers[0]["message_id"]]
        assert sorted(row["channel"] for row in own) == ["CHANNEL_EMAIL", "CHANNEL_SMS"]

    eventually_sync(is_there)
    assert "Two ways" in browser.get("/sent").get_data(as_text=True)
    assert "Two ways" in history_page(browser)
    assert "Two ways" not in history_page(stack.browser("tea"))


@pytest.mark.accepts(13)
def test_texts_are_not_offered_where_calling_out_is_switched_off(stack: Stack) -> None:
    browser, client = stack.browser("pri"), stack.gateway.clients.directory
    offers = {"/reports/history": 'name="type" value="sms"', "/compose": 'name="channel" value="sms"'}

    def check(is_offered: bool) -> None:
        pages = {address: browser.get(address).get_data(as_text=True) for address in offers}
        assert {address: words in pages[address] for address, words in offers.items()} == dict.fromkeys(
            offers, is_offered
        )

    check(True)
    for is_enabled in (False, True):
        module = directory.Module(name="call_out", is_purchased=True, is_enabled=is_enabled)
        client.UpdateModule(directory.UpdateModuleRequest(module=module), metadata=stack.operator)
        eventually_sync(functools.partial(check, is_enabled), 3)


@pytest.mark.accepts(47)
def test_an_emergency_needs_the_right(stack: Stack) -> None:
    answer = stack.browser("tea").send_json("POST", "/api/v1/messages", message(is_emergency=True))
    assert (answer.status_code, reason(answer)) == (403, "EMERGENCY_NOT_ALLOWED")


def test_a_student_writes_to_staff_and_to_nobody_else(stack: Stack) -> None:
    student = stack.browser("amy")
    assert "Tom Reed" in student.get("/people?q=Tom").get_data(as_text=True)
    form = {"subject": "Homework", "body": "May I hand it in on Monday?", "person": stack.people["tea"]}
    assert "Message sent" in student.post("/compose", form, page="/compose").get_data(as_text=True)
    for audience in ({"roles": ["parent"]}, {"person_ids": [stack.people["mum"]]}):
        refused = student.send_json("POST", "/api/v1/messages", message(audience=audience))
        assert (refused.status_code, reason(refused)) == (403, "STAFF_ONLY")
    for channel in ("sms", "push", "tts"):
        texting = message(audience={"person_ids": [stack.people["tea"]]}, channels=["email", channel])
        answer = student.send_json("POST", "/api/v1/messages", texting)
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (400, "/channels")


@pytest.mark.accepts(39)
def test_the_good_rows_of_a_list_go_and_the_bad_are_named(stack: Stack) -> None:
    browser = stack.browser("pri")
    content = b"name,email,mobile\nAnn Lee,ann@example.org,\nBob,nope,\nCy,,(212) 555-0142\n"
    form = {"subject": "Trip", "body": "Bring boots.", "channel": "email", "audience": "list", "step": "preview"}
    page = browser.post("/compose", {**form, "list": (io.BytesIO(content), "trip.csv")}, page="/compose").get_data(
        as_text=True
    )
    assert "Line 3: “nope” is not an e-mail address." in page
    assert "Send to 2 recipients" in page
    list_id = re.search(r'name="list_id" value="([^"]+)"', page)
    assert list_id
    sent = browser.post("/compose", {**form, "list_id": list_id[1], "step": "send"}, page="/compose")
    assert "Uploaded list, 2 people" in sent.get_data(as_text=True)
    stolen = stack.browser("tea").post("/compose", {**form, "list_id": list_id[1], "step": "send"}, page="/compose")
    assert stolen.status_code == 409


@pytest.mark.accepts(94)
def test_a_message_cannot_run_in_a_readers_browser(stack: Stack) -> None:
    browser = stack.browser("pri")
    evil = "<script>alert(1)</script>"
    sent = browser.send_json("POST", "/api/v1/messages", message(subject=evil, body=evil)).get_json()

    def is_there() -> None:
        assert sent["message_id"] in browser.get("/api/v1/reports/history").get_data(as_text=True)

    eventually_sync(is_there)
    for address in ("/reports/history", "/sent", f"/sent/{sent['message_id']}"):
        page = browser.get(address).get_data(as_text=True)
        assert evil not in page
        assert "&lt;script&gt;" in page


@pytest.mark.accepts(50)
def test_a_person_is_found_by_name_or_number_within_the_viewers_schools(stack: Stack) -> None:
    principal = stack.browser("pri")
    page = principal.get("/people/find?q=stone").get_data(as_text=True)
    assert "Amy Stone" in page
    assert "Ben Stone" in page
    assert f'href="/people/{stack.people["amy"]}"' in page
    assert "Amy Stone" in principal.get("/people/find?q=1001").get_data(as_text=True)
    elsewhere = principal.get("/people/find?q=Zoe").get_data(as_text=True)
    assert "Zoe Hill" not in elsewhere
    assert "Nobody fits" in elsewhere
    assert principal.get("/people/find?q=" + "x" * 5000).status_code == 200
    assert stack.browser("amy").get("/people/find?q=Tom").status_code == 403


@pytest.mark.accepts(229, 232)
def test_somebody_of_two_schools_acts_for_the_one_they_work_in(stack: Stack) -> None:
    browser = stack.browser("both")
    page = browser.get("/inbox").get_data(as_text=True)
    choices = dict(re.findall(r'<option value="([^"]+)"(?: selected)?>([^<]+)', page))
    assert sorted(choices.values()) == ["Lincoln High", "Ridge High"]
    ridge = next(each for each, title in choices.items() if title == "Ridge High")
    assert browser.post("/preferences/school", {"school": ridge, "next": "/compose"}).headers["Location"] == "/compose"
    assert f'value="{ridge}" selected' in browser.get("/inbox").get_data(as_text=True)
    form = {
        "subject": "From Ridge",
        "body": "Hello.",
        "person": stack.people["cou"],
        "channel": "email",
        "step": "send",
    }
    assert browser.post("/compose", form, page="/compose").status_code == 200

    def is_there() -> None:
        rows = browser.rows("history")
        assert [(row["from"], row["source"]) for row in rows] == [("Ridge High", "SOURCE_SCHOOL")]

    eventually_sync(is_there)
    other = stack.browser("both")
    assert f'value="{ridge}" selected' not in other.get("/inbox").get_data(as_text=True)


def test_only_ones_own_schools_can_be_worked_in(stack: Stack) -> None:
    browser = stack.browser("tea")
    assert 'name="school"' not in browser.get("/inbox").get_data(as_text=True)
    for school_id in (new_id(), ""):
        answer = browser.send_json("PUT", "/api/v1/preferences/school", {"school_id": school_id or new_id()})
        assert (answer.status_code, reason(answer)) == (403, "SCHOOL_NOT_YOURS")
    assert browser.post("/preferences/school", {"school": "x"}).status_code == 403
