"""REST under /api/v1: the pages as JSON, with the same permissions. GET /api/openapi.json describes it."""

from typing import Any, TypeVar

from flask import Blueprint, Response, json, make_response, request
from flask_wtf.csrf import generate_csrf
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError
from spectree import Response as Answers
from spectree import SpecTree

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as reports
from services.gateway import addressing, audio, composing, models
from services.gateway.access import Permission
from services.gateway.asking import KINDS, Asking, Option, Question
from services.gateway.auth import requires
from services.gateway.drafts import Draft
from services.gateway.openapi import document
from services.gateway.pages import visible_schools
from services.gateway.parameters import asks
from services.gateway.routes import attendance, entries, history, inbox, sign_in, threats
from services.gateway.routes.preferences import hide, work_in
from services.gateway.schemas import Schema, model_of
from services.gateway.searches import CHANNEL_OF, PAGE, parameters, read_search
from services.gateway.state import person
from services.kit.errors import InvalidArgument, NotFound

blueprint = Blueprint("api", __name__, url_prefix="/api")
sign_in_blueprint = Blueprint("api_sign_in", __name__, url_prefix="/api")
BodyT = TypeVar("BodyT", bound=models.Body)
_PROBLEMS = {f"HTTP_{code}": models.Problem for code in (400, 401, 403, 404, 409, 413, 415, 429, 500, 503, 504)}


def _refuse(_request: Any, _response: Any, problem: Any, _instance: Any, *_rest: Any) -> None:
    if problem is not None:
        raise _invalid(problem)


def _invalid(problem: ValidationError) -> InvalidArgument:
    """Return what pydantic found as our own error, every field at its place."""
    wrong = [("/" + "/".join(map(str, each["loc"])), str(each["msg"])) for each in problem.errors()]
    return InvalidArgument("REQUEST_INVALID", "Some fields are wrong.", violations=wrong)


spec = SpecTree(
    "flask",
    title="Lantern",
    version="v1",
    mode="strict",
    before=_refuse,
    annotations=True,
    # _refuse raises what is 400; without it the document would promise 422, too.
    validation_error_status=400,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
)


def read_body(model: type[BodyT]) -> BodyT:
    """Return the body of the request; InvalidArgument names every wrong field."""
    try:
        return model.model_validate(request.get_json())
    except ValidationError as problem:
        raise _invalid(problem) from problem


def answers(what: type[Message] | type[BaseModel], **more: Schema) -> Answers:
    """Return the answers of a route: a message, with `more` members beside its own, or a model; or a problem."""
    model = model_of(what, **more) if issubclass(what, Message) else what
    return Answers(HTTP_200=model, **_PROBLEMS)


def as_json(message: Message, **changes: object) -> Response:
    """Return a message in the JSON of protobuf, names as in the protos, empty fields present."""
    found = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return Response(json.dumps({**found, **changes}), content_type="application/json")


@blueprint.get("/openapi.json")
@requires(Permission.PUBLIC)
def openapi() -> Response:
    """Describe the API."""
    return Response(document(spec), content_type="application/json")


@sign_in_blueprint.post("/v1/session")
@requires(Permission.PUBLIC)
@spec.validate(json=models.SignIn, resp=answers(models.FormToken), tags=["session"], security=[])
def begin_session() -> Response:
    """Sign in; the answer sets the session's cookie."""
    body = read_body(models.SignIn)
    response = make_response()
    sign_in.begin(body.username, body.password, response)
    response.set_data(json.dumps({"csrf_token": generate_csrf()}))
    response.content_type = "application/json"
    return response


@blueprint.delete("/v1/session")
@requires(Permission.PUBLIC)
@spec.validate(resp=Answers(HTTP_204=None, **_PROBLEMS), tags=["session"])
def end_session() -> Response:
    """Sign out."""
    response = make_response(sign_in.sign_out())
    response.status_code, response.data = 204, b""
    response.headers.pop("Location", None)
    return response


@blueprint.get("/v1/viewer")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(models.ViewerAnswer), tags=["session"])
def viewer() -> Response:
    """Say who is signed in."""
    someone = person()
    found = {
        "person_id": someone.person_id,
        "name": someone.name,
        "role": someone.role,
        "permissions": sorted(name for name in someone.permissions if someone.may(name)),
        "schools": sorted(someone.visible_schools),
        "csrf_token": generate_csrf(),
    }
    return Response(json.dumps(found), content_type="application/json")


@blueprint.get("/v1/schools")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(directory.ListSchoolsResponse), tags=["directory"])
def schools() -> Response:
    """List the schools that the viewer may see."""
    return as_json(directory.ListSchoolsResponse(schools=visible_schools(person())))


@blueprint.get("/v1/reports/history")
@requires(Permission.COMMUNICATION_REPORTS)
@spec.validate(resp=answers(reports.SearchHistoryResponse), tags=["reports"])
@asks(*parameters("history"))
def search_history() -> Response:
    """Search Communication History with the parameters of the page."""
    search = read_search(request.path, "history", request.args, person())
    return as_json(history.find(search.strict()))


@blueprint.get("/v1/reports/attendance")
@requires(Permission.COMMUNICATION_REPORTS)
@spec.validate(resp=answers(reports.SearchAttendanceResponse), tags=["reports"])
@asks(*parameters("attendance"))
def search_attendance() -> Response:
    """Search Attendance with the parameters of the page."""
    search = read_search(request.path, "attendance", request.args, person())
    return as_json(attendance.find(search.strict()))


