"""Communication Reports › Threat Messages, and the page of one threat."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.moderation.v1 import moderation_pb2 as moderation
from protos.notify.v1 import notify_pb2 as notify
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.keeping import draws_again
from services.gateway.pages import safe_return, school_titles, visible_schools
from services.gateway.problems import SHOWN, STATUS, shown, wrong_fields
from services.gateway.routes.entries import ask_deliveries, export_deliveries, read_deliveries, show_recipient
from services.gateway.routes.history import set_flag
from services.gateway.searches import LARGEST_PAGE, Search, read_search, whole
from services.gateway.state import gateway, person
from services.kit.errors import NotFound, ServiceError
from services.kit.rpc_errors import translated

blueprint = Blueprint("threats", __name__)
PATH = "/reports/threats"
DECISIONS = {"keep": types.THREAT_DECISION_KEPT, "release": types.THREAT_DECISION_RELEASED}
"""What a reviewer may decide, by its name in addresses and bodies."""


def find(search: Search) -> reports.SearchThreatsResponse:
    """Ask reports for a page of threats; an address with mistakes finds nothing."""
    if search.problems:
        return reports.SearchThreatsResponse()
    wanted = reports.SearchThreatsRequest(filter=search.filter, sort=search.sort, page=search.page)
    with translated():
        answer: reports.SearchThreatsResponse = gateway().clients.reports.SearchThreats(wanted)
    return answer


def read_threats() -> Search:
    """Return the search of the address. Threats are seen by school, so nobody is limited to their own messages."""
    search = read_search(PATH, "threats", request.args, person())
    if not person().may(Permission.VIEW_ALL_USERS):
        search.filter.view_all_users = False
        del search.filter.sender_ids[:]
        search.filter.sender_ids.extend(each for each in search.chosen("sender") if each)
    search.filter.message_ids.extend(each[:36] for each in search.chosen("message") if each)
    return search


@blueprint.get(PATH)
@requires(Permission.THREAT_ALERTS)
def show() -> str:
    """Show the threats that the address asks for."""
    search = read_threats()
    return render_template(
        "threats.html",
        search=search,
        answer=find(search),
        report="threats",
        **showing.for_template("threats"),
        schools=visible_schools(person()),
        senders=showing.senders(),
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.THREAT_ALERTS)
def excel() -> Response:
    """Send every row of the search as a workbook, the texts left out (statements 190, 213, 214)."""
    search = read_threats().strict()
    table = reports.RecordExportRequest.TABLE_THREATS
    exports.record(reports.RecordExportRequest(table=table, filter=search.filter))

    columns = showing.columns_of("threats")
    return exports.workbook("threat-messages", columns, exports.entries(table, search), exports.threat_value)


def get_threat(message_id: str) -> reports.GetThreatResponse:
    """Return a threat with everything known; the reading is logged. NotFound outside the viewer's schools."""
    with translated():
        wanted = reports.GetThreatRequest(message_id=message_id)
        answer: reports.GetThreatResponse = gateway().clients.reports.GetThreat(wanted)
    if not answer.rows:
        raise NotFound("MESSAGE_NOT_FOUND", "There is no such threat.")
    return answer


@blueprint.get(f"{PATH}/<uuid:message_id>")
@requires(Permission.THREAT_ALERTS)
def threat(message_id: str) -> str:
    """Show one threat: the text behind a click, why, around it, who was told, what one can do."""
    answer = get_threat(str(message_id))
    return render_template(
        "threat.html",
        threat=answer,
        row=answer.rows[0],
        told=_told(str(message_id)),
        judged=_verdicts(str(message_id)),
        back=PATH,
        report="threats",
    )


def _verdicts(message_id: str) -> moderation.ListVerdictsResponse | None:
    """Return every verdict and opinion on a message that reports showed this person; None without an answer."""
    clients = gateway().clients
    try:
        with translated():
            wanted = moderation.ListVerdictsRequest(message_id=message_id)
            found: moderation.ListVerdictsResponse
            found = clients.moderation.ListVerdicts(wanted, timeout=2, metadata=clients.as_gateway)
            return found
    except ServiceError:
        return None


def by_message(message_ids: list[str]) -> dict[str, reports.EntryRow]:
    """Return those of the messages that this person sees as threats, by their ids; reports logs it as one reading."""
    if not message_ids:
        return {}
    page = types.PageRequest(size=LARGEST_PAGE)
    with translated():
        wanted = reports.SearchThreatsRequest(filter=reports.Filter(message_ids=message_ids), page=page)
        rows = gateway().clients.reports.SearchThreats(wanted).rows
    return {row.message_id: row for row in rows}


def _told(message_id: str) -> list[notify.Told] | None:
    """Return who was alerted of a threat that reports showed this person.

    None when notify does not answer, since the rest of the page must not wait for it.
    """
    clients = gateway().clients
    try:
        with translated():
            wanted = notify.ListRecipientsRequest(message_id=message_id)
            return list(clients.notify.ListRecipients(wanted, timeout=2, metadata=clients.as_gateway).told)
    except ServiceError:
        return None


