"""Communication › Settings › Attendance: the rules that tell families of absences."""

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response

from services.gateway import attendance, showing
from services.gateway.access import Permission
from services.gateway.attendance import Form
from services.gateway.auth import requires
from services.gateway.keeping import draws_again
from services.gateway.pages import school_titles, schools
from services.gateway.problems import SHOWN, STATUS, shown
from services.gateway.state import person
from services.kit.errors import PermissionDenied, ServiceError
from services.kit.ids import new_id

blueprint = Blueprint("attendance_rules", __name__)
PATH = "/attendance-rules"
_REFUSALS = (*SHOWN, PermissionDenied)
"""What the form shows in place of an error page."""


@blueprint.get(PATH)
@requires(Permission.MANAGE_ATTENDANCE)
def show() -> str:
    """List the rules of the schools in sight."""
    listing = attendance.read_list(PATH)
    return render_template(
        "attendance_rules.html",
        answer=attendance.listed(listing),
        listing=listing,
        where=attendance.where,
        every=schools(),
        **showing.for_template("attendance-rules"),
    )


@blueprint.get(f"{PATH}/<uuid:rule_id>")
@requires(Permission.MANAGE_ATTENDANCE)
def rule(rule_id: str) -> str:
    """Show a rule, what it did and who changed it."""
    return render_template(
        "attendance_rule.html",
        answer=attendance.get(str(rule_id)),
        where=attendance.where,
        every=schools(),
        titles=school_titles(),
    )


@blueprint.get(f"{PATH}/new")
@requires(Permission.MANAGE_ATTENDANCE)
def new() -> str:
    """Show an empty form."""
    return _form(Form(new_id()))


@blueprint.get(f"{PATH}/<uuid:rule_id>/edit")
@requires(Permission.MANAGE_ATTENDANCE)
def edit(rule_id: str) -> str:
    """Show the form of a rule."""
    found = attendance.get(str(rule_id)).rule
    if not found.may_edit:
        abort(404)
    return _form(attendance.form_of(found))


def _draw_again(problem: ServiceError, rule_id: str = "") -> str:
    return _form(attendance.read_form(request.form, str(rule_id)), problem)


@blueprint.post(PATH)
@requires(Permission.MANAGE_ATTENDANCE)
@draws_again(_draw_again)
def create() -> Response | tuple[str, int]:
    """Make a rule."""
    return _keep(attendance.read_form(request.form))


@blueprint.post(f"{PATH}/<uuid:rule_id>")
@requires(Permission.MANAGE_ATTENDANCE)
@draws_again(_draw_again)
def change(rule_id: str) -> Response | tuple[str, int]:
    """Give a rule another content."""
    return _keep(attendance.read_form(request.form, str(rule_id)))


def _keep(form: Form) -> Response | tuple[str, int]:
    try:
        kept = attendance.keep(form)
    except _REFUSALS as problem:
        return _form(form, problem), STATUS[type(problem)]
    return redirect(f"{PATH}/{kept.rule_id}", 303)


@blueprint.post(f"{PATH}/<uuid:rule_id>/switch")
@requires(Permission.MANAGE_ATTENDANCE)
def switch(rule_id: str) -> Response:
    """Switch a rule on or off."""
    attendance.switch(str(rule_id), is_on=request.form.get("on") == "1")
    return redirect(f"{PATH}/{rule_id}", 303)


@blueprint.post(f"{PATH}/<uuid:rule_id>/remove")
@requires(Permission.MANAGE_ATTENDANCE)
def remove(rule_id: str) -> Response:
    """Remove a rule."""
    attendance.remove(str(rule_id))
    return redirect(PATH, 303)


def _form(form: Form, problem: ServiceError | None = None) -> str:
    return render_template(
        "attendance_rule_form.html",
        form=form,
        problem=problem and shown(problem),
        wrong=attendance.wrong_fields(problem),
        subject_limit=attendance.SUBJECT_LIMIT,
        **attendance.choices(person(), form),
    )
