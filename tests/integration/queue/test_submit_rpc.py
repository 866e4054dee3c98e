"""Submit over gRPC: what cannot be stored is the caller's mistake, and said at its place."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from grpc import aio

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as pb
from protos.queue.v1 import queue_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.health import Health
from services.kit.rpc_errors import translated
from services.kit.rpc_server import RpcServer
from services.queue.clients import Directory
from services.queue.rpc import QueueServicer
from tests.integration.queue.conftest import Queue
from tests.support.tokens import Tokens

Metadata = tuple[tuple[str, str], ...]
Submit = Callable[..., Any]
"""Submits a message by the rpc; our own errors rise."""
_IDS = ("person_ids", "school_ids", "regarding_student_ids")
_SHOWN = ("names", "regarding_student_names", "staff_ids", "student_numbers", "languages")
_CONTACTS = ("emails", "mobiles", "devices", "phones", "invalid_emails", "invalid_mobiles", "invalid_landlines")
LONG = "".join(f"{number:x}" for number in range(2_000))


@pytest.fixture
async def submit(queue: Queue, tokens: Tokens) -> AsyncIterator[Submit]:
    """The queue's own rpc; alerts ask directory nothing."""
    directory_client = Directory("127.0.0.1:1", tokens.service("directory.read"))
    servicer = QueueServicer(queue.engine, queue.clock, directory_client, "America/New_York", redial_seconds=300.0)
    server = RpcServer("127.0.0.1:0", tokens.verifier(), Health({}))
    server.add(
        queue_pb2_grpc.add_QueueServiceServicer_to_server, servicer, pb.DESCRIPTOR.services_by_name["QueueService"]
    )
    await server.start()
    alerting = (("authorization", f"Bearer {tokens.service('queue.submit', 'queue.alerts')}"),)
    async with aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = queue_pb2_grpc.QueueServiceStub(channel)

        async def call(
            header: pb.MessageHeader, columns: directory.RecipientColumns, metadata: Metadata = alerting
        ) -> Any:
            pieces = [pb.SubmitRequest(header=header), pb.SubmitRequest(recipients=pb.Recipients(columns=columns))]
            with translated():
                return await stub.Submit(iter(pieces), metadata=metadata, timeout=20)

        yield call
    await server.stop(0)
    await directory_client.close()


def _header(**sender: str) -> pb.MessageHeader:
    return pb.MessageHeader(
        idempotency_key="key",
        sender=pb.Sender(role=types.ROLE_ADMIN, **sender),
        subject="A threat was found.",
        channels=[pb.ChannelContent(channel=types.CHANNEL_EMAIL)],
        kind=types.MESSAGE_KIND_ALERT,
        lane=types.LANE_ALERT,
    )


def _columns(**texts: str) -> directory.RecipientColumns:
    values = {"emails": "ada@example.org", **texts}
    return directory.RecipientColumns(count=1, **{name: [value] for name, value in values.items()})  # type: ignore[arg-type]


async def test_alerts_are_for_a_service_whose_token_says_so(submit: Submit, queue: Queue, tokens: Tokens) -> None:
    for scopes in (["queue.submit"], ["queue.submit", "queue.read"]):
        with pytest.raises(PermissionDenied, match="This lane is for the system"):
            await submit(_header(), _columns(), (("authorization", f"Bearer {tokens.service(*scopes)}"),))
    assert await queue.rows("SELECT 1 FROM messages") == []


async def test_what_cannot_be_stored_of_a_recipient_is_refused_at_its_column(submit: Submit, queue: Queue) -> None:
    wrong = [(name, "a\x00b") for name in (*_IDS, *_CONTACTS)] + [(name, LONG) for name in _IDS]
    for name, text in wrong:
        with pytest.raises(InvalidArgument) as refused:
            await submit(_header(), _columns(**{name: text}))
        assert [each.pointer for each in refused.value.violations] == [f"/recipients/columns/{name}"]
    assert await queue.rows("SELECT 1 FROM messages") == []
    assert await submit(_header(), _columns(**dict.fromkeys(_IDS, "x" * 200)))


async def test_what_a_roster_says_of_a_person_is_cut_and_stops_no_message(submit: Submit, queue: Queue) -> None:
    assert await submit(_header(), _columns(**dict.fromkeys(_SHOWN, f"a\x00{LONG}")))
    (found,) = await queue.rows(
        "SELECT name, regarding_student_name, staff_id, student_number, language FROM recipients"
    )
    assert set(found) == {f"a{LONG[:198]}"}


async def test_what_cannot_be_stored_of_a_header_is_refused_at_its_field(submit: Submit) -> None:
    fields = ("person_id", "school_id", "grade")
    for name, text in [(name, text) for name in fields for text in ("a\x00b", LONG)]:
        with pytest.raises(InvalidArgument) as refused:
            await submit(_header(**{name: text}), _columns())
        assert [each.pointer for each in refused.value.violations] == [f"/sender/{name}"]
    for name, text in [(name, text) for name in ("in_reply_to", "alert_message_id") for text in ("a\x00b", LONG)]:
        header = _header()
        setattr(header, name, text)
        with pytest.raises(InvalidArgument) as refused:
            await submit(header, _columns())
        assert [each.pointer for each in refused.value.violations] == [f"/{name}"]
    assert await submit(_header(name="Ada\x00 North" + LONG), _columns())
