"""SenderService: proto to action to proto."""

from typing import Any

from protos.queue.v1 import senders_pb2 as pb
from protos.queue.v1 import senders_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.auth import current_caller
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id
from services.queue import words
from services.queue.actions.sending_as import Senders, listed
from services.queue.clients import Directory
from services.queue.senders import Identity, Way
from services.queue.type_words import TYPE_NUMBERS, message_types

_WAYS = {
    Way.EMAIL: pb.SenderIdentity.WAY_EMAIL,
    Way.SMS: pb.SenderIdentity.WAY_SMS,
    Way.CALL: pb.SenderIdentity.WAY_CALL,
}
_BY_NUMBER = {int(number): way for way, number in _WAYS.items()}
_LONGEST = 254


class SenderServicer(senders_pb2_grpc.SenderServiceServicer):
    """Answers SenderService."""

    def __init__(self, senders: Senders, directory: Directory) -> None:
        """Take what every call needs."""
        self._senders, self._directory = senders, directory

    async def ListSenders(self, request: pb.ListSendersRequest, context: Any) -> pb.ListSendersResponse:
        """List the identities in sight."""
        identities, changes = await listed(self._senders.engine, current_caller())
        answer = pb.ListSendersResponse(senders=[_message(each) for each in identities])
        for each in changes:
            answer.changes.add(
                sender=_message(each.identity),
                is_removed=each.action == "removed",
                person_name=each.person_name,
                at=words.stamp(each.changed_at),
            )
        return answer

    async def SetSender(self, request: pb.SetSenderRequest, context: Any) -> pb.SetSenderResponse:
        """Set an identity."""
        schools = await self._directory.schools() if request.sender.school_id else {}
        await self._senders.put(current_caller(), _identity(request.sender), schools)
        return pb.SetSenderResponse()

    async def RemoveSender(self, request: pb.RemoveSenderRequest, context: Any) -> pb.RemoveSenderResponse:
        """Remove an identity."""
        await self._senders.remove(current_caller(), _identity(request.sender))
        return pb.RemoveSenderResponse()


def _identity(message: pb.SenderIdentity) -> Identity:
    way = _BY_NUMBER.get(int(message.way))
    if way is None or len(message.address) > _LONGEST:
        wrong = [("/way", "Choose e-mail, text or call.")] if way is None else [("/address", "This is too long.")]
        raise InvalidArgument("SENDER_INVALID", "The sender is not in order.", violations=wrong)
    school_id = check_id("school_id", message.school_id) if message.school_id else ""
    given = message_types("/message_type", [message.message_type] if message.message_type else [])
    return Identity(school_id, given[0] if given else None, way, message.address, message.name)


def _message(identity: Identity) -> pb.SenderIdentity:
    return pb.SenderIdentity(
        school_id=identity.school_id,
        message_type=TYPE_NUMBERS[identity.message_type] if identity.message_type else types.MESSAGE_TYPE_UNSPECIFIED,
        way=_WAYS[identity.way],
        address=identity.address,
        name=identity.name,
    )
