"""Senders of the sample district: a number for emergency calls, and an address for attendance."""

from typing import Any, Final

from protos.queue.v1 import senders_pb2 as pb
from protos.types.v1 import types_pb2 as types

SENDERS: Final = (
    pb.SenderIdentity(
        message_type=types.MESSAGE_TYPE_EMERGENCY, way=pb.SenderIdentity.WAY_CALL, address="+12125550111"
    ),
    pb.SenderIdentity(
        message_type=types.MESSAGE_TYPE_ATTENDANCE,
        way=pb.SenderIdentity.WAY_EMAIL,
        address="attendance@lantern.example.org",
    ),
)


async def set_senders(stub: Any) -> None:
    """Set each; the same again changes nothing."""
    for each in SENDERS:
        await stub.SetSender(pb.SetSenderRequest(sender=each))
