"""Contact standing: whether an address or number is written to, why not, and who changed that (statement 311)."""

from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.queue.v1 import contacts_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.state import gateway
from services.gateway.words import WAYS
from services.kit.errors import InvalidArgument
from services.kit.rpc_errors import translated

blueprint = Blueprint("contacts", __name__)
PATH = "/contact-standing"


@blueprint.get(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def show() -> str | tuple[str, int]:
    """Show how the address or number that was asked for stands."""
    query = request.args.get("q", "").strip()[:254]
    if not query:
        return render_template("contact_standing.html", query="", answer=None, problem=None)
    try:
        with translated():
            answer = gateway().clients.contacts.GetContactStanding(pb.GetContactStandingRequest(destination=query))
    except InvalidArgument as problem:
        return render_template("contact_standing.html", query=query, answer=None, problem=problem), 400
    return render_template("contact_standing.html", query=query, answer=answer, problem=None)


@blueprint.post(f"{PATH}/lift")
@requires(Permission.MANAGE_DIRECTORY)
def lift() -> Response:
    """Write to a suppressed destination again."""
    destination = request.form.get("destination", "")[:254]
    number = request.form.get("channel", 0, int)
    channel = next((each for each in WAYS if each == number), types.CHANNEL_UNSPECIFIED)
    wanted = pb.LiftSuppressionRequest(channel=channel, destination=destination)
    with translated():
        gateway().clients.contacts.LiftSuppression(wanted)
    return redirect(f"{PATH}?{urlencode({'q': destination})}", 303)
