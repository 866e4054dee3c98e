"""Communication Reports › Communication History."""

from collections.abc import Iterator

from flask import Blueprint, Response, json, redirect, render_template, request, stream_with_context
from werkzeug.wrappers import Response as BaseResponse

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import exports, store
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.columns import REPORTS, default_hidden, shown
from services.gateway.database import transaction
from services.gateway.linking import counts_of
from services.gateway.live import event_stream
from services.gateway.pages import safe_return, visible_schools
from services.gateway.searches import LARGEST_PAGE, Search, read_search, refuse_problems
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

blueprint = Blueprint("history", __name__)
PATH = "/reports/history"
_MOST_LIVE = 500


def hidden_columns(report: str) -> list[str]:
    """Return the columns that the signed-in person hides in the report (statement 218)."""
    with transaction(gateway().engine) as connection:
        chosen = store.hidden_columns(connection, person().person_id, report)
    return default_hidden(report) if chosen is None else chosen


def find(search: Search) -> reports.SearchHistoryResponse:
    """Ask reports for a page of rows; an address with mistakes finds nothing."""
    if search.problems:
        return reports.SearchHistoryResponse()
    request_ = reports.SearchHistoryRequest(filter=search.filter, sort=search.sort, page=search.page)
    with translated():
        answer: reports.SearchHistoryResponse = gateway().clients.reports.SearchHistory(request_)
    return answer


def by_message(message_ids: list[str]) -> dict[str, reports.EntryRow]:
    """Return those of anybody's messages that this person sees, by their ids; needs View All Users."""
    if not message_ids:
        return {}
    page = types.PageRequest(size=LARGEST_PAGE)
    filter_ = reports.Filter(message_ids=message_ids, view_all_users=True)
    with translated():
        rows = gateway().clients.reports.SearchHistory(reports.SearchHistoryRequest(filter=filter_, page=page)).rows
    return {row.message_id: row for row in rows}


def senders_for(search: Search) -> list[reports.SenderName]:
    """Return the senders that the User filter offers (statements 6, 33)."""
    if not person().may(Permission.VIEW_ALL_USERS):
        return []
    with translated():
        answer = gateway().clients.reports.ListSenders(reports.ListSendersRequest())
    return list(answer.senders)


@blueprint.get(PATH)
@requires(Permission.COMMUNICATION_REPORTS)
def show() -> str:
    """Show the report, or the rows that the address asks for."""
    search = read_search(PATH, "history", request.args, person())
    hidden = hidden_columns("history")
    return render_template(
        "history.html",
        search=search,
        answer=find(search),
        report="history",
        columns=shown("history", hidden),
        all_columns=REPORTS["history"],
        hidden=hidden,
        schools=visible_schools(person()),
        senders=senders_for(search),
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def excel() -> Response:
    """Send every row of the search as a workbook (statements 213, 214)."""
    search = read_search(PATH, "history", request.args, person())
    refuse_problems(search.problems)
    table = reports.RecordExportRequest.TABLE_HISTORY
    exports.record(reports.RecordExportRequest(table=table, filter=search.filter))

    columns = shown("history", hidden_columns("history"))
    return exports.workbook("communication-history", columns, exports.entries(table, search), exports.entry_value)


@blueprint.post(f"{PATH}/<uuid:message_id>/flag")
@requires(Permission.FLAG_MESSAGES)
def flag(message_id: str) -> BaseResponse:
    """Set or clear the admin flag of a message, on all its entries (statements 100-104)."""
    wanted = reports.SetFlagRequest(
        message_id=str(message_id),
        is_flagged=request.form.get("flagged") == "1",
        origin=reports.SetFlagRequest.ORIGIN_ADMIN,
    )
    with translated():
        gateway().clients.reports.SetFlag(wanted)
    return redirect(safe_return(request.form.get("next", ""), PATH), 303)


@blueprint.get(f"{PATH}/live")
@requires(Permission.COMMUNICATION_REPORTS)
def live() -> Response | tuple[str, int]:
    """Stream the counts of the named entries whenever they move."""
    return moving_counts()


def moving_counts(*, is_attendance: bool = False) -> Response | tuple[str, int]:
    """Answer a stream of the counts of the entries that the address names; 204 when it names none."""
    wanted = reports.WatchEntriesRequest(entry_ids=request.args.getlist("id")[:_MOST_LIVE], is_attendance=is_attendance)
    if not wanted.entry_ids:
        return "", 204
    call = gateway().clients.reports.WatchEntries(wanted, timeout=55)

    def moved() -> Iterator[str]:
        for answer in call:
            yield json.dumps({row.entry_id: counts_of(row) for row in answer.rows})

    return event_stream("counts", stream_with_context(moved()), call.cancel)
