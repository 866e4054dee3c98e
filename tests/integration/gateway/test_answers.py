"""Answers of the REST API, held against the schemas of the OpenAPI document."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.test import TestResponse

from tests.integration.gateway.stack import Browser, Stack
from tests.integration.gateway.test_requests import message
from tests.support.eventually import eventually_sync


def faults(value: Any, schema: dict[str, Any], parts: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield where a value is not what the schema says, members that it does not know among them."""
    if "$ref" in schema:
        yield from faults(value, parts[schema["$ref"].removeprefix("#/components/schemas/")], parts, place)
        return
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "object": dict,
        "array": list,
    }
    if not isinstance(value, kinds[schema["type"]]) or value not in schema.get("enum", [value]):
        yield f"{place}: {value!r}"
    elif schema.get("format") == "date-time":
        assert datetime.fromisoformat(value).tzinfo, place
    elif schema["type"] == "array":
        for number, each in enumerate(value):
            yield from faults(each, schema["items"], parts, f"{place}/{number}")
    elif schema["type"] == "object" and "properties" in schema:
        yield from (f"{place}/{name}: missing" for name in set(schema["required"]) - set(value))
        for name, each in value.items():
            known = schema["properties"].get(name)
            yield from faults(each, known, parts, f"{place}/{name}") if known else [f"{place}/{name}: unknown"]


@dataclass(frozen=True)
class Checked:
    """A browser whose answers are held against the document."""

    browser: Browser
    document: dict[str, Any]

    def read(self, path: str, **ids: str) -> Any:
        """Return the answer of GET."""
        return self._checked("get", path, self.browser.get(f"/api/v1{path}".format(**ids)))

    def post(self, path: str, body: object) -> Any:
        """Return the answer of POST."""
        return self._checked("post", path, self.browser.send_json("POST", f"/api/v1{path}", body))

    def _checked(self, method: str, path: str, answer: TestResponse) -> Any:
        found = answer.get_json()
        assert answer.status_code == 200, found
        said = self.document["paths"][f"/api/v1{path}"][method]["responses"]["200"]["content"]["application/json"]
        assert list(faults(found, said["schema"], self.document["components"]["schemas"], path)) == []
        return found


def checked(stack: Stack, username: str) -> Checked:
    browser = stack.browser(username)
    return Checked(browser, browser.get("/api/openapi.json").get_json())


def test_what_is_sent_and_read_again_is_as_documented(stack: Stack) -> None:
    principal, body = checked(stack, "pri"), message(channels=["email", "sms"])
    assert principal.post("/audience/preview", body["audience"])
    sent = principal.post("/messages", body)
    entry_id = sent["entries"][0]["entry_id"]

    def listed() -> dict[str, Any]:
        rows = {row["entry_id"]: row for row in principal.read("/reports/history")["rows"]}
        assert entry_id in rows
        found: dict[str, Any] = rows[entry_id]
        return found

    assert eventually_sync(listed)["message_id"] == sent["message_id"]
    assert principal.read("/entries/{entry_id}", entry_id=entry_id)["row"]["entry_id"] == entry_id
    found = principal.read("/entries/{entry_id}/recipients", entry_id=entry_id)["deliveries"]
    assert principal.read("/people/{person_id}/received", person_id=found[0]["person_id"])["received"]
    assert principal.read("/entries/{entry_id}/resend", entry_id=entry_id)
    assert principal.read("/entries/{entry_id}/resend/preview", entry_id=entry_id)
    assert principal.read("/sent")["items"]
    assert principal.read("/inbox/{message_id}", message_id=sent["message_id"])["body"] == body["body"]


def test_every_list_is_as_documented(stack: Stack) -> None:
    office = checked(stack, "off")
    paths = [path for path, methods in office.document["paths"].items() if "get" in methods and "{" not in path]
    for path in paths:
        # Notify, of which alerts come, is not among the services of this file.
        if path != "/api/v1/alerts":
            office.read(path.removeprefix("/api/v1"))


def test_no_answer_is_described_as_just_an_object(stack: Stack) -> None:
    document = checked(stack, "").document
    parts, described = document["components"]["schemas"], set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation["responses"].get("200", {}).get("content", {})
            if "application/json" in content:
                described.add((method, path))
                name = content["application/json"]["schema"]["$ref"].removeprefix("#/components/schemas/")
                assert parts[name]["type"] == "object", path
                assert "properties" in parts[name], path
    assert len(described) > 40
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(parts)
