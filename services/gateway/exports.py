"""Workbooks of a table: every row of a search, the columns that are shown, cells that cannot run.

Each is recorded in the audit log before its rows are read (statement 244).
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

import xlsxwriter
from flask import Response, send_file
from google.protobuf.timestamp_pb2 import Timestamp

from protos.queue.v1 import contacts_pb2 as contacts
from protos.queue.v1 import families_pb2 as families
from protos.queue.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as reports
from services.gateway import recurring, words
from services.gateway.columns import Column
from services.gateway.searches import LARGEST_PAGE, Search
from services.gateway.state import gateway
from services.kit.errors import InvalidArgument
from services.kit.rpc_errors import translated

PAGE = LARGEST_PAGE
SECONDS = 55
"""How long the rows of a workbook may take."""
MOST_ROWS = 50_000
"""Rows of one workbook; a larger search is refused, since it would hold a thread for minutes."""
Page = Callable[[int], tuple[list[Any], int]]
"""Answers the rows of a page, from 1, and the number of pages."""
Value = Callable[[Any, str], Any]
"""Returns what a row says in a column: a number, or a text."""
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "default_date_format": "d mmm yyyy h:mm",
}


def workbook(name: str, columns: list[Column], rows: Iterable[Any], value_of: Value) -> Response:
    """Answer a workbook of rows."""
    content = BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        book = xlsxwriter.Workbook(content, {**_OPTIONS, "tmpdir": folder})
        sheet = book.add_worksheet(name[:31])
        sheet.freeze_panes(1, 1)
        sheet.write_row(0, 0, [column.title for column in columns], book.add_format({"bold": True}))
        for number, row in enumerate(rows, 1):
            for position, column in enumerate(columns):
                value = value_of(row, column.key)
                write = (
                    sheet.write_number if isinstance(value, int) and not isinstance(value, bool) else sheet.write_string
                )
                write(number, position, value)
        book.close()
    content.seek(0)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return send_file(content, kind, as_attachment=True, download_name=f"{name}.xlsx")


def record(export: reports.RecordExportRequest) -> None:
    """Write an export to the audit log, or raise: without its record nothing is exported."""
    with translated():
        gateway().clients.reports.RecordExport(export)


def check_size(rows: int) -> None:
    """Raise InvalidArgument for more rows than MOST_ROWS."""
    if rows > MOST_ROWS:
        raise InvalidArgument("EXPORT_TOO_LARGE", f"A workbook holds {MOST_ROWS:,} rows. Narrow the search.")


def paged(page: Page) -> Iterator[Any]:
    """Yield the rows of every page. InvalidArgument when there are more than MOST_ROWS.

    The pages are read one after the other: what comes meanwhile may be left out, and pushes no row out or in twice.
    Each row has an id of its own.
    """
    before, number, pages = set[bytes](), 0, 1
    while number < pages:
        number += 1
        rows, pages = page(number)
        check_size(pages * PAGE)
        said = [each.SerializeToString(deterministic=True) for each in rows]
        yield from (row for row, key in zip(rows, said, strict=True) if key not in before)
        before = set(said)


def entries(table: "reports.RecordExportRequest.Table.ValueType", search: Search) -> Iterator[reports.EntryRow]:
    """Yield every row of a report's search, all of one moment."""
    wanted = reports.ExportEntriesRequest(table=table, filter=search.filter, sort=search.sort)
    with translated():
        for piece in gateway().clients.reports.ExportEntries(wanted, timeout=SECONDS):
            yield from piece.rows


def told_at(stamp: Timestamp) -> str:
    """Return a time as cells say it; empty when there is none."""
    when = words.moment(stamp)
    return words.full_date(when, gateway().zone) if when else ""


def delivery_value(titles: Mapping[str, str]) -> Value:
    """Return what reads the cells of recipients, given the schools' titles by their id."""

    def value(each: queue.Delivery, key: str) -> str:
        values: dict[str, str] = {
            "last_update": told_at(each.last_update_at),
            "status": words.STATES[each.state].label if each.state in words.STATES else "",
            "type": words.CHANNELS[each.channel].label if each.channel in words.CHANNELS else "",
            "name": each.name,
            "destination": words.destinations(each.destination, each.channel),
            "school": titles.get(each.school_id, ""),
            "staff_id": each.staff_id,
            "regarding_student": each.regarding_student_name,
            "student_id": each.student_number,
            "message": "",
            "expiration": told_at(each.expires_at),
            "error": " ".join(part for part in (each.error, each.remedy, each.error_code) if part),
        }
        return values[key]

    return value


