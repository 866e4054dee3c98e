"""The page of every setting, from the services' own config.py: `make docs` writes docs/configuration.md.

tests/meta holds the page to what this module says, so a setting is described once, where it is declared.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.kit import config as shared
from services.kit.config import Settings

_ROOT = Path(__file__).resolve().parents[1]
PAGE = _ROOT / "docs" / "configuration.md"
_HEAD = """# Configuration

Processes read the environment once, at their start, and print every problem at once; `python -m services.<name>
--check-config` does only that. An empty variable counts as absent. Each may also come from a file: `NAME_FILE` holds
the path, the file's text is the value, and `NAME` wins; secrets belong there. This page is made from the services'
`config.py` by `make docs`.
"""
_TITLES = {
    "Settings": "Every process",
    "ServiceSettings": "Every process with a database, the bus and gRPC",
    "MigrateSettings": "`migrate` of every service",
}


def settings_classes() -> Iterator[tuple[str, type[Settings]]]:
    """Yield (service, class) for every class of settings, those that all share first."""
    for name in _TITLES:
        yield "kit", getattr(shared, name)
    for path in sorted(_ROOT.glob("services/*/config.py")):
        service = path.parent.name
        if service == "kit":
            continue
        module = importlib.import_module(f"services.{service}.config")
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, Settings) and each.__module__ == module.__name__:
                yield service, each


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(part for service, each in settings_classes() if (part := _section(service, each)))])


def _section(service: str, settings: type[Settings]) -> str:
    own = [(name, field) for name, field in settings.model_fields.items() if name in settings.__annotations__]
    if not own:
        return ""
    words = (settings.__doc__ or "").strip().splitlines()[0].removesuffix(".")
    title = _TITLES.get(settings.__name__) or f"{service}: {words[:1].lower()}{words[1:]}"
    rows = [f"| `{name.upper()}` | {_values(field)} | {_default(field)} | {_meaning(field)} |" for name, field in own]
    return "\n".join([f"## {title}\n", "| Setting | Values | Default | Meaning |", "|---|---|---|---|", *rows, ""])


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"


def _values(field: FieldInfo) -> str:
    limits: dict[type, Any] = {type(each): each for each in field.metadata}
    if Ge in limits or Gt in limits:
        least = f"{limits[Ge].ge:g}" if Ge in limits else f"more than {limits[Gt].gt:g}"
        most = limits[Le].le if Le in limits else limits[Lt].lt if Lt in limits else None
        return f"{least} to {most:g}" if most is not None else f"{least} and more"
    return _words(field.annotation)


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(kind) if each != "")
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(found for each in get_args(kind) if (found := _words(each)))
    names = {SecretStr: "secret", bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}
    return names.get(getattr(kind, "__origin__", kind), "path" if "Path" in str(kind) else "text")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
