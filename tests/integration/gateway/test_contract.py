"""Every operation of the OpenAPI document, with bodies, ids and queries that are wrong: only documented answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack

UNKNOWN = "01936b2a-0000-7000-8000-000000000000"
"""An id that nothing has."""
BODIES: dict[str, Any] = {
    "null": None,
    "list": [],
    "text": "x",
    "number": 7,
    "empty": {},
    "unknown": {"unknown": {"deep": [1, {"deeper": None}]}},
    "long": {"subject": "x" * 300_000, "notes": "é" * 300_000},
    "nul": {"subject": "\x00", "body": "\x00", "notes": "\x00", "columns": ["\x00"]},
}
QUERIES = (
    "page=-1&size=0",
    "page=99999999999999999999&size=abc",
    "start=2026-13-40&end=x&from_time=25:00&to_time=8",
    "school=nobody&sender=%00&type=fax&message=%27%3B--",
    "rule_column=total&rule_operator=greater&rule_value=many",
    "rule_column=nothing&rule_operator=nothing&rule_value=" + "x" * 5000,
    "sort=nothing&order=up&state=nothing&dsort=nothing&dpage=-1&dsize=x",
    "drule_column=name&drule_operator=greater&drule_value=%00&rrule_column=name",
    "q=" + "%F0%9F%94%A5" * 2000,
    "q=%00",
    "actor=%00&action=nothing&mine=2",
)


def operations(browser: Browser) -> Iterator[tuple[str, str, dict[str, Any]]]:
    paths = browser.get("/api/openapi.json").get_json()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            if path != "/api/v1/session":
                yield method.upper(), path, operation


def check(answer: Any, operation: dict[str, Any], what: str) -> str:
    """Return what is wrong with an answer, or nothing."""
    documented = operation["responses"].get(str(answer.status_code))
    if answer.status_code >= 500 or documented is None:
        return f"{what}: {answer.status_code} {answer.get_data(as_text=True)[:200]}"
    if answer.mimetype not in documented["content"]:
        return f"{what}: {answer.mimetype}"
    return ""


@pytest.mark.parametrize("name", BODIES)
def test_wrong_bodies_get_documented_answers(stack: Stack, name: str) -> None:
    browser = stack.browser("off")
    token = browser.get("/api/v1/viewer").get_json()["csrf_token"]
    faults = []
    for method, path, operation in operations(browser):
        if "requestBody" in operation:
            address = re.sub(r"\{\w+\}", new_id(), path)
            data, headers = json.dumps(BODIES[name]), {"X-CSRFToken": token}
            answer = browser.client.open(
                address, method=method, data=data, content_type="application/json", headers=headers
            )
            faults.append(check(answer, operation, f"{method} {path}"))
            assert answer.status_code >= 400 or path.endswith("/preview"), path
    assert [each for each in faults if each] == []


@pytest.mark.parametrize("identity", ["x", "%00", "0" * 3000, UNKNOWN, "..%2F..", "𝔘"])
def test_wrong_ids_get_documented_answers(stack: Stack, identity: str) -> None:
    browser = stack.browser("off")
    faults = []
    for method, path, operation in operations(browser):
        if "{" in path and "requestBody" not in operation:
            answer = browser.send_json(method, re.sub(r"\{\w+\}", identity, path), None)
            faults.append(check(answer, operation, f"{method} {path}"))
            assert answer.status_code == 404, path
    assert [each for each in faults if each] == []


@pytest.mark.parametrize("query", QUERIES)
def test_wrong_queries_get_documented_answers_and_no_page_fails(stack: Stack, query: str) -> None:
    browser = stack.browser("off")
    faults = []
    for method, path, operation in operations(browser):
        if method == "GET" and "{" not in path and path != "/api/v1/alerts":
            faults.append(check(browser.get(f"{path}?{query}"), operation, path))
    for page in ("/reports/history", "/reports/threats", "/inbox", "/sent", "/people/find", "/audit", "/referrals"):
        answer = browser.get(f"{page}?{query}")
        if answer.status_code >= 500 or not answer.get_data(as_text=True).startswith("<!doctype html>"):
            faults.append(f"{page}: {answer.status_code}")
    assert [each for each in faults if each] == []


def test_every_operation_of_the_document_refuses_whoever_is_not_signed_in(stack: Stack) -> None:
    browser = stack.browser()
    statuses = {}
    for method, path, _ in operations(browser):
        address = re.sub(r"\{\w+\}", new_id(), path)
        statuses[f"{method} {path}"] = browser.client.open(address, method=method).status_code
    assert set(statuses.values()) <= {400, 401}
    assert {name for name, status in statuses.items() if status == 400} <= {
        name for name in statuses if not name.startswith("GET")
    }
