"""REST of what may still be done about a sent message: stopping it, sending it again."""

from flask import Blueprint, Response, json, request

from protos.queue.v1 import queue_pb2 as queue
from services.gateway import models, steering
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.parameters import Choice, asks
from services.gateway.routes.api import answers, as_json, read_body, spec
from services.gateway.searches import CHANNEL_OF, refuse_problems
from services.gateway.steering import RESENDABLE

blueprint = Blueprint("api_steering", __name__, url_prefix="/api")
_STATE = Choice("state", "Of those in one state; both when left out.", words=tuple(RESENDABLE))
_CHANNEL = Choice("channel", "By which way; the entry's own when left out.", words=tuple(CHANNEL_OF))


@blueprint.post("/v1/messages/<uuid:message_id>/cancel")
@requires(Permission.SEND_MESSAGES)
@spec.validate(resp=answers(models.Cancelled), tags=["messages"])
def cancel(message_id: str) -> Response:
    """Stop what has not left of a message; the answer says how many deliveries. Once more stops nothing more."""
    return Response(json.dumps({"cancelled": steering.cancel(str(message_id))}), content_type="application/json")


@blueprint.get("/v1/entries/<uuid:entry_id>/resend")
@requires(Permission.SEND_MESSAGES)
@spec.validate(resp=answers(queue.ListResendWaysResponse), tags=["messages"])
def ways(entry_id: str) -> Response:
    """List by which channels an entry may be sent again, and why not by the others."""
    return as_json(queue.ListResendWaysResponse(ways=steering.ask_ways(str(entry_id))))


@blueprint.get("/v1/entries/<uuid:entry_id>/resend/preview")
@requires(Permission.SEND_MESSAGES)
@spec.validate(resp=answers(queue.ChannelPreview), tags=["messages"])
@asks(_STATE, _CHANNEL)
def preview_resend(entry_id: str) -> Response:
    """Say who would get an entry again, by `channel`, of those in `state`: errors or expired; both when left out."""
    problems: dict[str, str] = {}
    state, channel = request.args.get(_STATE.name, ""), request.args.get(_CHANNEL.name, "")
    if state and state not in _STATE.words:
        problems["state"] = f"Choose among {', '.join(_STATE.words)}."
    if channel and channel not in _CHANNEL.words:
        problems["channel"] = f"Choose among {', '.join(_CHANNEL.words)}."
    refuse_problems(problems)
    states = [RESENDABLE[state]] if state else list(RESENDABLE.values())
    return as_json(steering.preview(str(entry_id), states, channel))


@blueprint.post("/v1/entries/<uuid:entry_id>/resend")
@requires(Permission.SEND_MESSAGES)
@spec.validate(json=models.ResendBody, resp=answers(queue.ResendEntryResponse), tags=["messages"])
def resend(entry_id: str) -> Response:
    """Send an entry again to those in Error or Expired, by one of its ways; the same key again answers as before."""
    body = read_body(models.ResendBody)
    return as_json(steering.resend(body.idempotency_key, str(entry_id), RESENDABLE[body.state], body.channel or ""))
