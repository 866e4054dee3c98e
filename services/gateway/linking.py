"""Addresses and values that templates ask for: sorts, pages, counts, choices."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from protos.directory.v1 import directory_pb2 as directory
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Person
from services.gateway.column_rules import OPERATORS, in_words
from services.gateway.searches import Search
from services.gateway.words import CALL_OUT, CHANNELS

TITLES = {
    "total": "in total",
    "sent": "sent",
    "pending": "pending",
    "expired": "expired",
    "errors": "errors",
    "duplicate": "duplicates",
    "withheld": "withheld",
    "cancelled": "cancelled",
    "opted_out": "opted out",
}
"""What each count says, in the middle of a sentence."""


class Flags:
    """What the Admin Flagged cell offers."""

    READ_ONLY = reports.FLAG_CONTROL_READ_ONLY
    EDITABLE = reports.FLAG_CONTROL_EDITABLE
    HIDDEN = reports.FLAG_CONTROL_HIDDEN
    LOCKED = reports.FLAG_CONTROL_LOCKED


def counts_of(row: reports.EntryRow) -> dict[str, int]:
    """Return the counts of a row by the key of their column; what awaits screening is pending (statement 62)."""
    counts = row.counts
    return {
        "total": counts.total,
        "sent": counts.sent,
        "pending": counts.pending + counts.held,
        "expired": counts.expired,
        "errors": counts.error,
        "duplicate": counts.duplicate,
        "withheld": counts.withheld,
        "cancelled": counts.cancelled,
        "opted_out": counts.opted_out,
    }


def live_address(path: str, rows: Sequence[reports.EntryRow]) -> str:
    """Return where the counts of these rows are streamed from; empty for no rows."""
    return f"{path}/live?{urlencode([('id', row.entry_id) for row in rows])}" if rows else ""


def sort_link(search: Search) -> Callable[[str, str], str]:
    """Return what makes the address of a sort, back on the first page."""
    return lambda column, order: search.link(sort=column, order=order, page=None)


def page_link(search: Search) -> Callable[[int], str]:
    """Return what makes the address of a page."""
    return lambda number: search.link(page=number)


def school_choices(schools: Sequence[directory.School], kept: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return schools as choices; `kept` ones that are not among them stay, so that no form drops what it names."""
    offered = [(each.school_id, each.title) for each in schools]
    known = {school_id for school_id, _ in offered}
    return offered + [(each, "a school that you do not see") for each in dict.fromkeys(kept) if each not in known]


def sender_choices(senders: Sequence[reports.SenderName]) -> list[tuple[str, str]]:
    """Return senders as choices of the User filter."""
    return [(each.sender_id, each.name) for each in senders]


def type_choices(person: Person) -> list[tuple[str, str]]:
    """Return the channels that the Type filter offers: no texts and calls where they are off (statement 13)."""
    offered = [choice for channel, choice in CHANNELS.items() if person.has_call_out or channel not in CALL_OUT]
    return [(choice.value, choice.label) for choice in offered]


def grade_choices(grades: Sequence[str]) -> list[tuple[str, str]]:
    """Return grades as choices of a filter: "KG" reads Kindergarten, "01" reads 1."""
    return [(each, "Kindergarten" if each == "KG" else each.lstrip("0") or each) for each in grades]


TEMPLATE_NAMES: dict[str, Any] = {
    "titles": TITLES,
    "FLAG": Flags,
    "RECORDED": types.CHANNEL_RECORDED,
    "RELEASED": types.THREAT_DECISION_RELEASED,
    "SIGNUP": types.CHANNEL_SIGNUP,
    "operators": OPERATORS,
    "counts_of": counts_of,
    "live_address": live_address,
    "sort_link": sort_link,
    "page_link": page_link,
    "rule_values": in_words,
    "school_choices": school_choices,
    "sender_choices": sender_choices,
    "grade_choices": grade_choices,
    "type_choices": type_choices,
}
