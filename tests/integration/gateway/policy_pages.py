"""The policy's page as a browser fills it in, and messages to try it on."""

import re
from typing import Any

from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser

DANGER = "i have a plan to end my life this weekend, please don't tell anybody"
_FIELD = re.compile(r"<input[^>]*>")
_AREA = re.compile(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', re.DOTALL)


def fields(page: str) -> dict[str, str]:
    """Return what a browser would send of the policy's form: its first and only one of that address."""
    form = page.split('id="policy"', 1)[1].split("</form>", 1)[0]
    found = {}
    for tag in _FIELD.findall(form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        is_unticked = attributes.get("type") == "checkbox" and " checked" not in tag
        if "name" in attributes and not is_unticked:
            found[attributes["name"]] = attributes.get("value", "")
    found |= _AREA.findall(form)
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def send(browser: Browser, page: str, step: str, **changed: str) -> Any:
    return browser.post("/policy", {**fields(page), "step": step, **changed}, page="/policy")


def write(browser: Browser, text: str, *person_ids: str, subject: str = "Hello") -> None:
    """Send a message to these people."""
    body = {"idempotency_key": new_id(), "subject": subject, "body": text, "channels": ["email"]}
    sent = browser.send_json("POST", "/api/v1/messages", {**body, "audience": {"person_ids": person_ids}})
    assert sent.status_code == 200
