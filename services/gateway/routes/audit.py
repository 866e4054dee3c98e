"""The audit log: who read, exported or changed what about messages (statements 244, 309)."""

from dataclasses import replace

from flask import Blueprint, Response, render_template, request

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.parameters import Choice, Text
from services.gateway.state import gateway
from services.gateway.words import ACTIONS
from services.kit.rpc_errors import translated

blueprint = Blueprint("audit", __name__)
PATH = "/audit"
PLACE = Place("audit", PATH, sort=("date", "desc"))
OWN = (
    Text("message", "About one message, by its id.", most=36),
    Choice("action", "What was done.", words=tuple(ACTIONS)),
    Text("actor", "Part of the name of who did it.", most=100),
)


def read() -> Listing:
    """Return what the address asks of the log, the newest first."""
    own = [(each.name, each.read(request.args)) for each in OWN]
    return read_listing(replace(PLACE, own=own), request.args)


def find(listing: Listing) -> reports.ListAuditResponse:
    """Return a page of the log: all of it, or of one message, action or name; nothing when it cannot be read."""
    if listing.problems:
        return reports.ListAuditResponse()
    own = dict(listing.place.own)
    wanted = reports.ListAuditRequest(
        message_id=own["message"],
        action=own["action"],
        actor=own["actor"].strip(),
        sort=listing.sort,
        rules=listing.rules,
        page=listing.page,
    )
    if listing.concerns("what"):
        wanted.action_words.update(ACTIONS)
    with translated():
        answer: reports.ListAuditResponse = gateway().clients.reports.ListAudit(wanted)
    return answer


@blueprint.get(f"{PATH}/excel")
@requires(Permission.VIEW_AUDIT)
def excel() -> Response:
    """Send every record of the search as a workbook (statements 213, 214); the log keeps that, too."""
    listing = read().strict()
    table, own = reports.RecordExportRequest.TABLE_AUDIT, dict(listing.place.own)
    wanted = reports.Filter(message_ids=[own["message"]] if own["message"] else [], rules=listing.rules)
    exports.record(reports.RecordExportRequest(table=table, filter=wanted, state=own["action"]))

    def page(number: int) -> tuple[list[reports.AuditRecord], int]:
        answer = find(listing.at(number))
        return list(answer.records), answer.page.total_pages

    return exports.workbook("audit", showing.columns_of("audit"), exports.paged(page), exports.audit_value)


@blueprint.get(PATH)
@requires(Permission.VIEW_AUDIT)
def show() -> str:
    """Show the log."""
    listing = read()
    return render_template(
        "audit.html",
        answer=find(listing),
        listing=listing,
        asked=dict(listing.place.own),
        **showing.for_template("audit"),
    )
