"""The audit log: who read, exported or changed what about messages (statements 244, 309)."""

from flask import Blueprint, Response, render_template, request

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import exports
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.columns import AUDIT
from services.gateway.routes.inbox import page_request
from services.gateway.state import gateway
from services.gateway.words import ACTIONS
from services.kit.rpc_errors import translated

blueprint = Blueprint("audit", __name__)
PATH = "/audit"
_ROWS = 50


def find(page: types.PageRequest | None = None) -> reports.ListAuditResponse:
    """Return a page of the log, newest first: all of it, or of one message, action or name."""
    wanted = reports.ListAuditRequest(
        message_id=request.args.get("message", "")[:36],
        action=_action(),
        actor=request.args.get("actor", "").strip()[:100],
        page=page or types.PageRequest(number=page_request().number, size=_ROWS),
    )
    with translated():
        answer: reports.ListAuditResponse = gateway().clients.reports.ListAudit(wanted)
    return answer


def _action() -> str:
    action = request.args.get("action", "")
    return action if action in ACTIONS else ""


@blueprint.get(f"{PATH}/excel")
@requires(Permission.VIEW_AUDIT)
def excel() -> Response:
    """Send every record of the search as a workbook (statements 213, 214); the log keeps that, too."""
    table, message_id = reports.RecordExportRequest.TABLE_AUDIT, request.args.get("message", "")[:36]
    wanted = reports.Filter(message_ids=[message_id] if message_id else [])
    exports.record(reports.RecordExportRequest(table=table, filter=wanted, state=_action()))

    def page(number: int) -> tuple[list[reports.AuditRecord], int]:
        answer = find(types.PageRequest(number=number, size=exports.PAGE))
        return list(answer.records), answer.page.total_pages

    return exports.workbook("audit", AUDIT, page, exports.audit_value)


@blueprint.get(PATH)
@requires(Permission.VIEW_AUDIT)
def show() -> str:
    """Show the log."""
    return render_template("audit.html", answer=find(), asked=request.args)
