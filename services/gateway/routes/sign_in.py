"""Signing in and out, and the first page."""

from flask import Blueprint, redirect, render_template, request, session
from werkzeug.wrappers import Response

from services.gateway import auth, metrics, sessions
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import reports_home, safe_return
from services.gateway.state import gateway, person
from services.kit.errors import InvalidArgument, ResourceExhausted, ServiceError, Unauthenticated

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/")
@requires(Permission.SIGNED_IN)
def home() -> Response:
    """Lead to what the person came for."""
    someone = person()
    may = someone.may(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS)
    return redirect(reports_home(someone) if may else "/inbox", 303)


@blueprint.get("/sign-in")
@requires(Permission.PUBLIC)
def form() -> Response | str:
    """Show the sign-in page; lead on who is signed in already."""
    if auth.signed_in_person():
        return redirect(safe_return(request.args.get("next", ""), "/"), 303)
    return render_template("sign_in.html", next=request.args.get("next", ""), username="", problem=None)


@blueprint.post("/sign-in")
@requires(Permission.PUBLIC)
def sign_in() -> Response | tuple[str, int, dict[str, str]]:
    """Begin a session."""
    username, back = request.form.get("username", ""), request.form.get("next", "")
    try:
        response = begin(username, request.form.get("password", ""), redirect(safe_return(back, "/"), 303))
    except (InvalidArgument, Unauthenticated, ResourceExhausted) as problem:
        return _again(username, back, problem)
    return response


def begin(username: str, password: str, response: Response) -> Response:
    """Begin a session and give it to the browser with the response. Raises what sessions.sign_in raises."""
    try:
        token = sessions.sign_in(gateway().engine, gateway().clock, username, password, request.remote_addr or "")
    except ServiceError as problem:
        metrics.sign_ins.add(1, {"outcome": problem.reason.lower()})
        raise
    metrics.sign_ins.add(1, {"outcome": "signed_in"})
    # A form token from before the sign-in must not be good after it.
    session.clear()
    auth.set_cookie(response, token)
    return response


@blueprint.post("/sign-out")
@requires(Permission.PUBLIC)
def sign_out() -> Response:
    """End the session."""
    response = redirect("/sign-in", 303)
    if token := request.cookies.get(auth.COOKIE):
        sessions.sign_out(gateway().engine, token)
    session.clear()
    auth.drop_cookie(response)
    return response


def _again(username: str, back: str, problem: ServiceError) -> tuple[str, int, dict[str, str]]:
    wait = problem.retry_after_seconds
    minutes = int(wait // 60) + 1 if wait else 0
    headers = {"Retry-After": str(int(wait) + 1)} if wait else {}
    page = render_template("sign_in.html", next=back, username=username, problem=problem, minutes=minutes)
    return page, 429 if wait else 400 if isinstance(problem, InvalidArgument) else 401, headers
