"""The pieces in which a submission comes: a header, then recipients."""

from collections.abc import AsyncIterator, Sequence

from protos.queue.v1 import queue_pb2 as pb
from services.kit.errors import InvalidArgument
from services.queue import words
from services.queue.records import Addressee

_MOST_ROWS = 1_000


async def previewed(requests: AsyncIterator[pb.PreviewSubmissionRequest]) -> AsyncIterator[pb.SubmitRequest]:
    """Yield the pieces of a preview as Submit takes them."""
    async for request in requests:
        yield request.piece


async def header_of(requests: AsyncIterator[pb.SubmitRequest]) -> pb.MessageHeader:
    """Take the header off a submission. InvalidArgument when it does not come first."""
    async for request in requests:
        if request.WhichOneof("piece") == "header":
            return request.header
        break
    raise InvalidArgument("HEADER_MISSING", "The first piece carries the header.")


async def pieces_of(requests: AsyncIterator[pb.SubmitRequest]) -> AsyncIterator[Sequence[Addressee]]:
    """Yield the recipients behind the header. InvalidArgument for anything else, and for large pieces."""
    async for request in requests:
        if request.WhichOneof("piece") != "recipients":
            raise InvalidArgument("PIECE_UNEXPECTED", "After the header come recipients.")
        if len(request.recipients.rows) > _MOST_ROWS:
            wrong = [("/recipients/rows", f"At most {_MOST_ROWS:,} a piece.")]
            raise InvalidArgument("PIECE_TOO_LARGE", "A piece holds too many recipients.", violations=wrong)
        yield [words.addressee(row) for row in request.recipients.rows]
