"""Senders: from which addresses and numbers, and in whose name, which messages go out."""

from dataclasses import dataclass, field

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import senders_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import visible_schools
from services.gateway.problems import wrong_fields
from services.gateway.state import gateway, person
from services.gateway.words import SENDER_TYPES, SENDER_WAYS
from services.kit.errors import InvalidArgument
from services.kit.rpc_errors import translated

blueprint = Blueprint("senders", __name__)
PATH = "/senders"


@dataclass
class Page:
    """What the page shows beside the senders."""

    asked: pb.SenderIdentity = field(default_factory=pb.SenderIdentity)
    """What was filled in."""
    wrong: dict[str, str] = field(default_factory=dict)
    """What is wrong with it, by pointer."""


@blueprint.get(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def show() -> str:
    """List the senders of the district and of the schools in sight."""
    return _drawn(Page())


@blueprint.post(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def save() -> Response | tuple[str, int]:
    """Set a sender in place of the one of the same school, type and way."""
    asked = _asked()
    asked.address, asked.name = request.form.get("address", "")[:300], request.form.get("name", "")[:300]
    try:
        with translated():
            gateway().clients.senders.SetSender(pb.SetSenderRequest(sender=asked))
    except InvalidArgument as problem:
        return _drawn(Page(asked, wrong_fields(problem))), 400
    return redirect(PATH, 303)


@blueprint.post(f"{PATH}/remove")
@requires(Permission.MANAGE_DIRECTORY)
def remove() -> Response:
    """Remove one: what it stood for goes out as everything else does."""
    with translated():
        gateway().clients.senders.RemoveSender(pb.RemoveSenderRequest(sender=_asked()))
    return redirect(PATH, 303)


def _asked() -> pb.SenderIdentity:
    number, way = request.form.get("type", 0, int), request.form.get("way", 0, int)
    return pb.SenderIdentity(
        school_id=request.form.get("school", "")[:36],
        message_type=next((each for each in SENDER_TYPES if each == number), types.MESSAGE_TYPE_UNSPECIFIED),
        way=next((each for each in SENDER_WAYS if each == way), pb.SenderIdentity.WAY_UNSPECIFIED),
    )


def _drawn(page: Page) -> str:
    with translated():
        answer: pb.ListSendersResponse = gateway().clients.senders.ListSenders(pb.ListSendersRequest())
    schools: list[directory.School] = visible_schools(person())
    return render_template(
        "senders.html",
        page=page,
        senders=answer.senders,
        changes=answer.changes,
        titles={"": "The district"} | {each.school_id: each.title for each in schools},
        manages_all=person().is_district_wide,
    )
