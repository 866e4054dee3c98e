"""The Flask application: settings, hooks, routes."""

import gzip
from functools import partial

from flask import Flask, Response, g, request
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from services.gateway import auth, keeping, limits, metrics, pages, problems
from services.gateway.limits import BODY_BYTES
from services.gateway.routes import BLUEPRINTS, OPEN_TO_OTHER_SITES
from services.gateway.state import KEY, Gateway

_FORM_LIFE_SECONDS = 12 * 3600
_SMALLEST_COMPRESSED = 1000
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer."""


def create_app(gateway: Gateway) -> Flask:
    """Return the application around what the process holds."""
    app = Flask("services.gateway", static_folder=None, template_folder="templates")
    app.extensions[KEY] = gateway
    _configure(app, gateway)
    # Measuring begins before anything can refuse the request.
    metrics.install(app)
    auth.install(app)
    limits.install(app)
    # Reads the form, so that who is asking and how much they may send must be known before.
    protection = CSRFProtect(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for blueprint in OPEN_TO_OTHER_SITES:
        protection.exempt(blueprint)
    problems.install(app)
    keeping.install(app)
    pages.install(app)
    app.after_request(partial(_finish, is_secure=gateway.settings.is_secure))
    if gateway.settings.trusted_proxies:
        count = gateway.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=0)  # type: ignore[method-assign]
    return app


def _configure(app: Flask, gateway: Gateway) -> None:
    app.config.update(
        SECRET_KEY=gateway.settings.session_secret.get_secret_value(),
        SESSION_COOKIE_NAME="lantern_form",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=gateway.settings.is_secure,
        MAX_CONTENT_LENGTH=BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=BODY_BYTES,
        MAX_FORM_PARTS=2000,
        WTF_CSRF_TIME_LIMIT=_FORM_LIFE_SECONDS,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.json.sort_keys = False  # type: ignore[attr-defined]


def _finish(response: Response, *, is_secure: bool) -> Response:
    """Add the headers that every answer has, and compress what is worth it."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
    # Pages carry form tokens, answers carry what one person may see: neither belongs into a cache.
    is_own = g.get("person") is not None or response.mimetype == "text/html"
    response.headers.setdefault("Cache-Control", "no-store" if is_own else "no-cache")
    if _is_worth_compressing(response):
        response.set_data(gzip.compress(response.get_data(), 5))
        response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
    return response


def _is_worth_compressing(response: Response) -> bool:
    if response.is_streamed or response.direct_passthrough or "Content-Encoding" in response.headers:
        return False
    if "gzip" not in request.headers.get("Accept-Encoding", "") or request.method == "HEAD":
        return False
    return (response.content_length or 0) >= _SMALLEST_COMPRESSED and (response.mimetype or "").startswith(
        ("text/", "application/json", "application/problem+json")
    )
