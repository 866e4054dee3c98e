"""Threats › Noted messages: what screening noted and let go, and students of whom there are several."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import school_titles
from services.gateway.parameters import Number, Tick
from services.gateway.problems import SHOWN, STATUS
from services.gateway.routes import history
from services.gateway.searches import PAGE_SIZE, read_number
from services.gateway.state import gateway, person
from services.kit.errors import ServiceError
from services.kit.rpc_errors import translated

blueprint = Blueprint("noted", __name__)
PATH = "/reports/threats/noted"
HELD = Tick("held", "What shadow mode alone let go.")
PAGE = Number("page", "Which page.", most=10**6)
STUDENTS = Number("students", "Which page of students.", most=10**6)


@blueprint.get(PATH)
@requires(Permission.THREAT_ALERTS)
def show() -> str:
    """Show what was noted, and the students of whom there is much."""
    return _page()


@blueprint.post(f"{PATH}/close")
@requires(Permission.THREAT_ALERTS)
def close() -> Response | tuple[str, int]:
    """Close what was noted of a student, with a word."""
    form = request.form
    wanted = reports.CloseNotedSenderRequest(
        sender_id=form.get("sender", "")[:100], school_id=form.get("school", "")[:100], reason=form.get("reason", "")
    )
    try:
        through = datetime.fromisoformat(form.get("through", ""))
        if through.tzinfo is not None:
            wanted.through.FromDatetime(through.astimezone(UTC))
    except (ValueError, OverflowError):
        # Without it reports refuses the request.
        pass
    try:
        with translated():
            gateway().clients.reports.CloseNotedSender(wanted)
    except SHOWN as problem:
        return _page(problem, wanted), STATUS[type(problem)]
    return redirect(PATH, 303)


def _page(problem: ServiceError | None = None, kept: reports.CloseNotedSenderRequest | None = None) -> str:
    """Return the page; `kept` is what was written into the form that `problem` refuses."""
    would_hold, found = HELD.is_ticked(request.args), find()
    return render_template(
        "noted.html",
        found=found,
        would_hold=would_hold,
        students=students(),
        read=_read(found),
        titles=school_titles(),
        problem=problem,
        kept=kept,
    )


def _asked(page: Number) -> types.PageRequest:
    return types.PageRequest(number=read_number(request.args, page), size=PAGE_SIZE)


def find() -> reports.SearchNotedResponse:
    """Return a page of what was noted, newest first, by the address's `page`; with `held=1` what shadow mode let go."""
    wanted = reports.SearchNotedRequest(would_hold=HELD.is_ticked(request.args), page=_asked(PAGE))
    with translated():
        answer: reports.SearchNotedResponse = gateway().clients.reports.SearchNoted(wanted)
    return answer


def students() -> reports.ListNotedSendersResponse:
    """Return a page of the students of whom much was noted, by the address's `students`."""
    wanted = reports.ListNotedSendersRequest(page=_asked(STUDENTS))
    with translated():
        answer: reports.ListNotedSendersResponse = gateway().clients.reports.ListNotedSenders(wanted)
    return answer


def _read(found: reports.SearchNotedResponse) -> dict[str, Any]:
    """Return the rows of those noted messages that this person may read in History, by message."""
    if not (person().may(Permission.VIEW_ALL_USERS) and person().may(Permission.COMMUNICATION_REPORTS)):
        return {}
    return history.by_message([each.message_id for each in found.rows])
