"""What did this family receive? Every delivery to a student's people, or to one person (statement 310)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, render_template, request

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import families_pb2 as families
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.pages import school_titles
from services.gateway.searches import CHANNEL_OF, END, START, TYPE, read_day, read_types
from services.gateway.state import gateway
from services.gateway.words import CHANNELS
from services.kit.rpc_errors import translated

blueprint = Blueprint("received", __name__)
PATH = "/people/<uuid:person_id>/received"
_MOST_PEOPLE = 50
PLACE = Place("received", "", sort=("date", "desc"))


def read(base: str = "") -> Listing:
    """Return what the address asks for, the newest first."""
    problems: dict[str, str] = {}
    days = [(each.name, read_day(request.args, each.name, problems)) for each in (START, END)]
    chosen = [(TYPE.name, CHANNELS[each].value) for each in read_types(request.args, problems)]
    listing = read_listing(replace(PLACE, base=base, own=[*days, *chosen]), request.args)
    listing.problems.update(problems)
    return listing


def look_up(person_id: str) -> directory.GetPersonResponse:
    """Return a person with those who are related. NotFound outside of the viewer's schools."""
    with translated():
        found: directory.GetPersonResponse = gateway().clients.directory.GetPerson(
            directory.GetPersonRequest(person_id=person_id)
        )
    return found


def find(found: directory.GetPersonResponse, listing: Listing) -> families.ListReceivedResponse:
    """Return what a person received, and for a student what their family did; nothing when it cannot be read."""
    if listing.problems:
        return families.ListReceivedResponse()
    is_student = found.person.role == types.ROLE_STUDENT
    wanted = families.ListReceivedRequest(
        person_ids=_people(found) if is_student else [found.person.person_id],
        student_id=found.person.person_id if is_student else "",
        **_asked(listing),
        sort=listing.sort,
        page=listing.page,
    )
    if listing.concerns("school"):
        wanted.school_titles.update(school_titles())
    with translated():
        answer: families.ListReceivedResponse = gateway().clients.families.ListReceived(wanted)
    return answer


def _asked(listing: Listing) -> dict[str, Any]:
    own = dict(listing.place.own)
    channels = [CHANNEL_OF[value] for name, value in listing.place.own if name == "type"]
    return {"start_date": own["start"], "end_date": own["end"], "channels": channels, "rules": listing.rules}


def _people(found: directory.GetPersonResponse) -> Sequence[str]:
    return [found.person.person_id, *(each.person.person_id for each in found.relations)][:_MOST_PEOPLE]


@blueprint.get(PATH)
@requires(Permission.COMMUNICATION_REPORTS)
def show(person_id: str) -> str:
    """Show what somebody, or a student's family, received."""
    found, listing = look_up(str(person_id)), read(request.path)
    return render_template(
        "received.html",
        found=found,
        is_student=found.person.role == types.ROLE_STUDENT,
        answer=find(found, listing),
        listing=listing,
        asked=dict(listing.place.own),
        chosen=[value for name, value in listing.place.own if name == "type"],
        **showing.for_template("received"),
        school_titles=school_titles(),
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def excel(person_id: str) -> Response:
    """Send every delivery of the search as a workbook (statements 213, 214)."""
    listing, found = read().strict(), look_up(str(person_id))
    table = reports.RecordExportRequest.TABLE_RECEIVED
    asked = reports.Filter(**_asked(listing))
    exports.record(reports.RecordExportRequest(table=table, person_id=str(person_id), filter=asked))

    def page(number: int) -> tuple[list[families.ReceivedDelivery], int]:
        answer = find(found, listing.at(number))
        return list(answer.received), answer.page.total_pages

    titles = school_titles()
    columns = showing.columns_of("received")
    return exports.workbook("received", columns, exports.paged(page), exports.received_value(titles))
