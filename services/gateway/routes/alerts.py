"""Threat alerts on every page: the banner, and the stream that says when it changed."""

from collections.abc import Iterator

from flask import Blueprint, Response, render_template, stream_with_context

from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.live import event_stream
from services.gateway.pages import open_alerts
from services.gateway.routes.threats import get_threat
from services.gateway.state import gateway, person

blueprint = Blueprint("alerts", __name__)
_SECONDS = 600.0


@blueprint.get("/alerts")
@requires(Permission.THREAT_ALERTS)
def banner() -> str:
    """Show the person's open alerts alone, to replace those of a page that is open."""
    return render_template("alerts.html", alerts=open_alerts(person()))


@blueprint.get("/alerts/<uuid:message_id>/details")
@requires(Permission.THREAT_ALERTS)
def details(message_id: str) -> str:
    """Show what an alert hides until it is asked for (statement 179); the reading is logged (statement 244)."""
    return render_template("alert_details.html", threat=get_threat(str(message_id)))


@blueprint.get("/alerts/stream")
@requires(Permission.THREAT_ALERTS)
def stream() -> Response:
    """Say "changed" whenever the person's alerts may have changed, for ten minutes; browsers then connect again."""
    someone = person().person_id

    def changes() -> Iterator[str]:
        for has_changed in gateway().alerts.changes(someone, _SECONDS):
            yield "changed" if has_changed else ""

    return event_stream("alerts", stream_with_context(changes()), lambda: None)
