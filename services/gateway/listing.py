"""A table as its address asks for it: rules on columns, sort and page, read strictly and written back into links.

Tables in a pop-up carry the search that they were opened from, and give their own parameters a prefix.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from protos.types.v1 import types_pb2 as types
from services.gateway import column_rules
from services.gateway.column_rules import PARTS, in_words, read_rules
from services.gateway.columns import REPORTS
from services.gateway.parameters import Choice, Parameter
from services.gateway.searches import LARGEST_PAGE, PAGE, SIZE, read_number, refuse_problems

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Place:
    """Where a table is."""

    table: str
    """Its key in REPORTS."""
    base: str
    """Its address without a query."""
    prefix: str = ""
    """Of the names of its parameters."""
    sort: tuple[str, str] = ("", "asc")
    """Column and order of who asks for none."""
    kept: Pairs = ()
    """What every link of it carries: the search that a pop-up was opened from."""
    own: Pairs = ()
    """Its filters other than rules, by their names in addresses."""

    def parameters(self) -> tuple[Parameter, ...]:
        """Return what its address may ask for, beside filters of its own."""
        column, order = self.sort
        words = [each.key for each in REPORTS[self.table] if each.is_sortable]
        says = f"Of `{self.prefix}sort`. Without it {column}, {'descending' if order == 'desc' else 'ascending'}."
        sort = (
            Choice("sort", "Column to sort by.", words=words, default=column),
            Choice("order", says, words=("asc", "desc")),
        )
        found = (*column_rules.parameters(self.table), *sort, PAGE, SIZE)
        return tuple(each.prefixed(self.prefix) for each in found)


@dataclass(frozen=True)
class Listing:
    """What an address asks of a table."""

    place: Place
    rules: list[types.ColumnRule]
    sort: types.Sort
    """Without a column: the table has one order."""
    page: types.PageRequest
    problems: dict[str, str] = field(default_factory=dict)
    """What cannot be read, by name, with what would be right."""

    def link(self, path: str = "", **changes: object) -> str:
        """Return an address with the same filters and sort, on the first page, and these changes."""
        parts = [*self._filters(), *self._shape()]
        kept = [(key, value) for key, value in parts if key not in changes]
        added = [(key, str(value)) for key, value in changes.items() if value not in ("", None)]
        query = urlencode([*self.place.kept, *kept, *added])
        return f"{path or self.place.base}?{query}" if query else path or self.place.base

    def sort_link(self, column: str, order: str) -> str:
        """Return the address of a sort."""
        return self.link("", **{self.name("sort"): column, self.name("order"): order})

    def page_link(self, number: int) -> str:
        """Return the address of a page."""
        return self.link("", **{self.name("page"): number})

    def fields(self) -> Iterator[tuple[str, str]]:
        """Yield what the form that changes the page keeps."""
        size = self.name("size")
        yield from ((key, value) for key, value in [*self.place.kept, *self._filters(), *self._shape()] if key != size)

    def form_fields(self, *asked: str) -> Iterator[tuple[str, str]]:
        """Yield what the form of the filters keeps beside the rules and the filters that it asks for itself."""
        yield from self.place.kept
        yield from ((key, value) for key, value in self.place.own if value and key not in asked)
        yield from self._shape()

    def clear_link(self, **changes: object) -> str:
        """Return the address without rules, and with these changes."""
        return self.link("", **{self.name(part): None for part in PARTS}, **changes)

    def concerns(self, column: str) -> bool:
        """Tell whether a column is sorted by or has a rule."""
        return column in {self.sort.column, *(rule.column for rule in self.rules)}

    def name(self, parameter: str) -> str:
        """Return how the address names a parameter of this table."""
        return f"{self.place.prefix}{parameter}"

    def at(self, number: int, size: int = LARGEST_PAGE) -> Self:
        """Return the same on another page, of the largest size unless another is named."""
        return replace(self, page=types.PageRequest(number=number, size=size))

    def strict(self) -> Self:
        """Return the same; InvalidArgument for what cannot be read, where no page says it."""
        refuse_problems(self.problems)
        return self

    def _filters(self) -> Iterator[tuple[str, str]]:
        yield from ((key, value) for key, value in self.place.own if value)
        for rule in in_words(self.rules):
            yield from zip(map(self.name, PARTS), rule, strict=True)

    def _shape(self) -> Iterator[tuple[str, str]]:
        if self.sort.column:
            yield self.name("sort"), self.sort.column
            yield self.name("order"), "desc" if self.sort.descending else "asc"
        yield self.name("size"), str(self.page.size)


def read_listing(place: Place, arguments: MultiDict[str, str]) -> Listing:
    """Return what an address asks of a table. What cannot be read is in problems, by the name of its filter."""
    prefix = place.prefix
    rules, wrong = read_rules(arguments, place.table, prefix)
    column, order = arguments.get(f"{prefix}sort", ""), arguments.get(f"{prefix}order", "")
    if column not in {each.key for each in REPORTS[place.table] if each.is_sortable}:
        column, order = place.sort
    page = types.PageRequest(
        number=read_number(arguments, PAGE.prefixed(prefix)),
        size=read_number(arguments, SIZE.prefixed(prefix)),
    )
    sort = types.Sort(column=column, descending=order == "desc")
    return Listing(place, rules, sort, page, {"rules": wrong} if wrong else {})