def received_value(titles: Mapping[str, str]) -> Value:
    """Return what reads the cells of what somebody received, given the schools' titles by their id."""
    of_delivery = delivery_value(titles)

    def value(each: families.ReceivedDelivery, key: str) -> str:
        own = {
            "date": told_at(each.sent_at),
            "from": each.sender_name,
            "message": each.subject,
        }
        return own[key] if key in own else str(of_delivery(each.delivery, key))

    return value


def threat_value(row: reports.EntryRow, key: str) -> Any:
    """Return what a cell of Threat Messages says; labels in place of the text, which an export must not carry."""
    if key == "message":
        labels = [f"{words.CATEGORIES.get(each.category, '')} {each.score:.2f}" for each in row.categories]
        return ", ".join([*labels, *filter(None, [words.TIERS.get(row.tier)])])
    return entry_value(row, key)


def entry_value(row: reports.EntryRow, key: str) -> Any:
    """Return what a cell of a report says."""
    counts = row.counts
    values: dict[str, Any] = {
        "date": told_at(row.sent_at),
        "type": words.CHANNELS[row.channel].label if row.channel in words.CHANNELS else "",
        "message": "Withheld by screening" if row.is_withheld else row.subject or row.text,
        "source": words.SOURCES.get(row.source, ""),
        "from": getattr(row, "from"),
        "to": row.to,
        "recipient_type": words.RECIPIENT_TYPES.get(row.recipient_type, ""),
        "regarding_student": _students(row),
        "total": counts.total,
        "sent": counts.sent,
        "pending": counts.pending + counts.held,
        "expired": counts.expired,
        "errors": counts.error,
        "duplicate": counts.duplicate,
        "withheld": counts.withheld,
        "cancelled": counts.cancelled,
        "opted_out": counts.opted_out,
        "secure": _tick(row.is_secure),
        "emergency": _tick(row.is_emergency),
        "flagged": _tick(row.is_flagged),
        "admin_flagged": _tick(row.is_admin_flagged),
        "referral": _tick(bool(row.referral_id)),
        "acknowledge": row.acknowledged_by,
        "decision": "Imported" if row.is_imported and not row.decision else words.DECIDED[row.decision].label,
    }
    return values[key]


def _students(row: reports.EntryRow) -> str:
    more = row.regarding_count - len(row.regarding)
    names = ", ".join(each.name for each in row.regarding) + (f" and {more:,} more" if more > 0 else "")
    return names or (words.HIDDEN_STUDENTS if row.hides_students else "")


def audit_value(row: reports.AuditRecord, key: str) -> str:
    """Return what a cell of the audit log says."""
    values = {
        "date": told_at(row.at),
        "who": row.actor_name or "Lantern",
        "what": words.ACTIONS.get(row.action, row.action),
        "message": row.message_id,
        "detail": row.detail,
    }
    return values[key]


def suppression_value(each: contacts.Suppression, key: str) -> str:
    """Return what a cell of what is not written to says."""
    values = {
        "since": told_at(each.at),
        "way": words.WAYS[each.channel],
        "destination": each.destination,
        "reason": words.SUPPRESSED.get(each.reason, each.reason),
        "code": each.code,
    }
    return values[key]


def referral_value(titles: Mapping[str, str]) -> Value:
    """Return what reads the cells of referrals, given the schools' titles by their id."""

    def value(row: reports.Referral, key: str) -> str:
        values = {
            "date": told_at(row.created_at),
            "student": row.student_name,
            "school": titles.get(row.school_id, ""),
            "why": words.REFERRAL_REASONS[row.reason].label if row.reason in words.REFERRAL_REASONS else "",
            "told": ", ".join(each.name for each in row.told),
            "added_by": row.created_by.name,
        }
        return values[key]

    return value


def schedule_value(row: reports.ScheduleRow, key: str) -> str:
    """Return what a cell of Scheduled Messages says."""
    values = {
        "start_date": words.iso_day(row.start_date),
        "sent_time": words.clock(row.send_time),
        "recursion": recurring.in_words(row.rule),
        "next_send_date": told_at(row.next_at) or _paused(row),
        "end_date": words.iso_day(row.end_date),
        "created_by": row.sender_name,
        "type": ", ".join(words.CHANNELS[each].label for each in row.channels if each in words.CHANNELS),
        "emergency": _tick(row.is_emergency),
    }
    return values[key]


def _paused(row: reports.ScheduleRow) -> str:
    """Return that a schedule is paused, and why if it did so by itself."""
    said = f"Paused: {row.pause_reason}" if row.pause_reason else "Paused"
    return said if row.is_paused else ""


def _tick(is_set: bool) -> str:
    return "Yes" if is_set else ""
