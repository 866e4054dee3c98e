"""Every instrument of the gateway, and the span of each request."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from opentelemetry import trace
from opentelemetry.util.types import AnyValue

from services.kit.telemetry import meter, serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_meter = meter(__name__)
duration = _meter.create_histogram(
    "http.server.request.duration", unit="s", description="How long requests took, by route, method and status."
)
sign_ins = _meter.create_counter("lantern.sign_ins", unit="{attempt}", description="Attempts to sign in, by outcome.")
webhooks = _meter.create_counter(
    "lantern.webhooks", unit="{request}", description="Requests of providers, by provider and outcome."
)


def install(app: Flask) -> None:
    """Measure every request of the application, in a span that its calls of the services belong to."""
    handle = app.wsgi_app

    def traced(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with serving():
            return handle(environ, start_response)

    app.wsgi_app = traced  # type: ignore[method-assign]

    @app.before_request
    def begin() -> None:
        g.began_at = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        labels: dict[str, AnyValue] = {
            "http.route": route,
            "http.request.method": request.method,
            "http.response.status_code": response.status_code,
        }
        # By its route: addresses carry what people search for, and families' own links.
        trace.get_current_span().update_name(f"{request.method} {route}")
        if not response.is_streamed:
            duration.record(time.perf_counter() - g.began_at, labels)
        return response
