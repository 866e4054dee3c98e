"""REST of attendance rules: what the page does, with the same permission."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response

from protos.queue.v1 import attendance_pb2 as pb
from services.gateway import attendance, models
from services.gateway.access import Permission
from services.gateway.attendance import Form
from services.gateway.auth import requires
from services.gateway.parameters import asks
from services.gateway.routes.api import answers, as_json, read_body, spec
from services.gateway.words import CHANNELS
from services.kit.errors import InvalidArgument

blueprint = Blueprint("api_attendance", __name__, url_prefix="/api")
PATH = "/v1/attendance-rules"


@blueprint.get(PATH)
@requires(Permission.MANAGE_ATTENDANCE)
@spec.validate(resp=answers(pb.ListAttendanceRulesResponse), tags=["attendance"])
@asks(*attendance.PLACE.parameters())
def list_rules() -> Response:
    """List the attendance rules of the viewer's schools, by the parameters of their table."""
    return as_json(attendance.listed(attendance.read_list().strict()))


@blueprint.post(PATH)
@requires(Permission.MANAGE_ATTENDANCE)
@spec.validate(json=models.NewAttendanceRule, resp=answers(pb.AttendanceRule), tags=["attendance"])
def create_rule() -> Response:
    """Make an attendance rule, which is on; the same key with the same body again answers the same rule."""
    body = read_body(models.NewAttendanceRule)
    return _kept(_form(body, key=body.idempotency_key))


@blueprint.get(f"{PATH}/<uuid:rule_id>")
@requires(Permission.MANAGE_ATTENDANCE)
@spec.validate(resp=answers(pb.GetAttendanceRuleResponse), tags=["attendance"])
def read_rule(rule_id: str) -> Response:
    """Read an attendance rule, what it told and who changed it."""
    return as_json(attendance.get(str(rule_id)))


@blueprint.put(f"{PATH}/<uuid:rule_id>")
@requires(Permission.MANAGE_ATTENDANCE)
@spec.validate(json=models.ChangedAttendanceRule, resp=answers(pb.AttendanceRule), tags=["attendance"])
def change_rule(rule_id: str) -> Response:
    """Give an attendance rule another content; refused when another change came first."""
    body = read_body(models.ChangedAttendanceRule)
    return _kept(_form(body, rule_id=str(rule_id), version=body.version))


@blueprint.put(f"{PATH}/<uuid:rule_id>/switch")
@requires(Permission.MANAGE_ATTENDANCE)
@spec.validate(json=models.SwitchBody, resp=answers(pb.AttendanceRule), tags=["attendance"])
def switch_rule(rule_id: str) -> Response:
    """Switch an attendance rule on or off."""
    attendance.switch(str(rule_id), is_on=read_body(models.SwitchBody).is_on)
    return as_json(attendance.get(str(rule_id)).rule)


@blueprint.delete(f"{PATH}/<uuid:rule_id>")
@requires(Permission.MANAGE_ATTENDANCE)
@spec.validate(resp=answers(pb.RemoveAttendanceRuleResponse), tags=["attendance"])
def remove_rule(rule_id: str) -> Response:
    """Remove an attendance rule; what it told stays."""
    attendance.remove(str(rule_id))
    return as_json(pb.RemoveAttendanceRuleResponse())


def _form(body: models.AttendanceRuleBody, *, key: str = "", rule_id: str = "", version: int = 0) -> Form:
    form = Form(key, rule_id, version, body.name, list(body.school_ids), ",".join(body.codes), body.subject)
    given = {channel: body.texts.get(CHANNELS[channel].value) for channel in attendance.OFFERED}  # type: ignore[call-overload]
    form.texts, form.chosen = (
        {each: text or "" for each, text in given.items()},
        [k for k, v in given.items() if v is not None],
    )
    form.send_time, form.once_per_family, form.is_district = (
        body.send_time,
        body.once_per_family,
        body.source == "district",
    )
    form.language = body.language
    return form


def _kept(form: Form) -> Response:
    with _of_body():
        return as_json(attendance.keep(form))


@contextmanager
def _of_body() -> Iterator[None]:
    """Point at the fields of the body: the queue has them in a content."""
    try:
        yield
    except InvalidArgument as problem:
        wrong = [(pointer.removeprefix("/content"), detail) for pointer, detail in problem.violations]
        raise InvalidArgument(problem.reason, str(problem), violations=wrong) from problem
