"""Quiet hours of schools: when texts, calls and push wait until the morning (statement 307)."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.directory.v1 import directory_pb2 as directory
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import visible_schools
from services.gateway.problems import wrong_fields
from services.gateway.state import gateway, person
from services.kit.errors import FailedPrecondition, InvalidArgument
from services.kit.rpc_errors import translated

blueprint = Blueprint("quiet_hours", __name__)
PATH = "/quiet-hours"


@blueprint.get(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def show() -> str:
    """Show the quiet hours of every school in sight."""
    return _page()


@blueprint.post(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def change() -> Response | tuple[str, int]:
    """Set or end the quiet hours of one school."""
    is_ended = request.form.get("step") == "end"
    wanted = directory.SetQuietHoursRequest(school_id=request.form.get("school", "")[:36])
    if not is_ended:
        wanted.quiet_from, wanted.quiet_until = request.form.get("from", "")[:5], request.form.get("until", "")[:5]
    try:
        if not (is_ended or wanted.quiet_from or wanted.quiet_until):
            text = "Enter a time like 21:00."
            wrong = [("/quiet_from", text), ("/quiet_until", text)]
            raise InvalidArgument("QUIET_HOURS_INVALID", "The quiet hours are not in order.", violations=wrong)
        with translated():
            gateway().clients.directory.SetQuietHours(wanted)
    except (InvalidArgument, FailedPrecondition) as problem:
        return _page(wanted, problem), 400 if isinstance(problem, InvalidArgument) else 409
    return redirect(PATH, 303)


def _page(
    asked: directory.SetQuietHoursRequest | None = None,
    problem: InvalidArgument | FailedPrecondition | None = None,
) -> str:
    return render_template(
        "quiet_hours.html",
        schools=visible_schools(person()),
        asked=asked,
        problem=problem,
        wrong=wrong_fields(problem),
    )
