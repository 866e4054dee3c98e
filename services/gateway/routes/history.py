"""Communication Reports › Communication History."""

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import safe_return, visible_schools
from services.gateway.searches import LARGEST_PAGE, Search, read_search
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

blueprint = Blueprint("history", __name__)
PATH = "/reports/history"


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


@blueprint.get(PATH)
@requires(Permission.COMMUNICATION_REPORTS)
def show() -> str:
    """Show the report, or the rows that the address asks for."""
    search = read_search(PATH, "history", request.args, person())
    return render_template(
        "history.html",
        search=search,
        answer=find(search),
        report="history",
        **showing.for_template("history"),
        schools=visible_schools(person()),
        senders=showing.senders(),
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def excel() -> Response:
    """Send every row of the search as a workbook (statements 213, 214)."""
    search = read_search(PATH, "history", request.args, person()).strict()
    table = reports.RecordExportRequest.TABLE_HISTORY
    exports.record(reports.RecordExportRequest(table=table, filter=search.filter))

    columns = showing.columns_of("history")
    return exports.workbook("communication-history", columns, exports.entries(table, search), exports.entry_value)


def set_flag(
    message_id: str, origin: "reports.SetFlagRequest.Origin.ValueType", *, is_flagged: bool
) -> reports.SetFlagResponse:
    """Set or clear a flag on all entries of a message."""
    wanted = reports.SetFlagRequest(message_id=str(message_id), is_flagged=is_flagged, origin=origin)
    with translated():
        answer: reports.SetFlagResponse = gateway().clients.reports.SetFlag(wanted)
    return answer


@blueprint.post(f"{PATH}/<uuid:message_id>/flag")
@requires(Permission.FLAG_MESSAGES)
def flag(message_id: str) -> BaseResponse:
    """Set or clear the admin flag of a message, on all its entries (statements 100-104)."""
    set_flag(message_id, reports.SetFlagRequest.ORIGIN_ADMIN, is_flagged=request.form.get("flagged") == "1")
    return redirect(safe_return(request.form.get("next", ""), PATH), 303)


@blueprint.get(f"{PATH}/live")
@requires(Permission.COMMUNICATION_REPORTS)
def live() -> Response | tuple[str, int]:
    """Stream the counts of the named entries whenever they move."""
    return showing.moving_counts()
