"""Reports on a real database, asked over gRPC by viewers with real tokens, fed with the queue's events."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from grpc import aio
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as queue
from protos.events.v1 import reports_pb2 as events
from protos.reports.v1 import reports_pb2 as pb
from protos.reports.v1 import reports_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.db import create_engine, transaction
from services.kit.handling import Event
from services.kit.health import Health
from services.kit.ids import new_id
from services.kit.listening import Listener
from services.kit.rpc_errors import from_grpc
from services.kit.rpc_server import RpcServer
from services.reports.events import QueueEvents
from services.reports.rpc import ReportsServicer
from services.reports.store.intake import CHANNEL
from services.reports.tables import outbox
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

ZONE = "America/New_York"
NORTH, SOUTH = new_id(), new_id()
"""Two schools."""
NOON = datetime(2026, 11, 10, 17, 0, tzinfo=UTC)
"""Noon in the district's zone."""
_SCOPES = ("reports.read", "reports.threats", "reports.review", "reports.export", "reports.audit")


def person(name: str, *permissions: str, schools: Sequence[str] = ("*",), role: str = "admin") -> Viewer:
    """A viewer; their id is their own."""
    return Viewer(
        person_id=new_id(),
        name=name,
        role=role,
        permissions=frozenset(permissions),
        schools=frozenset(schools),
        all_users="view_all_users" in permissions,
    )


def counts(school_id: str, **values: int) -> types.DeliveryCounts:
    """Counts of one school that add up."""
    return types.DeliveryCounts(school_id=school_id, total=sum(values.values()), **values)


def message(by: Viewer | None = None, school: str = NORTH, **fields: Any) -> queue.MessageSnapshot:
    """A message of one e-mail entry to three recipients of the school; fields replace those of the snapshot."""
    message_id = new_id()
    base: dict[str, Any] = {
        "message_id": message_id,
        "sent_at": NOON,
        "sender_id": by.person_id if by else new_id(),
        "sender_name": by.name if by else "Tess Teacher",
        "sender_role": types.ROLE_TEACHER,
        "sender_school_id": school,
        "source": types.SOURCE_SCHOOL,
        "kind": types.MESSAGE_KIND_ORDINARY,
        "subject": "Picture day",
        "body": "Picture day is on Friday.",
        "audience_summary": "All parents",
        "recipient_type": types.RECIPIENT_TYPE_DIRECTORY,
        "entries": [entry(types.CHANNEL_EMAIL, [counts(school, pending=3)])],
    }
    return queue.MessageSnapshot(**{**base, **fields})


def entry(channel: int, by_school: Sequence[types.DeliveryCounts], version: int = 1) -> queue.EntrySnapshot:
    """An entry of a channel."""
    channel_value = types.Channel.ValueType(channel)
    return queue.EntrySnapshot(entry_id=new_id(), channel=channel_value, counts=by_school, version=version)


def submitted(snapshot: queue.MessageSnapshot) -> tuple[str, Any]:
    """The event of a submission."""
    return "queue.message.submitted.v1", queue.MessageSubmitted(event_id=new_id(), message=snapshot)


def released(snapshot: queue.MessageSnapshot) -> tuple[str, Any]:
    """The event of a release."""
    return "queue.message.released.v1", queue.MessageReleased(event_id=new_id(), message_id=snapshot.message_id)


def progressed(snapshot: queue.MessageSnapshot, version: int, *by_school: types.DeliveryCounts) -> tuple[str, Any]:
    """The event of moving counts of the first entry."""
    first = snapshot.entries[0].entry_id
    event = queue.EntryProgressed(event_id=new_id(), entry_id=first, version=version, counts=by_school)
    event.message_id = snapshot.message_id
    event.changed_at.FromDatetime(NOON + timedelta(seconds=version))
    return "queue.entry.progressed.v1", event


def withheld(snapshot: queue.MessageSnapshot, **fields: Any) -> tuple[str, Any]:
    """The event of a withheld message."""
    verdict = types.Verdict(verdict_id=new_id(), decision=types.Verdict.DECISION_HOLD, provider="embedded", tier=1)
    verdict.scores.add(category=types.CATEGORY_THREAT, score=0.97, holds=True)
    event = queue.MessageWithheld(event_id=new_id(), message=snapshot, verdict=verdict, recipient_names=["Ann Aster"])
    event.withheld_at.FromDatetime(NOON + timedelta(seconds=2))
    event.is_imported = bool(fields.get("is_imported"))
    return "queue.message.withheld.v1", event


