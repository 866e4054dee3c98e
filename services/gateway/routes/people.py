"""User Info and Student Info, and finding people by name."""

from collections.abc import Sequence

from flask import Blueprint, render_template, request

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway import to_staff
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import safe_return, schools
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

blueprint = Blueprint("people", __name__)


@blueprint.get("/people/<uuid:person_id>")
@requires(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS)
def info(person_id: str) -> str:
    """Show User Info, or Student Info with the guardians (statement 50)."""
    with translated():
        wanted = directory.GetPersonRequest(person_id=str(person_id))
        answer = gateway().clients.directory.GetPerson(wanted)
    titles = {each.school_id: each.title for each in schools()}
    back = safe_return(request.args.get("back", ""), "/")
    return render_template("person.html", answer=answer, titles=titles, back=back)


def search_people(query: str, roles: "list[types.Role.ValueType]") -> list[directory.Person]:
    """Return people whom the signed-in person may write to or look up, by name; at most 50."""
    wanted = directory.SearchPeopleRequest(query=query.strip()[:100], roles=roles, limit=50)
    with translated():
        answer = gateway().clients.directory.SearchPeople(wanted)
    return [each for each in answer.people if each.is_active]


@blueprint.get("/people/find")
@requires(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS)
def find() -> str:
    """Show the people of the viewer's schools whom a name or a number fits."""
    query = request.args.get("q", "").strip()[:100]
    titles = {each.school_id: each.title for each in schools()}
    return render_template("people_found.html", query=query, people=find_people(query), titles=titles)


def find_people(query: str) -> list[directory.Person]:
    """Return people of the viewer's schools by name or number, inactive ones too; at most 50, none without a query."""
    if not query:
        return []
    with translated():
        wanted = directory.SearchPeopleRequest(query=query[:100], limit=50)
        return list(gateway().clients.directory.SearchPeople(wanted).people)


@blueprint.get("/people")
@requires(Permission.SEND_MESSAGES, Permission.SEND_TO_STAFF)
def search() -> str:
    """Show the staff that a name fits, as choices of the composer, after those who are chosen (`person`)."""
    chosen, others = staff_choices(request.args.get("q", ""), request.args.getlist("person"))
    return render_template("people_choices.html", chosen=chosen, others=others)


def staff_choices(query: str, chosen_ids: Sequence[str]) -> tuple[list[directory.Person], list[directory.Person]]:
    """Return who is chosen, and others that a name fits: members of staff besides the signed-in person."""
    chosen = to_staff.among(chosen_ids[: to_staff.MOST])
    found = search_people(query, [types.ROLE_TEACHER, types.ROLE_ADMIN])
    left_out = {each.person_id for each in chosen} | {person().person_id}
    return chosen, [each for each in found if each.person_id not in left_out]
