"""What the OpenAPI document says beyond bodies and answers: queries, how programs sign in, and what changes carry."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from flask import current_app, json
from spectree import SpecTree

from services.gateway.auth import COOKIE
from services.gateway.parameters import Parameter

Operation = dict[str, Any]
_PROBLEM_TYPE = "application/problem+json"
_FORM_TOKEN = {
    "name": "X-CSRFToken",
    "in": "header",
    "required": True,
    "description": "`csrf_token` of POST /api/v1/session or GET /api/v1/viewer.",
    "schema": {"type": "string"},
}


@cache
def document(spec: SpecTree) -> str:
    """Return the document as JSON, made once: it takes a while, and whoever asks for it need not be signed in."""
    spec.app = current_app
    return json.dumps(_complete(spec.spec, _asked(spec)))


def _asked(spec: SpecTree) -> dict[str, Sequence[Parameter]]:
    """Return what GET reads of its query, by path."""
    rules = [rule for rule in current_app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    views = [(rule, current_app.view_functions[rule.endpoint]) for rule in rules]
    return {spec.backend.parse_path(rule, None)[0]: view.asks for rule, view in views if hasattr(view, "asks")}


def _complete(described: dict[str, Any], asked: Mapping[str, Sequence[Parameter]]) -> dict[str, Any]:
    """Return the description that spectree made with what it does not know."""
    paths = {
        path: {method: _operation(method, operation, asked.get(path, ())) for method, operation in operations.items()}
        for path, operations in described["paths"].items()
    }
    components = {
        **described["components"],
        "parameters": {"FormToken": _FORM_TOKEN},
        "securitySchemes": {
            "session": _cookie(COOKIE, "Who is signed in. POST /api/v1/session sets it."),
            "form": _cookie(current_app.config["SESSION_COOKIE_NAME"], "What X-CSRFToken is held against."),
        },
    }
    return {**described, "paths": paths, "components": components, "security": [{"session": []}]}


def _cookie(name: str, says: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "cookie", "name": name, "description": says}


def _operation(method: str, operation: Operation, asked: Sequence[Parameter]) -> Operation:
    answers = {code: _with_problem_type(code, answer) for code, answer in operation["responses"].items()}
    completed = {**operation, "responses": answers}
    # What names its own security is open to everybody: signing in.
    if method != "get" and "security" not in operation:
        completed["parameters"] = [*operation["parameters"], {"$ref": "#/components/parameters/FormToken"}]
        completed["security"] = [{"session": [], "form": []}]
    if method == "get":
        completed["parameters"] = [*operation["parameters"], *(each.described() for each in asked)]
    return completed


def _with_problem_type(code: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Give problems their own media type; spectree knows one type for all answers."""
    if int(code) < 400 or "application/json" not in answer.get("content", {}):
        return answer
    return {**answer, "content": {_PROBLEM_TYPE: answer["content"]["application/json"]}}
