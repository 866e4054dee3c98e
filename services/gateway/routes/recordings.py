"""Listening to recordings: at short-lived addresses, for the person to whom they were given (statement 89)."""

from flask import Blueprint, Response

from services.gateway import audio
from services.gateway.access import Permission
from services.gateway.auth import requires

blueprint = Blueprint("recordings", __name__)


@blueprint.get(f"{audio.PATH}/<ticket>")
@requires(Permission.COMMUNICATION_REPORTS, Permission.SEND_MESSAGES)
def listen(ticket: str) -> Response:
    """Play a recording; the queue asks again whether this person may hear it."""
    return audio.played(ticket)
