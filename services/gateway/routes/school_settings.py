"""Schools › School Info and School Fields: the system field that excludes a school from communication (section R)."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import visible_schools
from services.gateway.searches import whole
from services.gateway.state import gateway, person
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, PermissionDenied
from services.kit.rpc_errors import translated

blueprint = Blueprint("school_settings", __name__)
INFO, FIELDS = "/schools/info", "/schools/fields"
RIGHTS = {"none": "No access", "view": "Sees it", "edit": "Sees and sets it"}
"""What a profile may do with a field, by its name in forms."""


@blueprint.get(INFO)
@requires(Permission.MANAGE_DIRECTORY)
def info() -> str:
    """Show every school in sight, with the fields that the person's profile sees."""
    return _info()


@blueprint.post(INFO)
@requires(Permission.MANAGE_DIRECTORY)
def change_info() -> Response | tuple[str, int]:
    """Tick or untick the field of one school (statements 225 to 235)."""
    wanted = directory.UpdateSchoolRequest(
        school_id=request.form.get("school", "")[:36], is_excluded=request.form.get("excluded") == "1"
    )
    try:
        with translated():
            gateway().clients.directory.UpdateSchool(wanted)
    except (FailedPrecondition, PermissionDenied) as problem:
        return _info(problem.message), 409 if isinstance(problem, FailedPrecondition) else 403
    return redirect(f"{INFO}?saved={wanted.school_id}", 303)


def _info(problem: str = "") -> str:
    return render_template(
        "school_info.html",
        schools=visible_schools(person()),
        field=_field(),
        problem=problem,
        saved=request.args.get("saved", ""),
        may_set_fields=person().is_district_wide,
    )


@blueprint.get(FIELDS)
@requires(Permission.MANAGE_DIRECTORY)
def fields() -> str:
    """Show the system field: whether it is enabled, where it is placed, and who may do what with it."""
    _check_district_wide()
    return _fields(_field())


@blueprint.post(FIELDS)
@requires(Permission.MANAGE_DIRECTORY)
def change_fields() -> Response | tuple[str, int]:
    """Enable the field, place it on School Info, and give it permissions (statement 224)."""
    _check_district_wide()
    wanted = _wanted()
    try:
        with translated():
            gateway().clients.directory.UpdateSchoolField(directory.UpdateSchoolFieldRequest(field=wanted))
    except (InvalidArgument, Aborted) as problem:
        return _fields(wanted, problem.message), 400 if isinstance(problem, InvalidArgument) else 409
    return redirect(f"{FIELDS}?saved=1", 303)


def _wanted() -> directory.SchoolField:
    given = request.form
    rights = {each.profile_id: given.get(f"right-{each.profile_id}", "none") for each in _profiles()}
    return directory.SchoolField(
        name=given.get("name", "")[:100],
        is_enabled=given.get("enabled") == "1",
        is_on_school_info=given.get("placed") == "1",
        viewers=[each for each, right in rights.items() if right in {"view", "edit"}],
        editors=[each for each, right in rights.items() if right == "edit"],
        version=whole(given.get("version", "")),
    )


def _fields(field: directory.SchoolField, problem: str = "") -> str:
    rights = dict.fromkeys(field.viewers, "view") | dict.fromkeys(field.editors, "edit")
    return render_template(
        "school_fields.html",
        field=field,
        profiles=_profiles(),
        right_of=rights,
        rights=RIGHTS,
        problem=problem,
        is_saved=request.args.get("saved") == "1",
        excluded=[each.title for each in visible_schools(person()) if each.is_excluded],
    )


def _field() -> directory.SchoolField:
    with translated():
        found = gateway().clients.directory.ListSchoolFields(directory.ListSchoolFieldsRequest()).fields
    return next(iter(found), directory.SchoolField())


def _profiles() -> list[directory.Profile]:
    with translated():
        found = gateway().clients.directory.ListProfiles(directory.ListProfilesRequest()).profiles
    return [each for each in found if each.role == types.ROLE_ADMIN]


def _check_district_wide() -> None:
    if not person().is_district_wide:
        raise PermissionDenied("DISTRICT_ONLY", "School Fields are the district's.")
