"""Which families a message has reached by any way, and which not yet: live while it is under way (statement 308)."""

from flask import Blueprint, render_template, request

from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway import showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.pages import school_titles
from services.gateway.state import gateway
from services.kit.rpc_errors import translated

blueprint = Blueprint("reach", __name__)


@blueprint.get("/reports/history/messages/<uuid:message_id>/reach")
@requires(Permission.COMMUNICATION_REPORTS)
def show(message_id: str) -> str:
    """Show how many families are reached, and what was tried for the others."""
    listing = read_listing(Place("reach", request.path, sort=("waiting", "asc")), request.args)
    with translated():
        answer = gateway().clients.queue.GetReach(_wanted(str(message_id), listing))
        header = gateway().clients.queue.GetMessage(queue.GetMessageRequest(message_id=str(message_id))).header
    return render_template(
        "reach.html",
        answer=answer,
        header=header,
        listing=listing,
        **showing.for_template("reach"),
        SENT=types.DELIVERY_STATE_SENT,
        school_titles=school_titles(),
    )


def _wanted(message_id: str, listing: Listing) -> queue.GetReachRequest:
    """Return the request of a listing; what cannot be read limits nothing."""
    rules = [] if listing.problems else listing.rules
    wanted = queue.GetReachRequest(message_id=message_id, page=listing.page, sort=listing.sort, rules=rules)
    if listing.concerns("school"):
        wanted.school_titles.update(school_titles())
    return wanted
