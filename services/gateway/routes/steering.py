"""Stopping what has not left of a message."""

from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from services.gateway import steering
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import safe_return

blueprint = Blueprint("steering", __name__)


@blueprint.post("/messages/<uuid:message_id>/cancel")
@requires(Permission.SEND_MESSAGES)
def cancel(message_id: str) -> Response:
    """Stop what has not left, and say how much that was."""
    stopped = steering.cancel(str(message_id))
    back = safe_return(request.form.get("next", ""), f"/sent/{message_id}")
    return redirect(f"{back}{'&' if '?' in back else '?'}{urlencode({'cancelled': stopped})}", 303)
