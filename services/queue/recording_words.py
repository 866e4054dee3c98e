"""Recordings as protos."""

from protos.queue.v1 import queue_pb2 as pb
from services.queue.store.recordings import Recording


def recording(found: Recording) -> pb.Recording:
    """Return a recording without its owner."""
    return pb.Recording(
        recording_id=found.recording_id,
        content_type=found.content_type,
        size_bytes=found.size_bytes,
        duration_seconds=found.duration_seconds,
    )
