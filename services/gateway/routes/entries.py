"""Dialogs of an entry, each at an address of its own: the record, its recipients, its errors, its message."""

from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from protos.queue.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import audio, exports, results, showing, steering
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.columns import REPORTS
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.pages import school_titles
from services.gateway.parameters import Choice, Number, Text
from services.gateway.searches import Search, read_number, read_search
from services.gateway.state import gateway, person
from services.gateway.words import SURVEYS
from services.kit.errors import NotFound
from services.kit.rpc_errors import translated

blueprint = Blueprint("entries", __name__)
ENTRIES = "/reports/<any(history, attendance):report>/entries"
"""Where the entries of both reports are: each opens in the report that it was found in."""
STATES = {
    "sent": [types.DELIVERY_STATE_SENT],
    "pending": [
        types.DELIVERY_STATE_HELD,
        types.DELIVERY_STATE_PENDING,
        types.DELIVERY_STATE_CLAIMED,
        types.DELIVERY_STATE_HANDED_OFF,
    ],
    "expired": [types.DELIVERY_STATE_EXPIRED],
    "errors": [types.DELIVERY_STATE_ERROR],
    "duplicate": [types.DELIVERY_STATE_DUPLICATE],
    "withheld": [types.DELIVERY_STATE_WITHHELD],
    "cancelled": [types.DELIVERY_STATE_CANCELLED],
    "opted_out": [types.DELIVERY_STATE_OPTED_OUT],
}
"""States that a column counts; its number opens exactly these rows (statement 95)."""
UNANSWERED = "unanswered"
"""In place of a state: those who have chosen nothing of what a poll or a sign-up asks."""
REPORT = Choice("report", "As a row of which report.", words=("history", "attendance"), default="history")
STATE = Choice("state", "Recipients in one state; unanswered: who has not answered.", words=(*STATES, UNANSWERED))
QUERY = Text("q", "Part of a name or a destination.")
PLACE = Place("recipients", "", "d", ("last_update", "desc"))
"""The recipients of an entry."""
_AT = Number("at", "Place in the list.")
_NUMBER = Number("number", "Recipient, by number.", most=1_000_000, default=0)


class Deliveries(NamedTuple):
    """A page of recipients, and how it was asked for."""

    answer: queue.ListDeliveriesResponse
    listing: Listing
    state: str
    """Key of STATES, UNANSWERED, or empty for all."""
    query: str
    """Part of a name or destination that was searched for."""

    @property
    def is_narrowed(self) -> bool:
        """Whether a search or rules leave out some of the state's rows."""
        return bool(self.query or self.listing.rules)


def search_of(report: str) -> Search:
    """Return the search of a report that a dialog was opened from."""
    return read_search(f"/reports/{report}", report, request.args, person())


def _table(report: str, *, is_errors: bool) -> str:
    """Return the name of a recipients table: Attendance has its own (statements 129, 219)."""
    name = "errors" if is_errors else "recipients"
    return f"attendance-{name}" if report == "attendance" else name


def read_deliveries(table: str, base: str, search: Search | None = None) -> Listing:
    """Return what the address asks of a recipients table (sections F and H)."""
    own = [(each.name, each.read(request.args)) for each in (STATE, QUERY)]
    kept = list(search.arguments.items(multi=True)) if search else []
    return read_listing(replace(PLACE, table=table, base=base, kept=kept, own=own), request.args)


def ask_deliveries(entry_id: str, listing: Listing) -> Deliveries:
    """Return the recipients that a listing asks for; none when it has problems."""
    own = dict(listing.place.own)
    answer = queue.ListDeliveriesResponse()
    if not listing.problems:
        with translated():
            answer = gateway().clients.queue.ListDeliveries(_wanted(entry_id, listing))
    return Deliveries(answer, listing, own["state"], own["q"])


def _wanted(entry_id: str, listing: Listing) -> queue.ListDeliveriesRequest:
    own = dict(listing.place.own)
    wanted = queue.ListDeliveriesRequest(
        entry_id=entry_id,
        states=STATES.get(own["state"], []),
        is_unanswered=own["state"] == UNANSWERED,
        query=own["q"],
        rules=listing.rules,
        sort=listing.sort,
        page=listing.page,
    )
    if listing.concerns("school"):
        wanted.school_titles.update(school_titles())
    return wanted


