"""Which families a message has reached by any way, and which not yet: live while it is under way (statement 308)."""

from flask import Blueprint, render_template, request

from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import schools
from services.gateway.searches import LARGEST_PAGE, PAGE_SIZE
from services.gateway.state import gateway
from services.kit.rpc_errors import translated

blueprint = Blueprint("reach", __name__)


@blueprint.get("/reports/history/messages/<uuid:message_id>/reach")
@requires(Permission.COMMUNICATION_REPORTS)
def show(message_id: str) -> str:
    """Show how many families are reached, and what was tried for the others."""
    page = types.PageRequest(number=_number("page", 1), size=min(_number("size", PAGE_SIZE), LARGEST_PAGE))
    stub = gateway().clients.queue
    with translated():
        answer = stub.GetReach(queue.GetReachRequest(message_id=str(message_id), page=page))
        header = stub.GetMessage(queue.GetMessageRequest(message_id=str(message_id))).header
    path = request.path
    return render_template(
        "reach.html",
        answer=answer,
        header=header,
        path=path,
        SENT=types.DELIVERY_STATE_SENT,
        school_titles={each.school_id: each.title for each in schools()},
        page_link=lambda number: f"{path}?page={number}&size={page.size}",
    )


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else default
