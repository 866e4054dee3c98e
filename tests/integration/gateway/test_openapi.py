"""What the OpenAPI document says, held against the routes."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from flask import Request
from werkzeug.datastructures import ImmutableMultiDict

from services.gateway import searches
from services.gateway.searches import LARGEST_PAGE, PAGE_SIZE
from services.kit.ids import new_id
from services.kit.ruling import MOST_RULES
from tests.integration.gateway.stack import Stack

FORM_TOKEN = {"$ref": "#/components/parameters/FormToken"}


@pytest.fixture
def document(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.browser().get("/api/openapi.json").get_json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_document_has_every_method_of_every_route(stack: Stack, document: dict[str, Any]) -> None:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in stack.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/")
    }
    assert document["openapi"].startswith("3.1")
    assert {(method, path) for method, path, _ in operations(document)} == routes
    assert set(document["paths"]["/api/v1/inbox"]["get"]["responses"]["200"]["content"]) == {"application/json"}


def test_the_document_names_the_cookies_by_which_programs_are_known(stack: Stack, document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {name: (each["in"], each["name"]) for name, each in schemes.items()} == {
        "session": ("cookie", "lantern_session"),
        "form": ("cookie", "lantern_form"),
    }
    browser = stack.browser("pri")
    browser.get("/api/v1/viewer")
    assert all(browser.client.get_cookie(each["name"]) for each in schemes.values())
    assert document["security"] == [{"session": []}]
    assert document["paths"]["/api/v1/session"]["post"]["security"] == []


def test_exactly_what_is_refused_without_a_form_token_is_said_to_need_one(
    stack: Stack, document: dict[str, Any]
) -> None:
    browser = stack.browser("pri")
    said, refused = set(), set()
    for method, path, operation in operations(document):
        answer = browser.client.open(re.sub(r"\{\w+\}", new_id(), path), method=method)
        if (answer.get_json(silent=True) or {}).get("reason") == "FORM_EXPIRED":
            refused.add((method, path))
        if FORM_TOKEN in operation["parameters"]:
            said.add((method, path))
            assert operation["security"] == [{"session": [], "form": []}]
    assert said == refused
    assert document["components"]["parameters"]["FormToken"]["name"] == "X-CSRFToken"


def test_signing_out_answers_as_documented(stack: Stack, document: dict[str, Any]) -> None:
    browser = stack.browser("pri")
    answer = browser.send_json("DELETE", "/api/v1/session", None)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "204" in document["paths"]["/api/v1/session"]["delete"]["responses"]
    assert browser.get("/api/v1/viewer").status_code == 401


class Noting(ImmutableMultiDict[str, str]):
    """A query that notes which of its names are read."""

    names: ClassVar[set[str]] = set()

    def __getitem__(self, key: str) -> str:
        self.names.add(key)
        return super().__getitem__(key)

    def getlist(self, key: str, *kinds: Any) -> list[Any]:
        self.names.add(key)
        return super().getlist(key, *kinds)


class NotingRequest(Request):
    parameter_storage_class = Noting


def test_what_a_route_reads_of_its_query_and_nothing_else_is_documented(
    stack: Stack, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = stack.browser("off")
    monkeypatch.setattr(stack.app, "request_class", NotingRequest)
    monkeypatch.setattr(searches, "MultiDict", Noting)
    said, read = {}, {}
    for method, path, operation in operations(document):
        if method == "GET":
            said[path] = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
            Noting.names = set()
            # Without a name at all, the figures are of a period that nobody asked for.
            answer = browser.get(re.sub(r"\{\w+\}", new_id(), path) + "?unknown=1")
            # What is given at all, the library that validates requests looks at.
            read[path] = Noting.names - {"unknown"}
            assert answer.status_code not in (400, 401, 403), path
    assert said == read
    assert {"page", "size", "sort", "rule_column", "school"} <= said["/api/v1/reports/history"]


def test_kinds_limits_and_defaults_of_parameters_are_those_that_are_read(document: dict[str, Any]) -> None:
    found = {each["name"]: each for each in document["paths"]["/api/v1/reports/history"]["get"]["parameters"]}
    schemas = {name: each["schema"] for name, each in found.items()}
    assert schemas["size"] == {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE}
    assert schemas["type"] == {"type": "array", "items": {"type": "string", "enum": list(searches.CHANNEL_OF)}}
    assert schemas["start"] == {"type": "string", "format": "date"}
    assert schemas["rule_value"]["maxItems"] == MOST_RULES
    assert "total" in schemas["sort"]["enum"]
    assert schemas["sort"]["default"] == "date"
    recipients = document["paths"]["/api/v1/entries/{entry_id}/recipients"]["get"]["parameters"]
    assert {"entry_id", "state", "q", "dsort", "dpage", "dsize"} <= {each["name"] for each in recipients}
