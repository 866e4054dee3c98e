"""Query parameters: what reads one is what the OpenAPI document describes of it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

ViewT = TypeVar("ViewT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """One name of a query."""

    name: str
    says: str
    """What it asks for, for the document."""
    times: int = 1
    """How often it is read; 0 for any number of times."""

    def prefixed(self, prefix: str) -> Self:
        """Return the same as a table names it that gives its parameters a prefix."""
        return replace(self, name=f"{prefix}{self.name}")

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        return {"type": "string"}

    def described(self) -> dict[str, Any]:
        """Return what the document says of it."""
        schema = self.schema
        if self.times != 1:
            schema = {"type": "array", "items": schema, **({"maxItems": self.times} if self.times else {})}
        return {"name": self.name, "in": "query", "required": False, "description": self.says, "schema": schema}


@dataclass(frozen=True)
class Text(Parameter):
    """A text, of which no more than so many characters are read."""

    most: int = 200

    def read(self, arguments: Mapping[str, str]) -> str:
        """Return the text, empty without one."""
        return arguments.get(self.name, "")[: self.most]

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        return {"type": "string", "maxLength": self.most}


@dataclass(frozen=True)
class Day(Parameter):
    """An ISO date."""

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        return {"type": "string", "format": "date"}


@dataclass(frozen=True)
class Clock(Parameter):
    """A time of day in hours and minutes."""

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        return {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}


@dataclass(frozen=True)
class Tick(Parameter):
    """A box of a form: 1 when it is ticked."""

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        return {"type": "string", "const": "1"}

    def is_ticked(self, arguments: Mapping[str, str]) -> bool:
        """Tell whether it is."""
        return arguments.get(self.name) == "1"


@dataclass(frozen=True)
class Number(Parameter):
    """A whole number, from 1 unless the default is less."""

    most: int = 10**9
    default: int = 1

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}

    @property
    def least(self) -> int:
        """The smallest."""
        return min(self.default, 1)


@dataclass(frozen=True)
class Choice(Parameter):
    """One of a few words."""

    words: Collection[str] = ()
    default: str = ""
    """What is read without one, or in place of a word that is none of these."""

    def read(self, arguments: Mapping[str, str]) -> str:
        """Return one of the words, or the default."""
        word = arguments.get(self.name, self.default)
        return word if word in self.words else self.default

    @property
    def schema(self) -> dict[str, Any]:
        """One value, as JSON Schema."""
        default = {"default": self.default} if self.default in self.words else {}
        return {"type": "string", "enum": list(self.words), **default}


def asks(*parameters: Parameter) -> Callable[[ViewT], ViewT]:
    """Say what a route reads of its query. A test compares it with what it does read."""

    def decorate(view: ViewT) -> ViewT:
        view.asks = parameters  # type: ignore[attr-defined]
        return view

    return decorate
