"""A search as its address: filters, column rules, sort and page, read strictly and written back into links."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission, Person
from services.gateway.columns import REPORTS
from services.gateway.words import CHANNELS
from services.kit.errors import InvalidArgument

PAGE_SIZE = 20
LARGEST_PAGE = 500
_LONGEST_RULE = 200
_MOST_RULES = 20
_CHANNEL_OF = {choice.value: channel for channel, choice in CHANNELS.items()}
OPERATORS = {
    "contains": (types.ColumnRule.OPERATOR_CONTAINS, "contains"),
    "not_contains": (types.ColumnRule.OPERATOR_NOT_CONTAINS, "does not contain"),
    "equals": (types.ColumnRule.OPERATOR_EQUALS, "is"),
    "not_equals": (types.ColumnRule.OPERATOR_NOT_EQUALS, "is not"),
    "greater": (types.ColumnRule.OPERATOR_GREATER, "is more than"),
    "less": (types.ColumnRule.OPERATOR_LESS, "is less than"),
    "empty": (types.ColumnRule.OPERATOR_EMPTY, "is empty"),
    "not_empty": (types.ColumnRule.OPERATOR_NOT_EMPTY, "is not empty"),
}
"""Comparisons of a column rule, by their name in addresses."""
_FILTER_KEYS = (
    "searched", "type", "school", "start", "end", "from_time", "to_time", "secure", "emergency", "flagged", "sender",
    "all_users", "rule_column", "rule_operator", "rule_value",
)  # fmt: skip


@dataclass(frozen=True)
class Search:
    """What an address asks for."""

    path: str
    arguments: MultiDict[str, str]
    filter: reports.Filter
    sort: types.Sort
    page: types.PageRequest
    problems: dict[str, str] = field(default_factory=dict)
    """Filters that cannot be read, by name, with what would be right."""

    def link(self, path: str = "", **changes: object) -> str:
        """Return an address with the same search and these changes; None leaves a part out."""
        parts = [(k, v) for k, v in self.arguments.items(multi=True) if k not in changes and v]
        parts += [(key, str(value)) for key, value in changes.items() if value not in (None, "")]
        return f"{path or self.path}?{urlencode(parts)}" if parts else path or self.path

    def chosen(self, name: str) -> list[str]:
        """Return the values of one filter."""
        return self.arguments.getlist(name)

    def hidden_fields(self) -> Iterator[tuple[str, str]]:
        """Yield filters and sort as form fields, for forms that change the page."""
        for key, value in self.arguments.items(multi=True):
            if key not in {"page", "size"} and value:
                yield key, value


def read_search(path: str, report: str, arguments: MultiDict[str, str], person: Person) -> Search:
    """Return the search of an address. What cannot be read is in problems, by the name of its filter."""
    known = MultiDict(
        (k, v) for k, v in arguments.items(multi=True) if k in {*_FILTER_KEYS, "sort", "order", "page", "size"}
    )
    reader = _Reader(known)
    wanted = _read_filter(reader, report, person)
    sort = types.Sort(column=_sort_column(known, report), descending=known.get("order", "desc") != "asc")
    page = types.PageRequest(number=reader.number("page", 1, 10**9), size=reader.number("size", PAGE_SIZE, 10**9))
    page.size = min(page.size, LARGEST_PAGE)
    return Search(path, known, wanted, sort, page, reader.problems)


def _sort_column(known: MultiDict[str, str], report: str) -> str:
    names = {column.key for column in REPORTS[report] if column.is_sortable}
    column = known.get("sort", "date")
    return column if column in names else "date"


def read_day(arguments: Mapping[str, str], name: str, problems: dict[str, str]) -> str:
    """Return an ISO date, or an empty text; what cannot be read is noted under its name."""
    text = arguments.get(name, "").strip()
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        problems[name] = "Enter a date like 2026-11-14."
        return ""


class _Reader:
    """Reads single values, and collects what is wrong with them."""

    def __init__(self, arguments: MultiDict[str, str]) -> None:
        self.arguments = arguments
        self.problems: dict[str, str] = {}

    def day(self, name: str) -> str:
        return read_day(self.arguments, name, self.problems)

    def clock(self, name: str) -> str:
        text = self.arguments.get(name, "").strip()
        try:
            return f"{time.fromisoformat(text):%H:%M}" if text else ""
        except ValueError:
            self.problems[name] = "Enter a time like 08:30."
            return ""

    def number(self, name: str, default: int, most: int) -> int:
        text = self.arguments.get(name, "").strip()
        if text.isascii() and text.isdigit() and 0 < len(text) < 10:
            return min(max(1, int(text)), most)
        return default

    def is_ticked(self, name: str) -> bool:
        return self.arguments.get(name) == "1"


def _read_filter(reader: _Reader, report: str, person: Person) -> reports.Filter:
    found = reports.Filter(
        school_ids=reader.arguments.getlist("school"),
        start_date=reader.day("start"),
        end_date=reader.day("end"),
        start_time=reader.clock("from_time"),
        end_time=reader.clock("to_time"),
        channels=[_CHANNEL_OF[name] for name in reader.arguments.getlist("type") if name in _CHANNEL_OF],
        rules=list(_rules(reader, report)),
    )
    if report != "attendance":  # It has neither ticks nor senders (statement 123).
        found.is_secure, found.is_emergency = reader.is_ticked("secure"), reader.is_ticked("emergency")
        found.is_flagged = report == "history" and reader.is_ticked("flagged")
        _choose_senders(found, reader, person)
    return found


def _choose_senders(found: reports.Filter, reader: _Reader, person: Person) -> None:
    """All users unless the form was sent without the tick; then the ones named, else oneself (statements 34-36)."""
    may = person.may(Permission.VIEW_ALL_USERS)
    is_first_look = not reader.is_ticked("searched")
    senders = [each for each in reader.arguments.getlist("sender") if each]
    found.view_all_users = reader.is_ticked("all_users") or (may and is_first_look and not senders)
    if senders:
        found.sender_ids.extend(senders)
        found.view_all_users = found.view_all_users and may
    elif not found.view_all_users:
        found.sender_ids.append(person.person_id)


def _rules(reader: _Reader, report: str) -> Iterator[types.ColumnRule]:
    names = {column.key for column in REPORTS[report]}
    parts = [reader.arguments.getlist(f"rule_{part}") for part in ("column", "operator", "value")]
    for column, operator, value in list(zip(*parts, strict=False))[:_MOST_RULES]:
        if column not in names or operator not in OPERATORS:
            continue
        if not value.strip() and operator not in {"empty", "not_empty"}:
            continue
        if len(value) > _LONGEST_RULE:
            reader.problems["rules"] = f"A rule has at most {_LONGEST_RULE} characters."
            continue
        yield types.ColumnRule(column=column, operator=OPERATORS[operator][0], value=value.strip())


def refuse_problems(search: Search) -> None:
    """Raise InvalidArgument for what an address has wrong, for programs."""
    if search.problems:
        violations = [(f"/{name}", text) for name, text in search.problems.items()]
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=violations)
