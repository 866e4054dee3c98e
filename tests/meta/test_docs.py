"""The documents list what the code has: errors, settings, events, metrics, scopes; and nothing that it has not."""

import ast
import importlib
import re
from collections.abc import Callable
from fnmatch import fnmatch
from importlib.util import find_spec
from inspect import signature

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest
from pydantic_settings import BaseSettings

from deploy import configuration, instruments
from services.gateway.database import create_engine
from services.gateway.problems import STATUS
from services.kit import db
from tests.meta.sources import ROOT, text, tracked
from tests.meta.test_contracts import subjects_in_code

DOCS = ROOT / "docs"


def errors_in_code() -> set[tuple[str, str, int]]:
    """Return service, reason and HTTP status of every error that the code raises by name."""
    statuses = {each.__name__: status for each, status in STATUS.items()}
    found = set()
    for path in tracked("services/*.py"):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in statuses and isinstance(node.args[0].value, str):
                    found.add((path.parts[1], node.args[0].value, statuses[name]))
    return found


def errors_in_docs() -> set[tuple[str, str, int]]:
    """Return section, reason and HTTP status of every error of the page; a section is named by its service."""
    found = set()
    for section in (DOCS / "errors.md").read_text(encoding="utf-8").split("\n## From ")[1:]:
        service = section.splitlines()[0].removeprefix("the ").split()[0]
        for reason, statuses in re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| ([^|]+) \|", section, re.MULTILINE):
            found |= {(service, reason, int(status)) for status in re.findall(r"\d+", statuses)}
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


def scopes_in_code() -> set[str]:
    """Return every scope that a method of the contracts names."""
    return {found for path in tracked("protos/*.proto") for found in re.findall(r'scope\) = "([a-z._]+)"', text(path))}


PAGES: dict[str, Callable[[], set[str]]] = {
    "configuration.md": settings_in_code,
    "events.md": lambda: set(subjects_in_code()),
    "security.md": scopes_in_code,
}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_the_page_lists_everything_that_the_code_has(page: str) -> None:
    names = PAGES[page]()
    assert names
    words = set(re.findall(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", (DOCS / page).read_text(encoding="utf-8")))
    assert sorted(name for name in names if name not in words) == []


def test_a_service_names_the_events_that_it_tells_and_consumes() -> None:
    """Its docstring is what one reads first; a `*` there stands for one word, as in the subjects of NATS."""
    subject = r"[a-z]+\.[a-z_]+\.[a-z_*]+\.v\d+"
    wrong = {}
    for path in tracked("services/*/__init__.py"):
        if len(path.parts) == 3 and path.parts[1] != "kit":
            said = set(re.findall(subject, ast.get_docstring(ast.parse(text(path))) or ""))
            there = set().union(*(re.findall(f'"({subject})"', text(each)) for each in tracked(f"{path.parent}/*.py")))
            missing = {each for each in there - said if not any(fnmatch(each, name) for name in said)}
            wrong[path.parts[1]] = sorted(missing | (said - there))
    assert {service: names for service, names in wrong.items() if names} == {}


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


def test_each_error_stands_under_the_service_that_raises_it_with_its_status() -> None:
    """The gateway and the kit raise some of what a service raises, too; what several do stands in one place."""
    documented = errors_in_docs()
    everywhere = {(reason, status) for _, reason, status in documented}
    silent = {
        (service, reason, status)
        for service, reason, status in errors_in_code()
        if (service, reason, status) not in documented
        and ("several", reason, status) not in documented
        and (service not in {"gateway", "kit"} or (reason, status) not in everywhere)
    }
    # The composer shows this in its own form, which it answers with 413.
    assert silent == {("gateway", "BODY_TOO_LARGE", 400)}


def test_no_error_is_documented_under_a_service_that_does_not_raise_it() -> None:
    code = {
        service: "".join(text(path) for path in tracked(f"services/{'' if service == 'several' else service}/*.py"))
        for service in {each for each, _, _ in errors_in_docs()}
    }
    assert [each for each in sorted(errors_in_docs()) if f'"{each[1]}"' not in code[each[0]]] == []


def test_installing_says_how_many_connections_a_process_may_hold() -> None:
    """Each has a pool and its outbox's relay; some listen."""
    said = (DOCS / "installing.md").read_text(encoding="utf-8").split("max_connections")[1]
    service, gateway = (signature(each).parameters["pool_size"].default for each in (db.create_engine, create_engine))
    held = re.search(r"holds up to (\d+)\s.* notify (\d+), any other (\d+): .*?come to (\d+)", said, re.DOTALL)
    assert held
    own, listening, other, together = map(int, held.groups())
    assert (own, listening, other) == (gateway, service + 2, service + 1)
    assert together == gateway + 4 * listening + 4 * other


def test_the_page_of_metrics_is_as_the_code_says() -> None:
    """`make docs` writes it."""
    assert instruments.PAGE.read_text(encoding="utf-8") == instruments.page()


def test_the_documents_name_no_metric_that_there_is_not() -> None:
    known = {each.name for each in instruments.instruments()}
    dotted = {
        (path.name, name)
        for path in DOCS.glob("*.md")
        for name in re.findall(r"`(lantern\.[a-z._]+[a-z])`", path.read_text(encoding="utf-8"))
    }
    exported = {each.exported for each in instruments.instruments()}
    written = re.findall(r"\b(lantern_[a-z_]+?)(?:_bucket)?[{\[ )]", instruments.PAGE.read_text(encoding="utf-8"))
    assert [each for each in sorted(dotted) if each[1] not in known] == []
    assert [each for each in written if each not in exported] == []


def test_metrics_bear_the_names_that_the_exporter_gives_them() -> None:
    registry = CollectorRegistry()
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    meter = provider.get_meter("test")
    wanted = list(instruments.instruments())
    for each in wanted:
        match each.kind:
            case "counter":
                meter.create_counter(each.name, each.unit).add(1)
            case "histogram":
                meter.create_histogram(each.name, each.unit).record(1)
            case _:
                meter.create_gauge(each.name, each.unit).set(1)
    shown = generate_latest(registry).decode()
    provider.shutdown()
    suffix = {"histogram": "_bucket{"}
    assert [each.exported for each in wanted if f"\n{each.exported}{suffix.get(each.kind, '{')}" not in shown] == []