@blueprint.get("/v1/reports/threats")
@requires(Permission.THREAT_ALERTS)
@spec.validate(resp=answers(reports.SearchThreatsResponse), tags=["reports"])
@asks(*parameters("threats"))
def search_threats() -> Response:
    """Search Threat Messages with the parameters of the page."""
    return as_json(threats.find(threats.read_threats().strict()))


@blueprint.get("/v1/entries/<uuid:entry_id>")
@requires(Permission.COMMUNICATION_REPORTS)
@spec.validate(resp=answers(reports.GetEntryResponse), tags=["reports"])
@asks(entries.REPORT)
def entry(entry_id: str) -> Response:
    """Read an entry; `report=attendance`: as a row of Attendance."""
    return as_json(entries.get_entry(str(entry_id), entries.REPORT.read(request.args)))


@blueprint.get("/v1/entries/<uuid:entry_id>/recipients")
@requires(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS)
@spec.validate(resp=answers(queue.ListDeliveriesResponse), tags=["reports"])
@asks(*entries.PLACE.parameters(), entries.STATE, entries.QUERY)
def recipients(entry_id: str) -> Response:
    """List the recipients of an entry, or those in one `state`."""
    return as_json(entries.ask_deliveries(str(entry_id), entries.read_deliveries("recipients", "").strict()).answer)


@blueprint.get("/v1/inbox")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(queue.ListInboxResponse), tags=["inbox"])
@asks(inbox.QUERY, inbox.UNREAD, PAGE)
def list_inbox() -> Response:
    """List the viewer's inbox."""
    return as_json(inbox.list_inbox())


@blueprint.get("/v1/sent")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(queue.ListSentBoxResponse), tags=["inbox"])
@asks(PAGE)
def list_sent() -> Response:
    """List what the viewer sent."""
    return as_json(inbox.list_sent())


@blueprint.get("/v1/inbox/<uuid:message_id>")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(queue.GetInboxMessageResponse), tags=["inbox"])
def inbox_message(message_id: str) -> Response:
    """Read a message of the inbox or the sent box."""
    return as_json(inbox.get_message(str(message_id)))


@blueprint.put("/v1/preferences/columns/<report>")
@requires(Permission.SIGNED_IN)
@spec.validate(json=models.ColumnsChange, resp=answers(models.HiddenColumns), tags=["preferences"])
def set_columns(report: str) -> Response:
    """Choose the columns of a report."""
    body = read_body(models.ColumnsChange)
    return Response(json.dumps({"hidden": hide(report, body.columns)}), content_type="application/json")


@blueprint.put("/v1/preferences/school")
@requires(Permission.SIGNED_IN)
@spec.validate(json=models.SchoolChoice, resp=answers(models.SchoolChoice), tags=["preferences"])
def set_school() -> Response:
    """Choose the school that the viewer works in for the rest of the session."""
    body = read_body(models.SchoolChoice)
    work_in(body.school_id)
    return Response(json.dumps({"school_id": body.school_id}), content_type="application/json")


@blueprint.get("/v1/entries/<uuid:entry_id>/recording")
@requires(Permission.COMMUNICATION_REPORTS)
@spec.validate(resp=answers(queue.OpenRecordingResponse, url={"type": "string"}), tags=["reports"])
def entry_recording(entry_id: str) -> Response:
    """Give the address to hear what a recorded call plays; it is good for minutes, for the viewer alone."""
    found = audio.open_entry(str(entry_id))
    if found is None:
        raise NotFound("RECORDING_NOT_FOUND", "There is no such recording, or it is no longer kept.")
    return as_json(found, url=f"{audio.PATH}/{found.ticket}")


@blueprint.post("/v1/recordings")
@requires(Permission.SEND_MESSAGES)
@spec.validate(resp=answers(queue.Recording), tags=["messages"])
def add_recording() -> Response:
    """Keep the body, a WAV or MP3 file of at most 10 MB and 5 minutes, for a recorded call."""
    return as_json(audio.add(audio.pieces_of(request.stream)))


@blueprint.post("/v1/audience/preview")
@requires(Permission.SEND_MESSAGES)
@spec.validate(json=models.AudienceBody, resp=answers(directory.PreviewAudienceResponse), tags=["messages"])
def preview() -> Response:
    """Say how many an audience reaches, and who is left out."""
    body = read_body(models.AudienceBody)
    draft = Draft(key="preview", **body.model_dump())
    return as_json(addressing.preview(draft, person()))


def _asking(body: models.MessageBody) -> Asking:
    if body.survey is None:
        return Asking()
    kind = next((name for name in body.channels if name in KINDS), "poll")
    questions = [
        Question(each.text, [Option(one.text, str(one.capacity or "")) for one in each.options])
        for each in body.survey.questions
    ]
    return Asking(kind, questions, closes_at=body.survey.closes_at)


@blueprint.post("/v1/messages")
@requires(Permission.SEND_MESSAGES, Permission.SEND_TO_STAFF)
@spec.validate(json=models.MessageBody, resp=answers(queue.SubmitResponse), tags=["messages"])
def send() -> Response:
    """Send a message."""
    body = read_body(models.MessageBody)
    draft = Draft(key=body.idempotency_key, subject=body.subject, body=body.body, **body.audience.model_dump())
    draft.channels = {CHANNEL_OF[name]: body.texts.get(name, "") for name in body.channels}
    draft.is_district, draft.is_secure = body.source == "district", body.is_secure
    draft.is_emergency, draft.once_per_family = body.is_emergency, body.once_per_family
    draft.language, draft.is_translated = body.language, body.is_translated
    draft.in_reply_to, draft.recording_id = body.in_reply_to or "", body.recording_id or ""
    draft.asking, draft.expires_at = _asking(body), body.expires_at
    composing.check(draft, person())
    return as_json(composing.submit(draft, person()))
