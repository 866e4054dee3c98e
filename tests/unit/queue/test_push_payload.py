"""What a push message holds for Apple's and Google's services, and what of their devices is remembered."""

import json

import pytest

from services.queue.providers import sns_push
from services.queue.providers.aws import AwsSettings
from services.queue.providers.sns_push import SnsPush, _payload
from services.queue.work import Content


def content(text: str) -> Content:
    return Content("Picture day", text, "Lincoln High", "en", is_emergency=False, kind=0)


def test_without_a_poll_it_is_a_title_and_a_text() -> None:
    parts = json.loads(_payload(content("Smile."), ""))
    assert json.loads(parts["APNS"]) == {
        "aps": {"alert": {"title": "Picture day", "body": "Smile."}, "sound": "default"}
    }
    assert json.loads(parts["GCM"]) == {"notification": {"title": "Picture day", "body": "Smile."}}


def test_beside_a_poll_a_tap_opens_the_link() -> None:
    parts = json.loads(_payload(content("Choose."), "https://lantern.example.org/answer/x"))
    assert json.loads(parts["APNS"])["link"] == "https://lantern.example.org/answer/x"
    assert json.loads(parts["GCM"])["data"] == {"link": "https://lantern.example.org/answer/x"}


@pytest.mark.parametrize("text", ["\U0001f600" * 1_100, "\x01" * 1_000, "é" * 1_000])
def test_what_no_phone_would_take_is_cut_and_says_so(text: str) -> None:
    parts = json.loads(_payload(content(text), "https://lantern.example.org/answer/" + "x" * 200))
    sizes = [len(parts[each].encode()) for each in ("APNS", "GCM")]
    assert max(sizes) <= 4_096
    body = json.loads(parts["APNS"])["aps"]["alert"]["body"]
    assert body == text or (body[-1] == "…" and max(sizes) > 4_000)


async def test_so_many_devices_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = SnsPush(AwsSettings("us-east-1", "key", "secret", "", timeout_seconds=1.0, concurrency=1), "arn:app")
    asked: list[str] = []

    async def call(_: object, **values: str) -> dict[str, str]:
        asked.append(values["Token"])
        return {"EndpointArn": f"arn:{values['Token']}"}

    monkeypatch.setattr(sns_push, "_REMEMBERED", 2)
    monkeypatch.setattr(adapter._aws, "call", call)
    found = [await adapter._endpoint(each) for each in ("a", "b", "c", "a", "b", "c")]
    await adapter.close()
    assert found == ["arn:a", "arn:b", "arn:c"] * 2
    assert asked == ["a", "b", "c", "c"]
    assert len(adapter._endpoints) == 2
