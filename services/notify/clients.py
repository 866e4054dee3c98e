"""Calls to directory and queue, with notify's own token."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from grpc import aio

from protos.directory.v1 import directory_pb2 as directory
from protos.directory.v1 import directory_pb2_grpc
from protos.queue.v1 import queue_pb2 as queue
from protos.queue.v1 import queue_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.columns import columns_of
from services.kit.errors import NotFound, ServiceError, Unavailable
from services.kit.rpc_client import Token, async_channel
from services.kit.rpc_errors import translated

_ROWS_PER_PIECE = 1000
_DELIVERIES_PER_PAGE = 500


class Directory:
    """Whom to tell. Raises Unavailable whatever directory refuses: it is asked again until it answers."""

    def __init__(self, address: str, token: Token, authority: str = "") -> None:
        """Open a channel to HOST:PORT, over TLS if there is the PEM of an authority."""
        service = directory.DESCRIPTOR.services_by_name["DirectoryService"]
        self._channel: aio.Channel = async_channel(address, [service], token, authority=authority)
        self._stub = directory_pb2_grpc.DirectoryServiceStub(self._channel)

    async def holders(self, permission: str, school_ids: Sequence[str] = ()) -> list[directory.Recipient]:
        """Return the holders with access to one of the schools, or every one."""
        request = directory.ListPermissionHoldersRequest(permission=permission, school_ids=school_ids)
        with _insisting(), translated():
            answer = await self._stub.ListPermissionHolders(request)
        return list(answer.holders)

    async def staff(self, person_id: str) -> list[directory.Recipient]:
        """Return an active member of staff; nobody for anybody else."""
        with _insisting():
            try:
                with translated():
                    found = await self._stub.GetPerson(directory.GetPersonRequest(person_id=person_id))
            except NotFound:
                return []
        is_staff = found.person.role in {types.ROLE_ADMIN, types.ROLE_TEACHER}
        return [_recipient(found)] if is_staff and found.person.is_active else []

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


@contextmanager
def _insisting() -> Iterator[None]:
    try:
        yield
    except ServiceError as problem:
        raise Unavailable("DIRECTORY_UNAVAILABLE", "Directory does not say whom to tell.") from problem


def _recipient(found: directory.GetPersonResponse) -> directory.Recipient:
    usable = [each for each in sorted(found.contacts, key=lambda each: each.priority) if each.is_valid]
    emails = [each.value for each in usable if each.kind == "email"]
    return directory.Recipient(
        person_id=found.person.person_id,
        name=found.person.name,
        role=found.person.role,
        school_id=found.person.school_ids[0] if found.person.school_ids else "",
        language=found.person.language,
        email=emails[0] if emails else "",
        devices=[each.value for each in usable if each.kind == "device"],
        has_account=found.person.has_account,
    )


class Queue:
    """Where alerts are handed in, and where their deliveries are read."""

    def __init__(self, address: str, token: Token, authority: str = "") -> None:
        """Open a channel to HOST:PORT, over TLS if there is the PEM of an authority."""
        service = queue.DESCRIPTOR.services_by_name["QueueService"]
        self._channel: aio.Channel = async_channel(address, [service], token, authority=authority)
        self._stub = queue_pb2_grpc.QueueServiceStub(self._channel)

    async def submit(self, header: queue.MessageHeader, rows: Sequence[queue.RecipientRow]) -> queue.SubmitResponse:
        """Hand in a message; the same idempotency key answers the first result again. Raises what queue answers."""
        with translated():
            answer: queue.SubmitResponse = await self._stub.Submit(_pieces(header, rows))
        return answer

    async def deliveries(self, entry_id: str) -> list[queue.Delivery]:
        """Return every delivery of an entry. Raises what queue answers."""
        found: list[queue.Delivery] = []
        request = queue.ListDeliveriesRequest(entry_id=entry_id)
        request.page.size, request.page.number = _DELIVERIES_PER_PAGE, 1
        while True:
            with translated():
                answer = await self._stub.ListDeliveries(request)
            found += answer.deliveries
            if request.page.number >= answer.page.total_pages:
                return found
            request.page.number += 1

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


async def _pieces(
    header: queue.MessageHeader, rows: Sequence[queue.RecipientRow]
) -> AsyncIterator[queue.SubmitRequest]:
    yield queue.SubmitRequest(header=header)
    for start in range(0, len(rows), _ROWS_PER_PIECE):
        columns = columns_of([each.recipient for each in rows[start : start + _ROWS_PER_PIECE]])
        yield queue.SubmitRequest(recipients=queue.Recipients(columns=columns, type=types.RECIPIENT_TYPE_DIRECTORY))
