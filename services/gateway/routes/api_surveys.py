"""REST of polls and sign-ups in the portal inbox: what is asked, and one's answer."""

from flask import Blueprint, Response, request

from protos.queue.v1 import surveys_pb2 as surveys
from protos.reports.v1 import reports_pb2 as reports
from services.gateway import answering, models, results
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.parameters import Number, asks
from services.gateway.routes.api import answers, as_json, read_body, spec
from services.gateway.searches import read_number

blueprint = Blueprint("api_surveys", __name__, url_prefix="/api")
_NUMBER = Number("number", "Which of one's deliveries; 0: the first.", most=10**9 - 1, default=0)


@blueprint.get("/v1/inbox/<uuid:message_id>/survey")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(surveys.SurveyForm), tags=["inbox"])
@asks(_NUMBER)
def survey(message_id: str) -> Response:
    """Show what a message of the inbox asks, and the answer so far; `number` names one of several deliveries."""
    number = read_number(request.args, _NUMBER)
    return as_json(answering.show(answering.inbox(str(message_id), number)))


@blueprint.get("/v1/entries/<uuid:entry_id>/survey")
@requires(Permission.COMMUNICATION_REPORTS)
@spec.validate(resp=answers(reports.GetSurveyResultsResponse), tags=["reports"])
@asks(results.QUESTION, *results.PLACE.parameters())
def survey_results(entry_id: str) -> Response:
    """Count and list the answers to one `question` of a poll or a sign-up, by the parameters of its table: `rsort` …"""
    return as_json(results.ask(str(entry_id), results.read().strict()).answer)


@blueprint.get("/v1/sent/<uuid:message_id>/survey")
@requires(Permission.SIGNED_IN)
@spec.validate(resp=answers(surveys.GetOwnSurveyResponse), tags=["inbox"])
def own_survey(message_id: str) -> Response:
    """Show what a message that the viewer sent asks, and how often each option is chosen so far."""
    return as_json(answering.own(str(message_id)))


@blueprint.put("/v1/inbox/<uuid:message_id>/survey")
@requires(Permission.SIGNED_IN)
@spec.validate(json=models.AnswerBody, resp=answers(surveys.SurveyForm), tags=["inbox"])
def answer_survey(message_id: str) -> Response:
    """Answer what a message of the inbox asks, in place of the answer before."""
    body = read_body(models.AnswerBody)
    return as_json(answering.answer(answering.inbox(str(message_id), body.number), body.chosen))
