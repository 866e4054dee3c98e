"""Answering polls and sign-ups: by the link of an e-mail, without an account, and in the portal inbox.

Mail scanners open links: GET shows and changes nothing. The link is the only right there is, so that another site's
form could do no more than its own visitor could.
"""

from collections.abc import Callable

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from protos.queue.v1 import surveys_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway import answering
from services.gateway.access import Permission
from services.gateway.answer_words import answer_words, browser_words
from services.gateway.answering import Shown
from services.gateway.auth import requires
from services.gateway.problems import STATUS, retry_after
from services.gateway.routes.inbox import show_message
from services.gateway.searches import whole
from services.gateway.state import gateway
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, ServiceError

blueprint = Blueprint("answers", __name__)
inbox_blueprint = Blueprint("inbox_answers", __name__)
_GONE = 410
_LINK = "/answer/<string(maxlength=200):link>"
_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


@blueprint.get(_LINK)
@requires(Permission.PUBLIC)
def show(link: str) -> Response:
    """Show what a link asks, and the answer that was given."""
    try:
        form = answering.show_by_link(link, request.remote_addr or "")
    except (NotFound, FailedPrecondition, ResourceExhausted) as problem:
        return _refused(problem)
    is_saved = request.args.get("saved") == "1"
    return _page(Shown(form, list(form.chosen), is_saved=is_saved and form.HasField("answered_at")))


@blueprint.post(_LINK)
@requires(Permission.PUBLIC)
def take(link: str) -> BaseResponse:
    """Store an answer, and lead back to the page that shows it."""
    try:
        form = answering.show_by_link(link, request.remote_addr or "")
        shown = _taken(form, lambda chosen: answering.answer_by_link(link, chosen))
    except (NotFound, FailedPrecondition, ResourceExhausted) as problem:
        return _refused(problem)
    if shown.is_saved:
        response: BaseResponse = redirect(f"/answer/{link}?saved=1", 303)
        response.headers.update(_HEADERS)
        return response
    # What is full or closed may be so since a moment: shown as it is now, with what was filled in.
    now = answering.show_by_link(link, request.remote_addr or "")
    return _page(Shown(now, shown.chosen, shown.wrong, shown.reason), 400 if shown.wrong else 409)


def _taken(form: pb.SurveyForm, answer: Callable[[list[int]], pb.SurveyForm]) -> Shown:
    """Give the answer of the request's form; return it saved, or with what is wrong with it."""
    is_signup = form.channel == types.CHANNEL_SIGNUP
    chosen = answering.read_chosen(request.form, len(form.survey.questions), is_signup=is_signup)
    try:
        return Shown(answer(chosen), chosen, is_saved=True)
    except (InvalidArgument, FailedPrecondition) as problem:
        if problem.reason not in {"ANSWER_INVALID", "SLOT_FULL", "SURVEY_CLOSED"}:
            raise
        return Shown(form, chosen, answering.wrong_at(problem.violations), problem.reason)


def _page(shown: Shown, status: int = 200) -> Response:
    said = answer_words(shown.form.language, gateway().zone)
    response = make_response(render_template("answer.html", shown=shown, said=said), status)
    response.headers.update(_HEADERS)
    return response


def render_refused(problem: ServiceError) -> str:
    """Return the page of a link that cannot be used, in a language that the browser asks for."""
    said = browser_words(request.accept_languages.values(), gateway().zone)
    return render_template("answer_refused.html", problem=problem, said=said)


def _refused(problem: ServiceError) -> Response:
    status = _GONE if problem.reason == "SURVEY_GONE" else STATUS[type(problem)]
    response = make_response(render_refused(problem), status)
    response.headers.update(_HEADERS)
    response.headers.update(retry_after(problem))
    return response


@inbox_blueprint.post("/inbox/<uuid:message_id>/answer")
@requires(Permission.SIGNED_IN)
def take_in_inbox(message_id: str) -> str | BaseResponse | tuple[str, int]:
    """Store the answer of the signed-in person, for one of their deliveries."""
    respondent = answering.inbox(str(message_id), whole(request.form.get("number", "")))
    shown = _taken(answering.show(respondent), lambda chosen: answering.answer(respondent, chosen))
    if shown.is_saved:
        return redirect(f"/inbox/{message_id}?answered={shown.form.number}#answer-{shown.form.number}", 303)
    return show_message(str(message_id), "inbox", refused=shown), 400 if shown.wrong else 409
