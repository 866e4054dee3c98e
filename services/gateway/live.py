"""Server-sent events: a stream for each open page, within the limit of the process."""

from collections.abc import Callable, Iterable, Iterator

import grpc
from flask import Response

from services.gateway.state import gateway

_RETRY_MILLISECONDS = 3000
_FULL_SECONDS = 20


class _Stream:
    """The body of a stream: gives the place back however it ends."""

    def __init__(self, lines: Iterator[str], release: Callable[[], None]) -> None:
        self._lines, self._release = lines, release

    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        self._release()


def event_stream(name: str, data: Iterable[str], cancel: Callable[[], object]) -> Response:
    """Answer a stream with one event for each piece of data; "" is a sign of life. 503 when the process has no room."""
    hub = gateway().alerts
    place = hub.take_stream(cancel)
    if place is None:
        cancel()
        return Response("", 503, headers={"Retry-After": str(_FULL_SECONDS)})

    def release() -> None:
        cancel()
        hub.give_back_stream(place)

    response = Response(_Stream(_lines(name, data, release), release), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _lines(name: str, data: Iterable[str], release: Callable[[], None]) -> Iterator[str]:
    try:
        yield f"retry: {_RETRY_MILLISECONDS}\n\n"
        for piece in data:
            yield f"event: {name}\ndata: {piece}\n\n" if piece else ": alive\n\n"
    except grpc.RpcError:
        # The browser connects again by itself; a page that is refused then says why.
        return
    finally:
        release()
