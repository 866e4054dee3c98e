"""A schedule's own page: what it sends and when, and its editing, pausing and ending."""

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response

from services.gateway import recurring, scheduling
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import safe_return
from services.gateway.problems import wrong_fields
from services.gateway.routes.compose import page
from services.gateway.state import person
from services.gateway.words import moment
from services.kit.errors import FailedPrecondition, InvalidArgument, ServiceError

blueprint = Blueprint("schedules", __name__)
_READERS = (Permission.SEND_MESSAGES, Permission.COMMUNICATION_REPORTS)


@blueprint.get("/schedules/<uuid:schedule_id>")
@requires(*_READERS)
def show(schedule_id: str) -> str:
    """Show a schedule."""
    return _page(str(schedule_id))


def _page(schedule_id: str, problem: ServiceError | None = None) -> str:
    answer = scheduling.get(schedule_id)
    schedule = answer.schedule
    return render_template(
        "schedule.html",
        answer=answer,
        schedule=schedule,
        problem=problem,
        state=scheduling.STATES.get(schedule.state, ""),
        recursion=recurring.in_words(schedule.timing.rule),
        may_edit=scheduling.may_edit(schedule) and person().may(Permission.SEND_MESSAGES),
        may_stop=person().may(Permission.SEND_MESSAGES),
        back=safe_return(request.args.get("back", ""), ""),
    )


@blueprint.get("/schedules/<uuid:schedule_id>/edit")
@requires(Permission.SEND_MESSAGES)
def edit(schedule_id: str) -> str:
    """Open the composer with what the schedule sends."""
    answer = scheduling.get(str(schedule_id))
    schedule = answer.schedule
    if not scheduling.may_edit(schedule):
        abort(404)
    draft = scheduling.draft_of(schedule)
    return page(draft, upcoming=[each for each in map(moment, answer.upcoming) if each])


@blueprint.post("/schedules/<uuid:schedule_id>/<any(pause, resume, cancel):verb>")
@requires(Permission.SEND_MESSAGES)
def move(schedule_id: str, verb: str) -> Response | tuple[str, int]:
    """Pause, resume or end a schedule."""
    try:
        scheduling.move(str(schedule_id), verb)
    except FailedPrecondition as problem:
        return _page(str(schedule_id), problem), 409
    return redirect(safe_return(request.form.get("next", ""), f"/schedules/{schedule_id}"), 303)


@blueprint.get("/compose/sendings")
@requires(Permission.SEND_MESSAGES)
def sendings() -> str:
    """Show the next sendings of what the editor holds at this moment, while it is filled in."""
    when = recurring.read_when(request.args)
    upcoming, wrong = [], {}
    try:
        upcoming = scheduling.upcoming(when) if when.is_later else []
    except InvalidArgument as problem:
        wrong = wrong_fields(problem)
    return render_template("sendings.html", upcoming=upcoming, wrong=wrong)
