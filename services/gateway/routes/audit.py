"""The audit log: who read, exported or changed what about messages (statements 244, 309)."""

from flask import Blueprint, render_template, request

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.routes.inbox import page_request
from services.gateway.state import gateway
from services.gateway.words import ACTIONS
from services.kit.rpc_errors import translated

blueprint = Blueprint("audit", __name__)
PATH = "/audit"
_ROWS = 50


def find() -> reports.ListAuditResponse:
    """Return a page of the log, newest first: all of it, or of one message, action or name."""
    action = request.args.get("action", "")
    wanted = reports.ListAuditRequest(
        message_id=request.args.get("message", "")[:36],
        action=action if action in ACTIONS else "",
        actor=request.args.get("actor", "").strip()[:100],
        page=types.PageRequest(number=page_request().number, size=_ROWS),
    )
    with translated():
        answer: reports.ListAuditResponse = gateway().clients.reports.ListAudit(wanted)
    return answer


@blueprint.get(PATH)
@requires(Permission.VIEW_AUDIT)
def show() -> str:
    """Show the log."""
    return render_template("audit.html", answer=find(), asked=request.args)
