"""REST of people: finding them, and what they received."""

from flask import Blueprint, Response, request

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import families_pb2 as families
from services.gateway import choosing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.parameters import Choice, Text, asks
from services.gateway.routes import people, received
from services.gateway.routes.api import answers, as_json, spec
from services.gateway.searches import END, START, TYPE, refuse_problems
from services.gateway.state import person

blueprint = Blueprint("api_people", __name__, url_prefix="/api")
_NAME = Text("q", "Part of a name, or a number.", most=100)
_ROLE = Choice("role", "Whom to find.", words=tuple(choosing.ROLES), default="staff")


@blueprint.get("/v1/people")
@requires(Permission.SEND_MESSAGES, Permission.SEND_TO_STAFF)
@spec.validate(resp=answers(directory.SearchPeopleResponse), tags=["directory"])
@asks(_NAME, _ROLE)
def search() -> Response:
    """Find whom one may write to, by name or number, `q`: staff; `role` asks for others.

    `role` is staff, family, student or all. Without Send Messages, staff are found whatever it says.
    """
    role = request.args.get(_ROLE.name, _ROLE.default)
    if role not in _ROLE.words:
        refuse_problems({"role": f"One of {', '.join(_ROLE.words)}."})
    return as_json(directory.SearchPeopleResponse(people=choosing.search(person(), _NAME.read(request.args), role)))


@blueprint.get("/v1/people/find")
@requires(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS)
@spec.validate(resp=answers(directory.SearchPeopleResponse), tags=["directory"])
@asks(_NAME)
def find_people() -> Response:
    """Find anybody of the viewer's schools by name or number: `q`."""
    return as_json(directory.SearchPeopleResponse(people=people.find_people(_NAME.read(request.args).strip())))


@blueprint.get("/v1/people/<uuid:person_id>/received")
@requires(Permission.COMMUNICATION_REPORTS)
@spec.validate(resp=answers(families.ListReceivedResponse), tags=["reports"])
@asks(START, END, TYPE, *received.PLACE.parameters())
def what_was_received(person_id: str) -> Response:
    """List what somebody, or a student's family, received; by `start`, `end`, `type` and the rules of the table."""
    listing = received.read().strict()
    return as_json(received.find(received.look_up(str(person_id)), listing))
