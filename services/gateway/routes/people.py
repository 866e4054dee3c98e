"""User Info and Student Info, and finding people by name."""

from flask import Blueprint, render_template, request

from protos.directory.v1 import directory_pb2 as directory
from services.gateway import choosing, scheduling
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import safe_return, school_titles
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
    titles = school_titles()
    back = safe_return(request.args.get("back", ""), "/")
    return render_template("person.html", answer=answer, titles=titles, back=back)


@blueprint.get("/people/find")
@requires(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS)
def find() -> str:
    """Show the people of the viewer's schools whom a name or a number fits."""
    query = request.args.get("q", "").strip()[:100]
    titles = school_titles()
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
    """Show whom a name fits, as boxes of the composer, after those that are ticked (`person`, `student`: a family)."""
    query, asked = request.args.get("q", ""), request.args
    someone = scheduling.writer(person(), asked.get("from_school", ""))
    boxes = choosing.choices(someone, query, asked.getlist("person"), asked.getlist("student"))
    return render_template("people_choices.html", boxes=boxes, query=query.strip(), choosing=choosing)
