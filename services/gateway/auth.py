"""Who is asking, before every route; and what each route asks of them."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast
from urllib.parse import urlencode

from flask import Flask, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from services.gateway import sessions
from services.gateway.access import Permission, Person
from services.gateway.clients import viewer_token
from services.gateway.problems import wants_problem
from services.gateway.state import gateway
from services.kit.errors import PermissionDenied, Unauthenticated

COOKIE = "lantern_session"
"""The cookie that holds the session's token."""
P = ParamSpec("P")
R = TypeVar("R")


def requires(*permissions: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Answer the route only to people who hold one of the permissions. Every route names them; a test sees to it."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if Permission.PUBLIC not in permissions:
                refusal = _refusal(permissions)
                if refusal is not None:
                    return cast(R, refusal)
            return view(*args, **kwargs)

        checked.requires = permissions  # type: ignore[attr-defined]
        return checked

    return decorate


def _refusal(permissions: tuple[Permission, ...]) -> BaseResponse | None:
    someone: Person | None = _load_person()
    if someone is None:
        if wants_problem() or request.method != "GET" or "HX-Request" in request.headers:
            raise Unauthenticated("SIGN_IN_NEEDED", "Sign in to go on.")
        return redirect_to_sign_in()
    if not is_allowed(someone, permissions):
        raise PermissionDenied("PERMISSION_MISSING", "Your profile does not allow this.")
    return None


def is_allowed(someone: Person, permissions: tuple[Permission, ...]) -> bool:
    """Tell whether a route that asks for one of these permissions is for somebody who is signed in."""
    return Permission.SIGNED_IN in permissions or someone.may(*permissions)


def redirect_to_sign_in() -> BaseResponse:
    """Send the browser to the sign-in page, and back here afterwards."""
    back = request.full_path.rstrip("?")
    return redirect("/sign-in" if back == "/" else f"/sign-in?{urlencode({'next': back})}", 303)


def _load_person() -> Person | None:
    """Put the person of the request, and a token in their name, where views and stubs find them."""
    if "person" not in g:
        token = request.cookies.get(COOKIE, "")
        session = sessions.find_session(gateway().engine, gateway().clock, token) if token else None
        found = gateway().viewers.look_up(session.person_id) if session else None
        someone, signed = found or (None, "")
        g.person = someone.working_in(session.school_id) if someone and session else None
        viewer_token.set(signed)
    return cast("Person | None", g.person)


def signed_in_person() -> Person | None:
    """Return who is signed in, or None; for pages that everyone may see."""
    return _load_person()


def set_cookie(response: BaseResponse, token: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(sessions.LIFE.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=gateway().settings.is_secure,
    )


def drop_cookie(response: BaseResponse) -> None:
    """Take the session away from the browser."""
    response.delete_cookie(COOKIE, httponly=True, samesite="Lax", secure=gateway().settings.is_secure)


def install(app: Flask) -> None:
    """Make sure that no request inherits the person of the one before it on the same thread."""

    @app.before_request
    def forget() -> None:
        viewer_token.set("")

    @app.teardown_request
    def forget_again(_problem: BaseException | None) -> None:
        viewer_token.set("")
