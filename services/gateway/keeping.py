"""Forms whose answer cannot be drawn as usual: what was filled in is not lost, and nothing of it is done by itself.

While a service is away, or when the session is over, a page keeps the fields and sends them again. A form that was
opened in an earlier session is drawn again with what it says, for the person to look at and send.
"""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import RequestEntityTooLarge

from services.gateway import problems
from services.gateway.auth import is_allowed, signed_in_person
from services.gateway.problems import AWAY, STATUS, shown
from services.gateway.state import gateway
from services.kit.errors import InvalidArgument, ServiceError, Unauthenticated

_RENEWED = (
    "This page was open for too long, you signed in again, or Lantern did not answer meanwhile. Nothing was sent or"
    " changed: look at what you wrote, then send it once more."
)
_PART_EXPIRED = (
    "This page was open for too long, or you signed in again meanwhile. Send the form: it is shown to you again first,"
    " with what you wrote."
)
_NOT_YOURS = (
    "This form was opened by somebody else. Nothing was sent or changed, and what they wrote is not shown. Open the"
    " page anew."
)
_SIGNED_OUT = (
    "Nothing was sent or changed. What you wrote is kept on this page, and nowhere else: sign in in a new tab, come"
    " back here, and press Try again. It is shown to you before it is sent."
)


def keeps_form(view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer, where the view fails since a service does not answer, with all that was filled in, to be sent again.

    For views that may be called twice with the same form.
    """

    @wraps(view)
    def kept(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except AWAY as problem:
            return _kept(shown(problem), has_token=True)

    return kept


def draws_again(draw: Callable[..., str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name what draws a view's form with all that was filled in, when the session that it was opened in is over.

    It gets the problem to show and the view's own arguments, and neither sends nor changes anything.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        view.draws_again = draw  # type: ignore[attr-defined]
        return view

    return decorate


def install(app: Flask) -> None:
    """Answer forms of earlier sessions, and those of which it cannot be found out whose they are."""
    app.jinja_env.globals["opened_by"] = _opened_by
    app.register_error_handler(CSRFError, _on_expired)
    app.register_error_handler(Unauthenticated, _on_signed_out)
    for problem in AWAY:
        app.register_error_handler(problem, _on_away)


def _opened_by() -> str:
    """Return what tells a form's owner from everybody else, and says nothing of them to whoever reads it."""
    someone = g.get("person")
    if someone is None:
        return ""
    secret = gateway().settings.session_secret.get_secret_value()
    return hmac.new(secret.encode(), f"opened by {someone.person_id}".encode(), "sha256").hexdigest()[:32]


def _is_own() -> bool:
    """Tell whether who is signed in opened the form: a computer may be shared, and another person's text is theirs."""
    return hmac.compare_digest(request.form.get("opened_by", "").encode(), _opened_by().encode())


def _on_expired(_error: CSRFError) -> Response:
    view = _view()
    try:
        someone = signed_in_person() if view else None
        if view and someone is None:
            return _on_signed_out(Unauthenticated("SIGN_IN_NEEDED", "Sign in to go on."))
        if view and someone and is_allowed(someone, view.requires):
            return _drawn(view)
    except AWAY as problem:
        return _on_away(problem)
    except ServiceError as problem:
        return problems.on_service_error(problem)
    return problems.expired()


def _on_signed_out(error: Unauthenticated) -> Response:
    if _view() is None or _is_part():
        return problems.on_service_error(error)
    return _kept(Unauthenticated(error.reason, _SIGNED_OUT + _files()), has_token=False)


def _on_away(error: ServiceError) -> Response:
    """Keep a form that was not read far enough for its view to keep it: directory is asked first who sends it."""
    if _view() is None or _is_part():
        return problems.on_service_error(error)
    try:
        return _kept(type(error)(error.reason, shown(error).message + _files()), has_token=False)
    except RequestEntityTooLarge:
        return problems.on_service_error(error)


def _view() -> Any:
    """Return the view of the request if its form can be drawn again, and is one of our pages'."""
    view = current_app.view_functions.get(request.endpoint or "")
    return view if hasattr(view, "draws_again") and not _is_of_another_site() else None


def _is_of_another_site() -> bool:
    """Tell whether the browser says that another site sent the form: its words are not the person's own.

    "none" is what the person did without any page, such as loading this one again.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    ours = (request.host, urlsplit(gateway().settings.public_url).netloc)
    is_elsewhere = origin is not None and origin.partition("://")[2] not in ours
    return is_elsewhere or site not in ("same-origin", "none")


def _drawn(view: Any) -> Response:
    if not _is_own():
        return problems.expired(_NOT_YOURS)
    if _is_part():
        return problems.expired(_PART_EXPIRED)
    g.reason = "FORM_EXPIRED"
    problem = InvalidArgument(g.reason, _RENEWED + _files())
    return make_response(view.draws_again(problem, **(request.view_args or {})), 400)


def _kept(problem: ServiceError, *, has_token: bool) -> Response:
    """Answer with the fields in hidden ones, also with who opened the form.

    Without a token they are drawn again before anything is done with them.
    """
    g.reason = problem.reason
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    page = render_template(
        "kept.html", problem=problem, fields=fields, address=request.path, has_token=has_token, status=_status(problem)
    )
    return make_response(page, _status(problem))


def _status(problem: ServiceError) -> int:
    return STATUS[type(problem)]


def _is_part() -> bool:
    return "HX-Request" in request.headers


def _files() -> str:
    names = [each.filename for each in request.files.values() if each.filename]
    return "".join(f" The file {name} cannot be kept: choose it again." for name in names)
