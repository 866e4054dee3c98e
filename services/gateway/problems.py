"""Errors as people and programs see them: a page, or RFC 9457 problem+json for the API and the webhooks."""

import math
from http import HTTPStatus

from flask import Flask, Response, g, json, make_response, render_template, request
from opentelemetry import trace
from werkzeug.exceptions import HTTPException

from services.kit import errors
from services.kit.errors import ServiceError
from services.kit.logs import get_logger

_log = get_logger(__name__)
STATUS = {
    errors.InvalidArgument: 400,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.FailedPrecondition: 409,
    errors.Aborted: 409,
    errors.ResourceExhausted: 429,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.Internal: 500,
}
"""HTTP status of each class of error."""
AWAY = (errors.Unavailable, errors.DeadlineExceeded)
"""A service that does not answer, or not in time."""
SHOWN = (errors.InvalidArgument, errors.FailedPrecondition, errors.Aborted, errors.ResourceExhausted, *AWAY)
"""What a long form shows in place of an error page, with all that was filled in."""
_KEPT = "The system does not answer at the moment. What you wrote is kept on this page: try again soon."
_EXPIRED = "The page was open for too long, or the form came from elsewhere. Load the page again and send it once more."
_HTTP_REASONS = {
    400: ("REQUEST_MALFORMED", "The request cannot be read."),
    404: ("PAGE_NOT_FOUND", "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "This address does not answer that method."),
    413: ("BODY_TOO_LARGE", "The request is larger than 1 MB."),
    414: ("ADDRESS_TOO_LONG", "The address is too long."),
    415: ("MEDIA_TYPE_UNSUPPORTED", "The body is not of a type that is read here."),
}


def shown(problem: ServiceError) -> ServiceError:
    """Return an error as a form shows it: that a service is away says that nothing which was written is lost."""
    return type(problem)(problem.reason, _KEPT) if isinstance(problem, AWAY) else problem


def wrong_fields(problem: ServiceError | None) -> dict[str, str]:
    """Return what a form says beside its fields: the detail of each violation by its pointer."""
    return {each.pointer: each.detail for each in problem.violations} if problem else {}


def wants_problem() -> bool:
    """Tell whether the answer is for a program."""
    return request.path.startswith(("/api/", "/webhooks/"))


def install(app: Flask) -> None:
    """Answer every error of this application."""
    app.register_error_handler(ServiceError, on_service_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_bug)


def on_service_error(error: ServiceError) -> Response:
    """Answer with what a service refused, or this application itself."""
    if isinstance(error, errors.Internal):
        return _answer(500, "INTERNAL", "Something went wrong on our side.")
    return _answer(STATUS[type(error)], error.reason, error.message, error)


def expired(text: str = _EXPIRED) -> Response:
    """Answer a form whose token is missing, old or of another session."""
    return _answer(400, "FORM_EXPIRED", text)


def _on_http_error(error: HTTPException) -> Response:
    code = error.code or 500
    if code < 400:
        return make_response(error.get_response())
    reason, text = _HTTP_REASONS.get(code, ("REQUEST_REFUSED", "The request is refused."))
    response = _answer(code, reason, text)
    response.headers.extend([(name, value) for name, value in error.get_headers() if name == "Allow"])
    return response


def _on_bug(problem: Exception) -> Response:
    _log.error("request_failed", exc_info=problem, route=str(request.url_rule), method=request.method)
    return _answer(500, "INTERNAL", "Something went wrong on our side.")


def _answer(status: int, reason: str, detail: str, error: ServiceError | None = None) -> Response:
    g.reason = reason
    body = problem_body(status, reason, detail, error)
    if wants_problem():
        response = Response(json.dumps(body), status, content_type="application/problem+json")
    else:
        is_part = "HX-Request" in request.headers
        page = render_template("error_part.html" if is_part else "error.html", problem=body)
        response = make_response(page, status)
        if is_part:
            response.headers["HX-Retarget"] = "#notice"
            response.headers["HX-Reswap"] = "innerHTML"
            response.headers["HX-Reselect"] = ".problem"
    if error:
        response.headers.update(retry_after(error))
    return response


def retry_after(error: ServiceError) -> dict[str, str]:
    """Return the header that says when another try may succeed; none when that is not known."""
    seconds = error.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


def problem_body(status: int, reason: str, detail: str, error: ServiceError | None) -> dict[str, object]:
    """Return the members of an RFC 9457 problem. docs/errors.md explains each `type`."""
    body: dict[str, object] = {
        "type": f"/problems/{reason.lower().replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or HTTPStatus(status).phrase,
        "reason": reason,
    }
    if error and error.violations:
        body["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in error.violations]
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        body["instance"] = f"/traces/{context.trace_id:032x}"
    return body
