"""Who may import what, inside a service: domain ← store ← actions ← rpc and events ← __main__."""

import sys
from pathlib import Path

import pytest

from tests.meta.sources import imports, tracked

SERVICES = ("directory", "moderation", "notify", "queue", "reports")
# The classes of the handles that actions pass on to the store; using them needs nothing else of SQLAlchemy.
HANDLES = {("sqlalchemy.ext.asyncio", "AsyncConnection"), ("sqlalchemy.ext.asyncio", "AsyncEngine")}
FILES = tracked("services/*.py")


def room(path: Path) -> str:
    """Return the room of a service that the file is in: domain, store, tables, actions, rpc, events, …"""
    return path.parts[2].removesuffix(".py") if len(path.parts) > 2 else ""


def broken(files: list[Path], *packages: str) -> list[str]:
    """Return the imports of these packages."""
    return [
        f"{path}: {module} {name}"
        for path in files
        for module, name in imports(path)
        if module.split(".")[0] in packages and (module, name) not in HANDLES
    ]


def in_services() -> list[Path]:
    return [path for path in FILES if len(path.parts) > 2 and path.parts[1] in SERVICES]


def test_sqlalchemy_stays_in_the_store_and_the_tables() -> None:
    outside = [path for path in in_services() if not room(path).startswith(("store", "tables", "migrations"))]
    assert broken(outside, "sqlalchemy", "alembic", "psycopg") == []


def test_vendors_libraries_stay_in_the_providers_and_where_their_signatures_are_checked() -> None:
    outside = [
        path for path in FILES if not (room(path).startswith(("providers", "exports")) or path.name == "webhooks.py")
    ]
    assert broken(outside, "twilio", "boto3", "botocore", "moderation_api") == []


def test_flask_stays_in_the_gateway() -> None:
    outside = [path for path in FILES if path.parts[1] != "gateway"]
    assert broken(outside, "flask", "flask_login", "flask_wtf", "granian", "spectree", "jinja2") == []


def test_the_domain_knows_the_standard_library_and_what_is_pure_of_the_kit_alone() -> None:
    allowed = {*sys.stdlib_module_names}
    wrong = [
        f"{path}: {module}"
        for path in in_services()
        if room(path) == "domain"
        for module, _ in imports(path)
        if module.split(".")[0] not in allowed
        and module not in {"services.kit.errors", "services.kit.clock", "services.kit.rules"}
        and not module.startswith(f"services.{path.parts[1]}.domain")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("domain", ("store", "tables", "actions", "rpc", "events", "__main__")),
        ("store", ("actions", "rpc", "events", "__main__")),
        ("tables", ("store", "actions", "rpc", "events", "__main__")),
        ("actions", ("rpc", "__main__")),
        ("rpc", ("__main__",)),
        ("events", ("__main__", "rpc")),
    ],
)
def test_arrows_point_inwards(inner: str, outer: tuple[str, ...]) -> None:
    wrong = [
        f"{path}: {module} {name}"
        for path in in_services()
        if room(path) == inner
        for module, name in imports(path)
        for forbidden in outer
        if f"{module}.{name}.".startswith(f"services.{path.parts[1]}.{forbidden}.")
    ]
    assert wrong == []


def test_contracts_stay_out_of_the_domain_and_the_store() -> None:
    inside = [path for path in in_services() if room(path) in {"domain", "tables", "store"}]
    assert broken(inside, "protos", "grpc", "nats") == []
