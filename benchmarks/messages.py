"""Messages to submit: texts to families, encoded before a clock runs."""

import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from enum import Enum

import grpc

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.columns import columns_of

_PIECE = 1_000
SCHOOLS = 20
DUPLICATES = 33
"""Every 33rd recipient shares the number of the one before: 3 %, as siblings' parents do."""
_LATER_SECONDS = 540
_keys = itertools.count()


class Kind(Enum):
    """What is submitted."""

    TEXT = "text"
    """An ordinary text, now."""
    LATER = "later"
    """A text of the bulk lane, in nine minutes."""
    EMERGENCY = "emergency"
    """An emergency call, read aloud."""


def recipients(count: int, first: int = 1) -> list[directory.Recipient]:
    """Return parents of `count` students, school by school as directory resolves an audience.

    `first` makes their numbers differ from those of other messages.
    """
    return [_recipient(number, first, (number - 1) * SCHOOLS // count) for number in range(1, count + 1)]


def _recipient(number: int, first: int, school: int) -> directory.Recipient:
    phone = first + number - (1 if number % DUPLICATES == 0 else 0)
    person = directory.Recipient()
    person.person_id = str(uuid.UUID(int=(first << 64) + number))
    person.name = f"Morgan Parent-{number}"
    person.role = types.ROLE_PARENT
    person.school_id = f"school-{school:02}"
    person.regarding_student_id = str(uuid.UUID(int=(first << 64) + (1 << 40) + number))
    person.regarding_student_name = f"Riley Student-{number}"
    person.student_number = f"{number:07}"
    person.language = "en"
    person.email = f"parent{number}@example.org"
    person.mobile = f"+1212{2_000_000 + phone:07}"
    return person


def pieces(rows: Sequence[directory.Recipient]) -> list[bytes]:
    """Return the recipients as the pieces of a submission, on the wire."""
    return [
        pb.SubmitRequest(recipients=pb.Recipients(columns=columns_of(rows[start : start + _PIECE]))).SerializeToString()
        for start in range(0, len(rows), _PIECE)
    ]


def submit(
    channel: grpc.Channel,
    authorization: Sequence[tuple[str, str]],
    encoded: Sequence[bytes],
    kind: Kind = Kind.TEXT,
) -> pb.SubmitResponse:
    """Submit one message over gRPC, once per family, and return what the queue answers after its commit."""
    header = pb.MessageHeader(
        idempotency_key=f"bench-{uuid.uuid4()}-{next(_keys)}",
        sender=pb.Sender(name="Lincoln County Public Schools", role=types.ROLE_ADMIN),
        subject="Snow day",
        body="Schools are closed tomorrow because of snow. Buses do not run; meals can be picked up at every school.",
        channels=[pb.ChannelContent(channel=types.CHANNEL_TTS if kind is Kind.EMERGENCY else types.CHANNEL_SMS)],
        once_per_family=True,
        lane=types.LANE_BULK if kind is Kind.LATER else types.LANE_NORMAL,
        is_emergency=kind is Kind.EMERGENCY,
    )
    if kind is Kind.LATER:
        header.send_at.FromSeconds(int(time.time()) + _LATER_SECONDS)

    def requests() -> Iterator[bytes]:
        yield pb.SubmitRequest(header=header).SerializeToString()
        yield from encoded

    call = channel.stream_unary(
        "/comms.queue.v1.QueueService/Submit",
        request_serializer=lambda piece: piece,
        response_deserializer=pb.SubmitResponse.FromString,
    )
    answer: pb.SubmitResponse = call(requests(), metadata=tuple(authorization), timeout=300)
    return answer
