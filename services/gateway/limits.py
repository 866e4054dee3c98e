"""How much of a request is read: a megabyte, and a recording where staff upload one."""

from flask import Flask, request

from services.gateway.auth import signed_in_person

BODY_BYTES = 1024 * 1024
"""The largest request that is read."""
RECORDING_BYTES = 10 * 1024 * 1024
"""The largest recording."""
_WITH_RECORDINGS = frozenset({"/compose", "/compose/survey", "/api/v1/recordings"})


def install(app: Flask) -> None:
    """Set the limit of every request before anything reads it."""

    @app.before_request
    def allow_recordings() -> None:
        if request.method == "POST" and request.path in _WITH_RECORDINGS:
            someone = signed_in_person()
            if someone is not None and someone.is_staff:
                request.max_content_length = RECORDING_BYTES + BODY_BYTES
