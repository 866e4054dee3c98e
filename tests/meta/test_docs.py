"""The documents list what the code has: errors, settings, events."""

import ast
import importlib
import re
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from pydantic_settings import BaseSettings

from deploy import configuration
from tests.meta.sources import ROOT, text, tracked
from tests.meta.test_contracts import subjects_in_code

DOCS = ROOT / "docs"


def reasons_in_code() -> set[str]:
    """Return the reason of every error that the code raises by name."""
    classes = {
        "InvalidArgument", "Unauthenticated", "PermissionDenied", "NotFound", "AlreadyExists", "FailedPrecondition",
        "Aborted", "ResourceExhausted", "Unavailable", "DeadlineExceeded", "Internal",
    }  # fmt: skip
    found = set()
    for path in tracked("services/*.py"):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in classes and isinstance(node.args[0].value, str):
                    found.add(node.args[0].value)
    return found


def settings_in_code() -> set[str]:
    """Return the environment's name of every setting of every process."""
    names = set()
    for path in tracked("services/*/config.py"):
        module = ".".join(path.with_suffix("").parts)
        if find_spec(module) is None:
            continue
        for each in vars(importlib.import_module(module)).values():
            if isinstance(each, type) and issubclass(each, BaseSettings):
                names |= {field.upper() for field in each.model_fields}
    return names


PAGES: dict[str, Callable[[], set[str]]] = {
    "errors.md": reasons_in_code,
    "configuration.md": settings_in_code,
    "events.md": lambda: set(subjects_in_code()),
}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_the_page_lists_everything_that_the_code_has(page: str) -> None:
    names = PAGES[page]()
    assert names
    words = set(re.findall(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", (DOCS / page).read_text(encoding="utf-8")))
    assert sorted(name for name in names if name not in words) == []


def test_the_page_of_settings_is_as_the_code_says() -> None:
    """`make docs` writes it."""
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page()


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{each.__name__}.{name}"
        for _, each in configuration.settings_classes()
        for name, field in each.model_fields.items()
        if not field.description
    ]
    assert silent == []
