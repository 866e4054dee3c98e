"""Users › Profiles › Permissions: what the holders of a profile may do (statements 2, 3 and 245)."""

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from protos.directory.v1 import directory_pb2 as directory
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.searches import whole
from services.gateway.state import gateway
from services.gateway.switches import ROLES, TABS, role_of, sections_of
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from services.kit.rpc_errors import translated

blueprint = Blueprint("profiles", __name__)
PATH = "/users/profiles/permissions"


@blueprint.get(PATH)
@requires(Permission.MANAGE_PROFILES)
def show() -> str:
    """Show the choice of a profile, and what the chosen one may do."""
    return _page(_chosen(_profiles()))


@blueprint.post(PATH)
@requires(Permission.MANAGE_PROFILES)
def change() -> Response | tuple[str, int]:
    """Set the switches of one tab; the profile's others stay as they are."""
    chosen = _chosen(_profiles())
    if chosen is None:
        raise NotFound("PROFILE_UNKNOWN", "There is no such profile.")
    shown = {each.permission for section in sections_of(chosen, _tab()) for each in section.switches}
    ticked = set(request.form.getlist("permission")[: len(Permission)])
    wanted = directory.UpdateProfileRequest(
        profile_id=chosen.profile_id,
        permissions=sorted((set(chosen.permissions) - shown) | ticked),
        version=whole(request.form.get("version", "")),
    )
    try:
        with translated():
            gateway().clients.directory.UpdateProfile(wanted)
    except (InvalidArgument, FailedPrecondition, Aborted) as problem:
        status = 400 if isinstance(problem, InvalidArgument) else 409
        return _page(chosen, problem=problem.message, ticked=ticked), status
    address = url_for("profiles.show", role=role_of(chosen), profile=chosen.profile_id, tab=_tab(), saved="1")
    return redirect(address, 303)


def _profiles() -> list[directory.Profile]:
    with translated():
        return list(gateway().clients.directory.ListProfiles(directory.ListProfilesRequest()).profiles)


def _role() -> str:
    role = request.values.get("role", "")
    return role if role in ROLES else "admin"


def _tab() -> str:
    tab = request.values.get("tab", "")
    return tab if tab in TABS else next(iter(TABS))


def _chosen(found: list[directory.Profile]) -> directory.Profile | None:
    """Return the profile that the address names, if it is one of the role."""
    wanted = request.values.get("profile", "")
    return next((each for each in found if each.profile_id == wanted and role_of(each) == _role()), None)


def _page(chosen: directory.Profile | None, problem: str = "", ticked: set[str] | None = None) -> str:
    profiles = [each for each in _profiles() if role_of(each) == _role()]
    return render_template(
        "profiles.html",
        path=PATH,
        roles=ROLES,
        role=_role(),
        profiles=profiles,
        chosen=chosen,
        tabs=TABS,
        tab=_tab(),
        sections=sections_of(chosen, _tab()) if chosen else [],
        ticked=set(chosen.permissions) if chosen and ticked is None else ticked or set(),
        problem=problem,
        is_saved=request.args.get("saved") == "1",
    )
