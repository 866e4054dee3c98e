"""Communication Reports › Scheduled Messages: upcoming and recurring messages (section K)."""

from flask import Blueprint, Response, render_template, request

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.columns import REPORTS
from services.gateway.searches import Search, read_search
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

blueprint = Blueprint("scheduled", __name__)
PATH = "/reports/scheduled"
_COLUMNS = {column.key for column in REPORTS["scheduled"]}


def _read() -> Search:
    """Return the search of the address; the next to go out comes first."""
    search = read_search(PATH, "scheduled", request.args, person())
    column = request.args.get("sort", "")
    search.sort.column = column if column in _COLUMNS else "next_send_date"
    search.sort.descending = request.args.get("order") == "desc"
    return search


def _find(search: Search) -> reports.SearchSchedulesResponse:
    """Ask reports for a page; an address with mistakes finds nothing."""
    if search.problems:
        return reports.SearchSchedulesResponse()
    wanted = reports.SearchSchedulesRequest(
        start_date=search.filter.start_date,
        end_date=search.filter.end_date,
        sender_ids=search.filter.sender_ids,
        view_all_users=search.filter.view_all_users,
        rules=search.filter.rules,
        sort=search.sort,
        page=search.page,
    )
    with translated():
        answer: reports.SearchSchedulesResponse = gateway().clients.reports.SearchSchedules(wanted)
    return answer


@blueprint.get(PATH)
@requires(Permission.COMMUNICATION_REPORTS)
def show() -> str:
    """Show what is scheduled."""
    search = _read()
    return render_template(
        "scheduled.html",
        search=search,
        answer=_find(search),
        report="scheduled",
        **showing.for_template("scheduled"),
        senders=showing.senders(),
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def excel() -> Response:
    """Send every row of the search as a workbook (statements 213, 214)."""
    search = _read().strict()
    table = reports.RecordExportRequest.TABLE_SCHEDULED
    exports.record(reports.RecordExportRequest(table=table, filter=search.filter))

    def page(number: int) -> tuple[list[reports.ScheduleRow], int]:
        search.page.number, search.page.size = number, exports.PAGE
        answer = _find(search)
        return list(answer.rows), answer.page.total_pages

    columns = showing.columns_of("scheduled")
    return exports.workbook("scheduled-messages", columns, exports.paged(page), exports.schedule_value)