def get_entry(entry_id: str, report: str = "history", search: Search | None = None) -> reports.GetEntryResponse:
    """Return an entry of a report, with its neighbours under a search. NotFound outside the viewer's scope."""
    wanted = reports.GetEntryRequest(entry_id=entry_id, is_attendance=report == "attendance")
    if search is not None:
        wanted.filter.CopyFrom(search.filter)
        wanted.sort.CopyFrom(search.sort)
    with translated():
        answer: reports.GetEntryResponse = gateway().clients.reports.GetEntry(wanted)
    return answer


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>")
@requires(Permission.COMMUNICATION_REPORTS)
def record(report: str, entry_id: str) -> str:
    """Show one entry in full, with arrows through the search it was opened from (statement 222)."""
    search = search_of(report)
    answer = get_entry(str(entry_id), report, search)
    managed = steering.managed(answer.row.message_id, person()) if answer.row.counts.pending else None
    return render_template("record.html", answer=answer, row=answer.row, search=search, report=report,
                           columns=REPORTS[report], back=search.link(), waiting=steering.waiting(managed))  # fmt: skip


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>/recipients")
@requires(Permission.COMMUNICATION_REPORTS)
def recipients(report: str, entry_id: str) -> str:
    """Show the recipients of an entry, or those in one state."""
    search = search_of(report)
    row = get_entry(str(entry_id), report).row
    table = _table(report, is_errors=request.args.get("state") == "errors")
    base = f"{search.path}/entries/{entry_id}"
    found = ask_deliveries(str(entry_id), read_deliveries(table, f"{base}/recipients", search))
    # Whoever resends does so to the whole state, so that it is not offered beside a part of it.
    is_whole = found.state in steering.RESENDABLE and not found.is_narrowed and bool(found.answer.deliveries)
    return render_template(
        "recipients.html",
        row=row,
        found=found,
        report=table,
        **showing.for_template(table),
        school_titles=school_titles(),
        search=search,
        back=search.link(),
        message_base=f"{base}/message",
        resend_base=f"{base}/resend",
        ways=steering.ways(str(entry_id), person()) if is_whole else steering.Ways(),
    )


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>/recipients/record")
@requires(Permission.COMMUNICATION_REPORTS)
def recipient(report: str, entry_id: str) -> str:
    """Show one recipient in full, with arrows through the list (statements 83, 84)."""
    search = search_of(report)
    table = _table(report, is_errors=request.args.get("state") == "errors")
    base = f"{search.path}/entries/{entry_id}/recipients"
    return show_recipient(get_entry(str(entry_id), report).row, read_deliveries(table, base, search), search)


def show_recipient(row: reports.EntryRow, listing: Listing, search: Search) -> str:
    """Show the recipient at the place `at` of a list. NotFound past its end."""
    place = read_number(request.args, _AT)
    found = ask_deliveries(row.entry_id, listing.at(place, 1))
    if not found.answer.deliveries or found.answer.page.number != place:
        raise NotFound("RECIPIENT_NOT_FOUND", "The list has no such row any more.")
    return render_template(
        "recipient.html",
        row=row,
        each=found.answer.deliveries[0],
        total=found.answer.page.total_rows,
        listing=listing,
        place=place,
        report=listing.place.table,
        columns=REPORTS[listing.place.table],
        school_titles=school_titles(),
        search=search,
        back=search.link(),
        is_original=is_original(),
        here=here,
    )


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>/recipients/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def recipients_excel(report: str, entry_id: str) -> Response:
    """Send the recipients as a workbook (statement 213)."""
    tables = reports.RecordExportRequest
    table = tables.TABLE_ATTENDANCE_RECIPIENTS if report == "attendance" else tables.TABLE_RECIPIENTS
    return export_deliveries(str(entry_id), table, _table(report, is_errors=request.args.get("state") == "errors"))


def export_deliveries(entry_id: str, table: "reports.RecordExportRequest.Table.ValueType", report: str) -> Response:
    """Send every recipient that the address asks for, on whatever page, as a workbook."""
    listing = read_deliveries(report, "").strict()
    state, filter_ = dict(listing.place.own)["state"], reports.Filter(rules=listing.rules)
    exports.record(reports.RecordExportRequest(table=table, entry_id=entry_id, state=state, filter=filter_))

    columns = [each for each in showing.columns_of(report) if each.key != "message"]
    titles = school_titles()
    with translated():
        wanted = queue.ExportDeliveriesRequest(deliveries=_wanted(entry_id, listing))
        pieces = gateway().clients.queue.ExportDeliveries(wanted, timeout=exports.SECONDS)
        rows = (each for piece in pieces for each in piece.deliveries)
        return exports.workbook(report, columns, rows, exports.delivery_value(titles))


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>/message")
@requires(Permission.COMMUNICATION_REPORTS)
def message(report: str, entry_id: str) -> str:
    """Show the whole message as it was sent (statement 86)."""
    search = search_of(report)
    answer = get_entry(str(entry_id), report)
    if answer.row.channel in SURVEYS and not answer.row.is_withheld:
        listing = results.read(f"{search.path}/entries/{entry_id}/message", search, results.CHART.read(request.args))
        return render_template(
            "results.html",
            row=answer.row,
            text=answer.text,
            search=search,
            back=search.link(),
            results=results.ask(str(entry_id), listing),
            **showing.for_template("answers"),
            charts=results.CHARTS,
            unanswered=search.link(f"{search.path}/entries/{entry_id}/recipients", state=UNANSWERED),
        )
    is_recorded = answer.row.channel == types.CHANNEL_RECORDED
    recording = audio.open_entry(str(entry_id)) if is_recorded else None
    return render_template(
        "message.html",
        report=report,
        one=_one(str(entry_id)),
        recipients=search.link(f"{search.path}/entries/{entry_id}/recipients"),
        row=answer.row,
        text=answer.text,
        back=search.link(),
        is_recorded=is_recorded,
        recording=recording,
        is_original=is_original(),
        here=here,
    )


def is_original() -> bool:
    """Tell whether the address asks for what was written in place of its translation (statement 81)."""
    return request.args.get("original") == "1"


def here(original: str | None) -> str:
    """Return this page's address with what was written, or with the translation."""
    parts = [(key, value) for key, value in request.args.items(multi=True) if key != "original"]
    parts += [("original", original)] if original else []
    return f"{request.path}?{urlencode(parts)}" if parts else request.path


def _one(entry_id: str) -> queue.Delivery | None:
    """Return the recipient whom the address names by number, with what they read; None when it names nobody."""
    number = read_number(request.args, _NUMBER)
    if not number:
        return None
    with translated():
        wanted = queue.ListDeliveriesRequest(entry_id=entry_id, number=number)
        found = gateway().clients.queue.ListDeliveries(wanted).deliveries
    return next((each for each in found if each.text), None)
