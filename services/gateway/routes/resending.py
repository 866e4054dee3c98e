"""Sending an entry again to those in Error or Expired: what it would do, then the sending (statement 305)."""

from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from protos.types.v1 import types_pb2 as types
from services.gateway import steering
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import safe_return
from services.gateway.problems import SHOWN, STATUS, shown
from services.gateway.routes import contacts
from services.gateway.routes.entries import ENTRIES, get_entry, search_of
from services.gateway.searches import CHANNEL_OF
from services.gateway.steering import RESENDABLE
from services.gateway.words import MAILS
from services.kit.errors import NotFound, ServiceError
from services.kit.ids import new_id

blueprint = Blueprint("resending", __name__)


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>/resend")
@requires(Permission.SEND_MESSAGES)
def confirm(report: str, entry_id: str) -> str:
    """Show who would get it by a channel, who would not and why, and what it takes."""
    return _confirm(report, str(entry_id), request.args, new_id())


@blueprint.post(f"{ENTRIES}/<uuid:entry_id>/resend")
@requires(Permission.SEND_MESSAGES)
def resend(report: str, entry_id: str) -> Response | tuple[str, int]:
    """Send again to the recipients in Error or Expired."""
    given = request.form
    state, key = _state(given), given.get("key", "")[:200] or new_id()
    try:
        answer = steering.resend(key, str(entry_id), state, given.get("channel", ""))
    except SHOWN as problem:
        return _confirm(report, str(entry_id), given, key, problem), STATUS[type(problem)]
    back = safe_return(given.get("next", ""), f"/reports/{report}")
    return redirect(f"{back}{'&' if '?' in back else '?'}{urlencode({'resent': answer.resent})}", 303)


def _state(given: "MultiDict[str, str]") -> "types.DeliveryState.ValueType":
    state = RESENDABLE.get(given.get("state", ""))
    if state is None:
        raise NotFound("STATE_UNKNOWN", "Only errors and expired ones are sent again.")
    return state


def _confirm(
    report: str, entry_id: str, given: "MultiDict[str, str]", key: str, problem: ServiceError | None = None
) -> str:
    state, search = _state(given), search_of(report)
    row = get_entry(entry_id, report).row
    preview = None
    try:
        preview = steering.preview(entry_id, [state], given.get("channel", ""))
    except SHOWN as refusal:
        problem = problem or refusal
    base, name = f"{search.path}/entries/{entry_id}", given.get("state", "")
    return render_template(
        "resend.html",
        row=row,
        preview=preview,
        is_mail_held_back=preview is not None and preview.channel in MAILS and contacts.mail_brake().is_held_back,
        problem=problem and shown(problem),
        channel=CHANNEL_OF.get(given.get("channel", ""), row.channel),
        state=name,
        key=key,
        action=search.link(f"{base}/resend"),
        next=safe_return(given.get("next", ""), search.link()),
        back=search.link(f"{base}/recipients", state=name),
    )
