"""Styles and scripts, to be kept by browsers for ever."""

from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.state import gateway

blueprint = Blueprint("assets", __name__)
_FOR_EVER = "public, max-age=31536000, immutable"


@blueprint.get("/assets/<path:key>")
@requires(Permission.PUBLIC)
def asset(key: str) -> Response:
    """Send a file at the address that its content gave it."""
    found = gateway().assets.find(key)
    if found is None:
        abort(404)
    is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(found.compressed if is_compressed else found.content, content_type=found.content_type)
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = _FOR_EVER
    return response


@blueprint.get("/favicon.ico")
@requires(Permission.PUBLIC)
def icon() -> BaseResponse:
    """Lead browsers that ask for the old address to the icon."""
    return redirect(gateway().assets.address("lantern.svg"), 301)
