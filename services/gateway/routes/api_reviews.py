"""REST of what people do about messages: flags, threats and their alerts, referrals, the audit log."""

from flask import Response

from protos.notify.v1 import notify_pb2 as notify
from protos.reports.v1 import reports_pb2 as reports
from services.gateway import models
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import open_alerts
from services.gateway.parameters import asks
from services.gateway.routes import audit, figures, history, referrals, threats
from services.gateway.routes.api import answers, as_json, blueprint, read_body, spec
from services.gateway.searches import END, START, refuse_problems
from services.gateway.state import gateway, person
from services.kit.errors import Unavailable
from services.kit.rpc_errors import translated

__all__ = ["blueprint"]


@blueprint.put("/v1/messages/<uuid:message_id>/flag")
@requires(Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS)
@spec.validate(json=models.FlagChange, resp=answers(reports.SetFlagResponse), tags=["reports"])
def set_flag(message_id: str) -> Response:
    """Set or clear a flag on all entries of a message."""
    body = read_body(models.FlagChange)
    origin = reports.SetFlagRequest.Origin.Value(f"ORIGIN_{body.origin.upper()}")
    return as_json(history.set_flag(message_id, origin, is_flagged=body.is_flagged))


@blueprint.get("/v1/threats/figures")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.GetThreatFiguresResponse), tags=["threats"])
@asks(START, END)
def threat_figures() -> Response:
    """How soon threats are acknowledged and decided, and how many were released; the last 90 days unless asked."""
    asked = figures.read_period()
    refuse_problems(asked.problems)
    return as_json(figures.find(asked))


@blueprint.get("/v1/threats/<uuid:message_id>")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.GetThreatResponse), tags=["threats"])
def threat(message_id: str) -> Response:
    """Read a threat; the reading is logged."""
    return as_json(threats.get_threat(str(message_id)))


@blueprint.post("/v1/threats/<uuid:message_id>/acknowledge")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.AcknowledgeThreatResponse), tags=["threats"])
def acknowledge(message_id: str) -> Response:
    """Acknowledge a threat, once for everybody."""
    with translated():
        wanted = reports.AcknowledgeThreatRequest(message_id=str(message_id))
        return as_json(gateway().clients.reports.AcknowledgeThreat(wanted))


@blueprint.post("/v1/threats/<uuid:message_id>/decide")
@requires(Permission.THREAT_ALERTS)
@spec.validate(json=models.DecisionBody, resp=answers(reports.DecideThreatResponse), tags=["threats"])
def decide(message_id: str) -> Response:
    """Keep a threat withheld, or release it, with a reason; a release cannot be taken back."""
    body = read_body(models.DecisionBody)
    return as_json(threats.decide(str(message_id), body.decision, body.reason, body.seen))


@blueprint.get("/v1/alerts")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(notify.ListAlertsResponse), tags=["threats"])
def alerts() -> Response:
    """List the viewer's open alerts, without their texts: reading a threat is logged, listing alerts is not."""
    found = open_alerts(person())
    if not found.is_known:
        raise Unavailable("ALERTS_UNAVAILABLE", "Alerts cannot be read at the moment.", retry_after_seconds=2)
    listed = notify.ListAlertsResponse(alerts=found.alerts)
    for each in listed.alerts:
        each.text = ""
    return as_json(listed)


@blueprint.post("/v1/referrals")
@requires(Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS)
@spec.validate(json=models.ReferralBody, resp=answers(reports.AddReferralResponse), tags=["referrals"])
def add_referral() -> Response:
    """Refer a student for a flagged message, once; again answers the referral that is there."""
    body = read_body(models.ReferralBody)
    return as_json(referrals.add(body.message_id, body.reason, body.notes, list(body.told)))


@blueprint.get("/v1/referrals")
@requires(Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.ListReferralsResponse), tags=["referrals"])
@asks(referrals.MINE, *referrals.PLACE.parameters())
def list_referrals() -> Response:
    """List referrals, by the parameters of their table; with mine=1 those that the viewer follows up."""
    return as_json(referrals.listed(referrals.read().strict()))


@blueprint.get("/v1/referrals/<uuid:referral_id>")
@requires(Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.GetReferralResponse), tags=["referrals"])
def referral(referral_id: str) -> Response:
    """Read a referral; the reading is logged."""
    return as_json(referrals.get(str(referral_id)))


@blueprint.delete("/v1/referrals/<uuid:referral_id>")
@requires(Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.DeleteReferralResponse), tags=["referrals"])
def delete_referral(referral_id: str) -> Response:
    """Delete a referral; the flags of its message can then be changed again."""
    referrals.delete(str(referral_id))
    return as_json(reports.DeleteReferralResponse())


@blueprint.get("/v1/audit")
@requires(Permission.VIEW_AUDIT)
@spec.validate(resp=answers(reports.ListAuditResponse), tags=["audit"])
@asks(*audit.OWN, *audit.PLACE.parameters())
def audit_log() -> Response:
    """List the audit log, newest first; `message`, `action` and `actor` narrow it."""
    return as_json(audit.find(audit.read().strict()))