@blueprint.get(f"{PATH}/<uuid:message_id>/entries/<uuid:entry_id>/recipients")
@requires(Permission.THREAT_ALERTS)
def recipients(message_id: str, entry_id: str) -> str:
    """Show whom a threat was meant for (statement 192)."""
    row = _threat_row(message_id, entry_id)
    search = read_threats()
    base = f"{PATH}/{message_id}/entries/{entry_id}/recipients"
    return render_template(
        "recipients.html",
        row=row,
        found=ask_deliveries(str(entry_id), read_deliveries("threat-recipients", base, search)),
        report="threat-recipients",
        **showing.for_template("threat-recipients"),
        school_titles=school_titles(),
        search=search,
        back=search.link(),
        message_base=f"{PATH}/{message_id}",
        ways=[],
    )


def _threat_row(message_id: str, entry_id: str) -> reports.EntryRow:
    """Return the row of a threat whose recipients this person may see; being alerted of it opens none of them."""
    answer = get_threat(str(message_id))
    row = next((each for each in answer.rows if each.entry_id == str(entry_id)), None)
    if row is None or row.is_elsewhere:
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    return row


@blueprint.get(f"{PATH}/<uuid:message_id>/entries/<uuid:entry_id>/recipients/record")
@requires(Permission.THREAT_ALERTS)
def recipient(message_id: str, entry_id: str) -> str:
    """Show one recipient of a threat in full, with arrows through the list (statement 222)."""
    row, search = _threat_row(message_id, entry_id), read_threats()
    base = f"{PATH}/{message_id}/entries/{entry_id}/recipients"
    return show_recipient(row, read_deliveries("threat-recipients", base, search), search)


@blueprint.get(f"{PATH}/<uuid:message_id>/entries/<uuid:entry_id>/recipients/excel")
@requires(Permission.THREAT_ALERTS)
def recipients_excel(message_id: str, entry_id: str) -> Response:
    """Send the recipients of a threat as a workbook."""
    _threat_row(message_id, entry_id)
    table = reports.RecordExportRequest.TABLE_THREAT_RECIPIENTS
    return export_deliveries(str(entry_id), table, "threat-recipients")


@blueprint.post(f"{PATH}/<uuid:message_id>/acknowledge")
@requires(Permission.THREAT_ALERTS)
def acknowledge(message_id: str) -> Response:
    """Acknowledge a threat for everybody, once (section P)."""
    with translated():
        wanted = reports.AcknowledgeThreatRequest(message_id=str(message_id))
        gateway().clients.reports.AcknowledgeThreat(wanted)
    return redirect(safe_return(request.form.get("next", ""), f"{PATH}/{message_id}"), 303)


def decide(message_id: str, decision: str, reason: str, seen: int) -> reports.DecideThreatResponse:
    """Keep or release a threat; `decision` is a name of DECISIONS. Raises what reports answers."""
    wanted = reports.DecideThreatRequest(
        message_id=message_id,
        decision=DECISIONS.get(decision, types.THREAT_DECISION_UNSPECIFIED),
        reason=reason,
        seen=seen,
    )
    with translated():
        answer: reports.DecideThreatResponse = gateway().clients.reports.DecideThreat(wanted)
    return answer


def _seen(given: Mapping[str, str]) -> int:
    """Return the number of the latest decision that the person had before them; what is no number fits none."""
    return whole(given.get("seen", "0"), 999_999_999)


def _deciding(message_id: str, given: Mapping[str, str], problem: ServiceError | None = None) -> str:
    decision = given.get("decision", "")
    if decision not in DECISIONS:
        raise NotFound("MESSAGE_NOT_FOUND", "A threat is kept or released.")
    return render_template(
        "threat_decide.html",
        message_id=message_id,
        decision=decision,
        reason=given.get("reason", ""),
        seen=_seen(given),
        back=f"{PATH}/{message_id}",
        problem=problem and shown(problem),
        wrong=wrong_fields(problem),
    )


@blueprint.get(f"{PATH}/<uuid:message_id>/decide")
@requires(Permission.THREAT_ALERTS)
def decision_form(message_id: str) -> str:
    """Ask why a threat is kept or released, and say what follows."""
    return _deciding(str(message_id), request.args)


def _draw_again(problem: ServiceError, message_id: str) -> str:
    return _deciding(str(message_id), request.form, problem)


@blueprint.post(f"{PATH}/<uuid:message_id>/decide")
@requires(Permission.THREAT_ALERTS)
@draws_again(_draw_again)
def save_decision(message_id: str) -> Response | tuple[str, int]:
    """Keep or release a threat (statement 303)."""
    given = request.form
    try:
        decide(str(message_id), given.get("decision", ""), given.get("reason", ""), _seen(given))
    except SHOWN as problem:
        return _deciding(str(message_id), given, problem), STATUS[type(problem)]
    return redirect(f"{PATH}/{message_id}", 303)


@blueprint.post(f"{PATH}/<uuid:message_id>/flag")
@requires(Permission.THREAT_ALERTS)
def flag(message_id: str) -> Response:
    """Set or clear the automatic flag by hand (statements 194-198)."""
    set_flag(message_id, reports.SetFlagRequest.ORIGIN_SYSTEM, is_flagged=request.form.get("flagged") == "1")
    return redirect(safe_return(request.form.get("next", ""), PATH), 303)
