"""What a person chose for themselves: the columns that they hide, the school that they work in."""

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from services.gateway import sessions, store
from services.gateway.access import Permission
from services.gateway.auth import COOKIE, requires
from services.gateway.columns import REPORTS
from services.gateway.database import transaction
from services.gateway.pages import safe_return
from services.gateway.state import gateway, person
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied

blueprint = Blueprint("preferences", __name__)


def hide(report: str, wanted: list[str]) -> list[str]:
    """Keep the columns that the signed-in person wants to see; return the hidden ones (statements 217, 218)."""
    columns = REPORTS.get(report)
    if columns is None:
        raise NotFound("REPORT_UNKNOWN", "There is no such report.")
    if not any(column.key in wanted for column in columns):
        raise InvalidArgument("COLUMNS_EMPTY", "Keep at least one column.", violations=[("/columns", "Tick one.")])
    hidden = [column.key for column in columns if column.key not in wanted]
    with transaction(gateway().engine) as connection:
        store.set_hidden_columns(connection, person().person_id, report, hidden)
    return hidden


@blueprint.post("/preferences/columns/<report>")
@requires(Permission.SIGNED_IN)
def columns(report: str) -> Response:
    """Keep the choice of the Toggle Columns form."""
    hide(report, request.form.getlist("column"))
    return redirect(safe_return(request.form.get("next", ""), "/"), 303)


def work_in(school_id: str) -> None:
    """Choose the school that the signed-in person works in for the rest of the session (statement 232)."""
    if school_id not in person().school_ids:
        raise PermissionDenied("SCHOOL_NOT_YOURS", "You do not belong to this school.")
    sessions.work_in(gateway().engine, request.cookies.get(COOKIE, ""), school_id)


@blueprint.post("/preferences/school")
@requires(Permission.SIGNED_IN)
def school() -> Response:
    """Keep the choice of the school switcher."""
    work_in(request.form.get("school", ""))
    return redirect(safe_return(request.form.get("next", ""), "/"), 303)
