"""Communication Reports › Attendance: the messages of the attendance rules (section J)."""

from flask import Blueprint, Response, render_template, request

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import visible_schools
from services.gateway.searches import Search, read_search
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

blueprint = Blueprint("attendance", __name__)
PATH = "/reports/attendance"


def find(search: Search) -> reports.SearchAttendanceResponse:
    """Ask reports for a page of rows; an address with mistakes finds nothing."""
    if search.problems:
        return reports.SearchAttendanceResponse()
    wanted = reports.SearchAttendanceRequest(filter=search.filter, sort=search.sort, page=search.page)
    with translated():
        answer: reports.SearchAttendanceResponse = gateway().clients.reports.SearchAttendance(wanted)
    return answer


@blueprint.get(PATH)
@requires(Permission.COMMUNICATION_REPORTS)
def show() -> str:
    """Show the report, or the rows that the address asks for."""
    search = read_search(PATH, "attendance", request.args, person())
    return render_template(
        "attendance.html",
        search=search,
        answer=find(search),
        report="attendance",
        **showing.for_template("attendance"),
        schools=visible_schools(person()),
        senders=[],
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def excel() -> Response:
    """Send every row of the search as a workbook (statements 213, 214)."""
    search = read_search(PATH, "attendance", request.args, person()).strict()
    table = reports.RecordExportRequest.TABLE_ATTENDANCE
    exports.record(reports.RecordExportRequest(table=table, filter=search.filter))

    columns = showing.columns_of("attendance")
    return exports.workbook("attendance", columns, exports.entries(table, search), exports.entry_value)


@blueprint.get(f"{PATH}/live")
@requires(Permission.COMMUNICATION_REPORTS)
def live() -> Response | tuple[str, int]:
    """Stream the counts of the named entries whenever they move."""
    return showing.moving_counts(is_attendance=True)