def threat(school: str = NORTH, text: str = "I will burn it down") -> queue.MessageSnapshot:
    """A student's message whose three deliveries are withheld."""
    return message(
        school=school,
        sender_role=types.ROLE_STUDENT,
        sender_name="Sam Student",
        subject=text,
        body=text,
        entries=[entry(types.CHANNEL_EMAIL, [counts(school, withheld=3)], version=2)],
    )


def delivered(told: tuple[str, Any], attempt: int = 1) -> Event:
    """The event as the consumer delivers it."""
    return Event(told[0], told[1].event_id, told[1].SerializeToString(), attempt)


@dataclass
class Reports:
    """One reports service under test."""

    engine: AsyncEngine
    listener: Listener
    channel: aio.Channel
    tokens: Tokens
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def hear(self, *told: tuple[str, Any]) -> None:
        """Take events together, as a batch of the consumer."""
        await QueueEvents(self.engine).handle([delivered(each) for each in told])

    async def ask(self, viewer: Viewer | None, method: str, request: Any, *scopes: str) -> Any:
        """Call a method as the viewer, or as a district system; ServiceError when refused."""
        stub = reports_pb2_grpc.ReportsServiceStub(self.channel)
        try:
            return await getattr(stub, method)(request, metadata=self.metadata(viewer, *scopes), timeout=10)
        except aio.AioRpcError as problem:
            raise from_grpc(problem) from problem

    async def stream(self, viewer: Viewer, method: str, request: Any) -> list[Any]:
        """Call a method that answers a stream; return all of it."""
        stub = reports_pb2_grpc.ReportsServiceStub(self.channel)
        try:
            return [each async for each in getattr(stub, method)(request, metadata=self.metadata(viewer), timeout=10)]
        except aio.AioRpcError as problem:
            raise from_grpc(problem) from problem

    def metadata(self, viewer: Viewer | None, *scopes: str) -> list[tuple[str, str]]:
        """The caller's token; with every scope of reports unless some are named."""
        wanted = scopes or _SCOPES
        token = self.tokens.viewer(viewer, *wanted) if viewer else self.tokens.service(*wanted, name="communication")
        return [("authorization", f"Bearer {token}")]

    async def history(self, viewer: Viewer, **parts: Any) -> pb.SearchHistoryResponse:
        """Search history; parts are of the filter, besides sort and page."""
        answer: pb.SearchHistoryResponse = await self.ask(
            viewer, "SearchHistory", _search(pb.SearchHistoryRequest, parts)
        )
        return answer

    async def threats(self, viewer: Viewer, **parts: Any) -> pb.SearchThreatsResponse:
        """Search threats."""
        answer: pb.SearchThreatsResponse = await self.ask(
            viewer, "SearchThreats", _search(pb.SearchThreatsRequest, parts)
        )
        return answer

    async def reviews(self) -> list[events.ReviewChanged]:
        """What reports told the others of its reviews."""
        async with transaction(self.engine) as connection:
            told = sa.select(outbox.c.payload).where(outbox.c.subject == "reports.review.changed.v1")
            payloads = (await connection.execute(told.order_by(outbox.c.id))).scalars()
            return [events.ReviewChanged.FromString(each) for each in payloads]


def _search(kind: Any, parts: Mapping[str, Any]) -> Any:
    rest = dict(parts)
    sort, page = rest.pop("sort", None), rest.pop("page", None)
    return kind(filter=pb.Filter(**rest), sort=sort, page=page)


@pytest.fixture
async def reports(databases: Databases, tokens: Tokens) -> AsyncIterator[Reports]:
    """Reports with an empty database."""
    engine = create_engine(databases.copy("reports").url, name="test")
    listener = Listener(engine, [CHANNEL])
    server = RpcServer("127.0.0.1:0", tokens.verifier(), Health({}))
    from protos.reports.v1.reports_pb2 import DESCRIPTOR

    server.add(
        reports_pb2_grpc.add_ReportsServiceServicer_to_server,
        ReportsServicer(engine, listener, ZONE),
        DESCRIPTOR.services_by_name["ReportsService"],
    )
    await server.start()
    listening = asyncio.create_task(listener.run())
    async with aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Reports(engine, listener, channel, tokens)
    await server.stop(1)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await engine.dispose()
