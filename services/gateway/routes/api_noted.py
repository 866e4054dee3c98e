"""REST of what screening noted and let go, and of the students of whom there is much."""

from datetime import UTC, datetime

from flask import Blueprint, Response
from pydantic import AwareDatetime, Field, field_validator

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import models
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.parameters import asks
from services.gateway.routes import noted
from services.gateway.routes.api import answers, as_json, read_body, spec
from services.gateway.state import gateway
from services.kit.rpc_errors import translated

blueprint = Blueprint("api_noted", __name__, url_prefix="/api")


class NotedClosing(models.Body):
    """What was noted of a student up to a moment, and why it needs no more."""

    sender_id: str = Field(min_length=1, max_length=100)
    school_id: str = Field(min_length=1, max_length=100)
    through: AwareDatetime
    """The newest that was read; what is noted later counts anew."""
    reason: str = Field(pattern=r"\S", max_length=500)

    @field_validator("through")
    @classmethod
    def _in_utc(cls, through: datetime) -> datetime:
        """Refuse a moment that no clock of UTC shows: year 9999 with an offset."""
        try:
            return through.astimezone(UTC)
        except OverflowError:
            raise ValueError("The time is out of range.") from None


@blueprint.get("/v1/threats/noted")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.SearchNotedResponse), tags=["threats"])
@asks(noted.HELD, noted.PAGE)
def list_noted() -> Response:
    """List what was noted and let go, newest first: `page`; with `held=1` what only shadow mode let go."""
    return as_json(noted.find())


@blueprint.get("/v1/threats/noted/students")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.ListNotedSendersResponse), tags=["threats"])
@asks(noted.STUDENTS)
def list_noted_students() -> Response:
    """List the students of whom three or more messages were noted in seven days: `students` is the page."""
    return as_json(noted.students())


@blueprint.post("/v1/threats/noted/close")
@requires(Permission.THREAT_ALERTS)
@spec.validate(json=NotedClosing, resp=answers(reports.CloseNotedSenderResponse), tags=["threats"])
def close_noted() -> Response:
    """Close what was noted of a student, with a reason."""
    body = read_body(NotedClosing)
    wanted = reports.CloseNotedSenderRequest(sender_id=body.sender_id, school_id=body.school_id, reason=body.reason)
    wanted.through.FromDatetime(body.through)
    with translated():
        return as_json(gateway().clients.reports.CloseNotedSender(wanted))
