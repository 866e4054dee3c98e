"""Recordings over HTTP: opened for whoever may hear them, answered whole or by one range of bytes."""

from collections.abc import Iterator

import grpc
from flask import Response, request

from protos.queue.v1 import queue_pb2 as queue
from services.gateway.state import gateway
from services.kit.errors import DeadlineExceeded, FailedPrecondition, NotFound, Unavailable
from services.kit.rpc_errors import translated

PATH = "/recordings"
_PIECE_BYTES = 256 * 1024
_SECONDS = 60.0
_NOT_SATISFIABLE = 416
_FARTHEST = 2**62
"""Farther than any recording goes, and still a number that the queue reads: browsers may ask for more."""


def add(pieces: Iterator[bytes]) -> queue.Recording:
    """Keep an upload of the signed-in person. InvalidArgument says at /recording what is wrong with it."""
    with translated():
        wanted = (queue.AddRecordingRequest(chunk=piece) for piece in pieces)
        answer: queue.AddRecordingResponse = gateway().clients.queue.AddRecording(wanted, timeout=_SECONDS)
    return answer.recording


def pieces_of(stream: object) -> Iterator[bytes]:
    """Yield what can be read from a stream."""
    read = getattr(stream, "read")  # noqa: B009 - werkzeug's streams share no type
    while piece := read(_PIECE_BYTES):
        yield bytes(piece)


def open_entry(entry_id: str) -> queue.OpenRecordingResponse | None:
    """Return a ticket to hear what an entry plays; None when there is nothing to hear, or not now."""
    return _opened(queue.OpenRecordingRequest(entry_id=entry_id))


def open_draft(recording_id: str) -> queue.OpenRecordingResponse | None:
    """Return a ticket to hear one's own upload; None when it is gone."""
    return _opened(queue.OpenRecordingRequest(recording_id=recording_id)) if recording_id else None


def _opened(wanted: queue.OpenRecordingRequest) -> queue.OpenRecordingResponse | None:
    try:
        with translated():
            answer: queue.OpenRecordingResponse = gateway().clients.queue.OpenRecording(wanted)
    except (NotFound, FailedPrecondition, Unavailable, DeadlineExceeded):
        return None
    return answer


def played(ticket: str, metadata: tuple[tuple[str, str], ...] | None = None) -> Response:
    """Answer the audio of a ticket, or the range that the request asks for. NotFound for a ticket that is none."""
    offset, length = _asked_range()
    wanted = queue.ReadRecordingRequest(ticket=ticket, offset=offset, length=length)
    call = gateway().clients.queue.ReadRecording(wanted, metadata=metadata, timeout=_SECONDS)
    with translated():
        first = next(call)
    recording, start = first.recording, first.start
    stop = min(recording.size_bytes, start + length) if length else recording.size_bytes
    if start >= stop:
        call.cancel()
        headers = {"Content-Range": f"bytes */{recording.size_bytes}"}
        return Response(status=_NOT_SATISFIABLE, headers=headers)
    response = Response(_chunks(call), mimetype=recording.content_type)
    response.call_on_close(call.cancel)
    response.content_length = stop - start
    response.accept_ranges = "bytes"
    response.set_etag(recording.recording_id)
    if request.range and request.range.units == "bytes" and len(request.range.ranges) == 1:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{recording.size_bytes}"
    return response


def _asked_range() -> tuple[int, int]:
    """Return offset and length of the one range that is asked for, zeros for the whole."""
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return 0, 0
    start, stop = asked.ranges[0]
    # "bytes=0-" asks for everything and is answered as a range: players learn from it that they can jump.
    length = 0 if stop is None else min(stop - start, _FARTHEST)
    return max(-_FARTHEST, min(start, _FARTHEST)), length


def _chunks(call: Iterator[queue.ReadRecordingResponse]) -> Iterator[bytes]:
    try:
        for piece in call:
            yield piece.chunk
    except grpc.RpcError as problem:
        raise ConnectionError("the audio broke off") from problem
