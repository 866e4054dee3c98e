"""Stopping a message and sending it again, from the pages and over REST; on real services, without a dispatcher."""

import re
from typing import Any

import pytest

from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack
from tests.support.eventually import eventually_sync


def send(browser: Browser, **changes: Any) -> dict[str, Any]:
    body = {
        "idempotency_key": new_id(),
        "subject": "Cancelled trip",
        "body": "We leave at nine.",
        "channels": ["email"],
        "audience": {"roles": ["parent"]},
    }
    answer = browser.send_json("POST", "/api/v1/messages", body | changes)
    assert answer.status_code == 200, answer.get_json()
    return dict(answer.get_json())


def test_the_sender_stops_what_has_not_left(stack: Stack) -> None:
    browser = stack.browser("pri")
    message = send(browser)
    address = f"/sent/{message['message_id']}"
    page = browser.get(address).get_data(as_text=True)
    assert re.search(r"\d deliver(y|ies) of the message (is|are) on the way", page)
    stopped = browser.post(f"/messages/{message['message_id']}/cancel", {"next": address}, page=address)
    assert re.fullmatch(rf"{address}\?cancelled=[1-9]\d*", stopped.headers["Location"])
    page = browser.get(stopped.headers["Location"]).get_data(as_text=True)
    assert re.search(r"deliver(y was|ies were) cancelled", page)
    assert "Cancel the message" not in page
    again = browser.post(f"/messages/{message['message_id']}/cancel", {"next": address}, page=address)
    assert "Nothing was left to cancel" in browser.get(again.headers["Location"]).get_data(as_text=True)

    def is_told() -> None:
        row = browser.get(f"/api/v1/entries/{message['entries'][0]['entry_id']}").get_json()["row"]
        assert row["counts"]["cancelled"] != "0"
        assert row["counts"]["pending"] == "0"

    eventually_sync(is_told)


def test_a_record_offers_it_while_something_is_on_its_way_to_whoever_may(stack: Stack) -> None:
    message = send(stack.browser("tea"), audience={"person_ids": [stack.people["mum"]]})
    entry = f"/reports/history/entries/{message['entries'][0]['entry_id']}"

    def is_offered() -> None:
        assert "Stop what has not left" in stack.browser("tea").get(entry).get_data(as_text=True)

    eventually_sync(is_offered)
    assert "Stop what has not left" in stack.browser("pri").get(entry).get_data(as_text=True)
    cancel = f"/api/v1/messages/{message['message_id']}/cancel"
    others = [stack.browser(each).send_json("POST", cancel, None).status_code for each in ("cou", "both", "mum", "amy")]
    assert set(others) <= {403, 404}
    done = stack.browser("pri").send_json("POST", cancel, None)
    assert (done.status_code, done.get_json()["cancelled"] >= 1) == (200, True)
    assert stack.browser("tea").send_json("POST", cancel, None).get_json() == {"cancelled": 0}

    def is_logged() -> None:
        log = stack.browser("off").get(f"/api/v1/audit?message={message['message_id']}").get_json()["records"]
        assert [(each["actor_name"], each["action"]) for each in log] == [("Ida Cole", "message.cancelled")]
        assert re.fullmatch(r"deliveries=[1-9]\d*", log[0]["detail"])
        assert "Stopped a message" in stack.browser("off").get("/audit").get_data(as_text=True)

    eventually_sync(is_logged)


@pytest.mark.accepts(305)
def test_errors_are_sent_again_by_a_channel_that_the_message_never_used(stack: Stack) -> None:
    browser = stack.browser("pri")
    # No teacher has a mobile number.
    message = send(browser, channels=["sms"], audience={"roles": ["teacher"]})
    entries = {each["channel"]: each["entry_id"] for each in message["entries"]}
    base = f"/reports/history/entries/{entries['CHANNEL_SMS']}"

    def is_offered() -> None:
        page = browser.get(f"{base}/recipients?state=errors").get_data(as_text=True)
        assert re.findall(r'<option value="(\w+)">by ', page) == ["sms", "email", "push", "tts"]
        assert "Recorded call: There is no recording to play." in page

    eventually_sync(is_offered)
    api = f"/api/v1/entries/{entries['CHANNEL_SMS']}/resend"
    ways = browser.get(api).get_json()["ways"]
    assert [each["channel"] for each in ways if each["refusal"]] == ["CHANNEL_RECORDED"]
    again = browser.get(f"{base}/resend?state=errors&channel=sms").get_data(as_text=True)
    assert "There is no mobile number on record." in again
    assert "Nobody is reached by this way." in again
    preview = browser.get(f"{api}/preview?state=errors&channel=email").get_json()
    assert int(preview["goes_out"]) >= 1
    dialog = browser.get(f"{base}/resend?state=errors&channel=email").get_data(as_text=True)
    assert re.search(rf"Send again to {preview['goes_out']} recipients?<", dialog)
    wrong = browser.get(f"{api}/preview?state=sent&channel=fax")
    assert [each["pointer"] for each in wrong.get_json()["errors"]] == ["/state", "/channel"]
    form = {"state": "errors", "key": new_id(), "channel": "email"}
    sent = browser.post(f"{base}/resend", form, page="/reports/history")
    assert re.search(r"resent=[1-9]$", sent.headers["Location"])
    # They are waited for now, by e-mail; nobody is left.
    body = {"idempotency_key": new_id(), "state": "errors"}
    refused = browser.send_json("POST", api, body)
    assert (refused.status_code, refused.get_json()["reason"]) == (409, "NOTHING_TO_RESEND")
    page = browser.post(f"{base}/resend", form | {"key": new_id()}, page="/reports/history")
    assert (page.status_code, "There is nobody in such a state" in page.get_data(as_text=True)) == (409, True)

    def is_logged() -> None:
        log = stack.browser("off").get(f"/api/v1/audit?message={message['message_id']}").get_json()["records"]
        assert [(each["actor_name"], each["action"]) for each in log] == [("Ida Cole", "message.resent")]
        assert "channel=email states=error recipients=" in log[0]["detail"]

    eventually_sync(is_logged)
    assert "Resend to these" in browser.get(f"{base}/recipients?state=errors").get_data(as_text=True)
    browser.send_json("POST", f"/api/v1/messages/{message['message_id']}/cancel", None)
    stopped = browser.get(f"{base}/recipients?state=errors").get_data(as_text=True)
    assert "Resend to these" not in stopped
    assert "Nothing can be sent again: This message was cancelled. Write it anew." in stopped
    wrong = browser.send_json("POST", api, {**body, "state": "sent"})
    assert [each["pointer"] for each in wrong.get_json()["errors"]] == ["/state"]
    unknown = browser.post(f"{base}/resend", {"state": "errors", "channel": "fax"}, page="/reports/history")
    assert unknown.status_code == 404
