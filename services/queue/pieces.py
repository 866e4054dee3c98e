"""The pieces in which a submission comes: a header, then recipients."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.queue.domain import MAX_ID
from services.queue.records import TYPE_DIRECTORY, Addressees
from services.queue.words import LONGEST_NAME, shown

ValueT = TypeVar("ValueT")
_MOST_ROWS = 1_000
_SHOWN = ("names", "regarding_student_names", "staff_ids", "student_numbers", "languages")
"""What a roster says of a person: one row of it that is too long stops no message to the others."""
_IDS = ("person_ids", "school_ids", "regarding_student_ids")
_CONTACTS = ("emails", "mobiles", "devices", "phones", "invalid_emails", "invalid_mobiles", "invalid_landlines")
_TEXTS = (*_SHOWN, *_IDS, *_CONTACTS)


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


async def pieces_of(requests: AsyncIterator[pb.SubmitRequest]) -> AsyncIterator[Addressees]:
    """Yield the recipients behind the header. InvalidArgument for anything else, and what `addressees` raises."""
    async for request in requests:
        if request.WhichOneof("piece") != "recipients":
            raise InvalidArgument("PIECE_UNEXPECTED", "After the header come recipients.")
        yield addressees(request.recipients.columns, request.recipients.type)


def addressees(columns: directory.RecipientColumns, kind: "types.RecipientType.ValueType") -> Addressees:
    """Return the addressees of a piece.

    InvalidArgument for a large one, for columns of different lengths, and for what cannot be stored.
    """
    count = columns.count
    if count > _MOST_ROWS:
        wrong = [("/recipients/columns/count", f"At most {_MOST_ROWS:,} a piece.")]
        raise InvalidArgument("PIECE_TOO_LARGE", "A piece holds too many recipients.", violations=wrong)
    texts = {name: _column(columns, name, "") for name in _TEXTS}
    for name in (*_IDS, *_CONTACTS):
        _check(name, texts[name])
    mobiles, landlines = texts["invalid_mobiles"], texts.pop("invalid_landlines")
    return Addressees(
        **texts | {name: _shown(texts[name]) for name in _SHOWN},
        roles=_column(columns, "roles", types.ROLE_UNSPECIFIED),
        has_account=_column(columns, "has_account", False),
        types=[int(kind) or TYPE_DIRECTORY] * count,
        invalid_phones=[mobile or landline for mobile, landline in zip(mobiles, landlines, strict=True)],
    )


def _shown(texts: list[str]) -> list[str]:
    """Return texts as they can be stored; mostly all of them can."""
    if max(map(len, texts), default=0) <= LONGEST_NAME and "\x00" not in "".join(texts):
        return texts
    return [shown(each) for each in texts]


def _check(name: str, values: list[str]) -> None:
    """Raise InvalidArgument when one of them cannot be stored."""
    problem = "A zero character is not allowed." if "\x00" in "".join(values) else ""
    if name in _IDS and max(map(len, values), default=0) > MAX_ID:
        problem = f"At most {MAX_ID} characters."
    if problem:
        wrong = [(f"/recipients/columns/{name}", problem)]
        raise InvalidArgument("PIECE_INVALID", "A recipient is not in order.", violations=wrong)


def _column(columns: directory.RecipientColumns, name: str, empty: ValueT) -> list[ValueT]:
    values: Sequence[ValueT] = getattr(columns, name)
    if not values:
        return [empty] * columns.count
    if len(values) != columns.count:
        wrong = [(f"/recipients/columns/{name}", f"{columns.count:,} values are needed, or none.")]
        raise InvalidArgument("PIECE_UNEVEN", "A piece's columns differ in length.", violations=wrong)
    return list(values)
