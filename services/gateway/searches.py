"""A search as its address: filters, column rules, sort and page, read strictly and written back into links."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Self
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import column_rules
from services.gateway.access import Permission, Person
from services.gateway.column_rules import read_rules
from services.gateway.columns import REPORTS
from services.gateway.parameters import Choice, Clock, Day, Number, Parameter, Text, Tick
from services.gateway.words import CHANNELS
from services.kit.errors import InvalidArgument
from services.kit.rules import read_day as day_of

PAGE_SIZE = 20
LARGEST_PAGE = 500
CHANNEL_OF = {choice.value: channel for channel, choice in CHANNELS.items()}
"""Channels by their names in addresses."""
PAGE = Number("page", "Which page.")
SIZE = Number("size", "Rows of a page.", most=LARGEST_PAGE, default=PAGE_SIZE)
TYPE = Choice("type", "Ways that a message goes.", times=0, words=tuple(CHANNEL_OF))
START = Day("start", "First day.")
END = Day("end", "Last day.")
_FILTERS = (
    TYPE,
    Parameter("school", "Schools, by their ids.", times=0),
    START,
    END,
    Clock("from_time", "From what time of each day."),
    Clock("to_time", "Until what time of each day; before `from_time`: of the next day."),
)
_SENDERS = (
    Tick("secure", "Secure messages alone."),
    Tick("emergency", "Emergency messages alone."),
    Parameter("sender", "Whose messages, by the ids of people.", times=0),
    Tick("all_users", "Messages of all users; so it is without `sender` and `searched` for who may see them."),
    Tick("searched", "Sent with the filters of a form: without `all_users`, one's own messages then."),
)
_FLAGGED = Tick("flagged", "Flagged messages alone.")
_MESSAGE = Text("message", "Certain messages, by their ids.", times=0, most=36)
_OWN = {"attendance": (), "history": (*_SENDERS, _FLAGGED), "threats": (*_SENDERS, _MESSAGE)}
"""Filters that not all reports have. Attendance has neither ticks nor senders (statement 123); the link of an alert
leads to one message."""
_FILTER_KEYS = {*(each.name for each in (*_FILTERS, *_SENDERS, _FLAGGED)), *column_rules.PARTS}
_OWN_KEYS = {"threats": (_MESSAGE.name,)}


def parameters(report: str) -> tuple[Parameter, ...]:
    """Return what the address of a report may ask for: `history`, `attendance` or `threats`."""
    columns = [column.key for column in REPORTS[report] if column.is_sortable]
    sort = (
        Choice("sort", "Column to sort by.", words=columns, default="date"),
        Choice("order", "Of the sort.", words=("asc", "desc"), default="desc"),
    )
    return (*_FILTERS, *_OWN[report], *column_rules.parameters(report), *sort, PAGE, SIZE)


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

    def strict(self) -> Self:
        """Return the same; InvalidArgument for what cannot be read, where no page says it."""
        refuse_problems(self.problems)
        return self

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
    keys = {*_FILTER_KEYS, *_OWN_KEYS.get(report, ()), "sort", "order", "page", "size"}
    known = MultiDict((k, v) for k, v in arguments.items(multi=True) if k in keys)
    reader = _Reader(known)
    wanted = _read_filter(reader, report, person)
    sort = types.Sort(column=_sort_column(known, report), descending=known.get("order", "desc") != "asc")
    page = types.PageRequest(number=read_number(known, PAGE), size=read_number(known, SIZE))
    return Search(path, known, wanted, sort, page, reader.problems)


def _sort_column(known: MultiDict[str, str], report: str) -> str:
    names = {column.key for column in REPORTS[report] if column.is_sortable}
    column = known.get("sort", "date")
    return column if column in names else "date"


def read_day(arguments: Mapping[str, str], name: str, problems: dict[str, str]) -> str:
    """Return an ISO date, or an empty text; what cannot be read is noted under its name."""
    text = arguments.get(name, "").strip()
    found = day_of(text) if text else None
    if text and found is None:
        problems[name] = "Enter a date like 2026-11-14."
    return found.isoformat() if found else ""


def read_number(arguments: Mapping[str, str], asked: Number) -> int:
    """Return a whole number within what is asked for; the default for what is none."""
    number = whole(arguments.get(asked.name, ""), -1)
    return asked.default if number < 0 else min(max(asked.least, number), asked.most)


def whole(text: str, default: int = 0) -> int:
    """Return a whole number of at most nine digits, which a field of a contract holds; the default for what is none."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else default


def read_types(arguments: MultiDict[str, str], problems: dict[str, str]) -> list["types.Channel.ValueType"]:
    """Return the channels that `type` names, all that are known; others are noted, with those that there are."""
    names = [each for each in arguments.getlist("type") if each]
    if not set(names) <= CHANNEL_OF.keys():
        problems["type"] = f"Choose among {', '.join(CHANNEL_OF)}."
    return [CHANNEL_OF[each] for each in names if each in CHANNEL_OF]


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

    def is_ticked(self, name: str) -> bool:
        return self.arguments.get(name) == "1"


def _read_filter(reader: _Reader, report: str, person: Person) -> reports.Filter:
    rules, wrong = read_rules(reader.arguments, report)
    if wrong:
        reader.problems["rules"] = wrong
    found = reports.Filter(
        school_ids=reader.arguments.getlist("school"),
        start_date=reader.day("start"),
        end_date=reader.day("end"),
        start_time=reader.clock("from_time"),
        end_time=reader.clock("to_time"),
        channels=read_types(reader.arguments, reader.problems),
        rules=rules,
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


def refuse_problems(problems: Mapping[str, str]) -> None:
    """Raise InvalidArgument for what an address has wrong, for programs."""
    if problems:
        violations = [(f"/{name}", text) for name, text in problems.items()]
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=violations)
