"""REST of what may still be done about a sent message: stopping it, sending it again."""

from flask import Blueprint, Response, json

from services.gateway import models, steering
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.routes.api import answers, as_json, read_body, spec
from services.gateway.routes.entries import RESENDABLE

blueprint = Blueprint("api_steering", __name__, url_prefix="/api")


@blueprint.post("/v1/messages/<uuid:message_id>/cancel")
@requires(Permission.SEND_MESSAGES)
@spec.validate(resp=answers(models.Object), tags=["messages"])
def cancel(message_id: str) -> Response:
    """Stop what has not left of a message; the answer says how many deliveries. Once more stops nothing more."""
    return Response(json.dumps({"cancelled": steering.cancel(str(message_id))}), content_type="application/json")


@blueprint.post("/v1/entries/<uuid:entry_id>/resend")
@requires(Permission.SEND_MESSAGES)
@spec.validate(json=models.ResendBody, resp=answers(models.Object), tags=["messages"])
def resend(entry_id: str) -> Response:
    """Send an entry again to those in Error or Expired; the same key again answers the first result."""
    body = read_body(models.ResendBody)
    return as_json(steering.resend(body.idempotency_key, str(entry_id), RESENDABLE[body.state], body.channel or ""))
