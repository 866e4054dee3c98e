"""Notify on a real database, beside a real directory and a real queue, each behind its own gRPC server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from grpc import aio
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from protos.events.v1 import moderation_pb2 as moderation_events
from protos.events.v1 import queue_pb2 as queue_events
from protos.events.v1 import reports_pb2 as reports_events
from protos.notify.v1 import notify_pb2, notify_pb2_grpc
from protos.queue.v1 import queue_pb2, queue_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.directory import importing
from services.directory.rpc import DirectoryServicer
from services.kit.auth import Viewer
from services.kit.clock import utc_now
from services.kit.db import create_engine, transaction
from services.kit.handling import Event
from services.kit.health import Health
from services.kit.ids import new_id
from services.kit.listening import Listener
from services.kit.rpc_errors import from_grpc
from services.kit.rpc_server import RpcServer
from services.notify import actions
from services.notify.clients import Directory, Queue
from services.notify.events import Events
from services.notify.loops import work_off
from services.notify.rpc import NotifyServicer
from services.notify.store import alerts, telling
from services.queue.clients import Directory as DirectoryOfQueue
from services.queue.rpc import QueueServicer
from tests.integration.directory.roster_files import IMPORTER, enable_exclusion, roster
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

ZONE = "America/New_York"
PORTAL = "https://portal.example.org"


@dataclass
class District:
    """A small district: two schools, with a principal, a counsellor and an administrator of the district."""

    engine: AsyncEngine
    ids: dict[str, str]

    async def revoke(self, *profiles: str) -> None:
        """Take Threat Alerts from profiles."""
        async with transaction(self.engine) as connection:
            change = (
                "UPDATE profiles SET permissions = array_remove(permissions, 'threat_alerts') WHERE name = ANY(:names)"
            )
            await connection.execute(sa.text(change), {"names": list(profiles)})


@dataclass
class Notify:
    """One notify under test."""

    engine: AsyncEngine
    queue_engine: AsyncEngine
    district: District
    events: Events
    directory: Directory
    queue: Queue
    listener: Listener
    channel: aio.Channel
    tokens: Tokens
    spawn: Callable[[Coroutine[Any, Any, None]], None]

    async def hear(self, event: Any) -> None:
        """Take an event as its consumer delivers it."""
        handler = {
            queue_events.MessageWithheld: self.events.withheld,
            queue_events.EntryProgressed: self.events.progressed,
            reports_events.ReviewChanged: self.events.reviewed,
            reports_events.ReferralAdded: self.events.referred,
            queue_events.ScreeningStalled: self.events.stalled,
            queue_events.AttentionNeeded: self.events.stopped,
            moderation_events.ProviderChanged: self.events.provider_changed,
        }[type(event)]
        await handler([Event("", event.event_id, event.SerializeToString(), 1)])

    def start_loops(self) -> None:
        """Hand submissions to queue, and read what became of them, until the test ends."""
        self.spawn(work_off("submitting", self.listener, lambda: actions.submit_one(self.engine, utc_now, self.queue)))
        self.spawn(work_off("reading", self.listener, lambda: actions.read_one(self.engine, utc_now, self.queue)))

    def viewer(self, name: str, *permissions: str) -> Viewer:
        """A person of the district; a holder of Threat Alerts unless permissions are named."""
        return Viewer(
            person_id=self.district.ids[name],
            name=name,
            role="admin",
            permissions=frozenset(permissions or ("threat_alerts",)),
            schools=frozenset({self.district.ids["s1"]}),
            all_users=False,
        )

    def metadata(self, viewer: Viewer | None) -> list[tuple[str, str]]:
        """The viewer's token, or the gateway's own."""
        scopes = ("notify.read", "notify.watch")
        token = self.tokens.viewer(viewer, *scopes) if viewer else self.tokens.service(*scopes)
        return [("authorization", f"Bearer {token}")]

    @property
    def stub(self) -> Any:
        """The stub of NotifyService."""
        return notify_pb2_grpc.NotifyServiceStub(self.channel)

    async def ask(self, viewer: Viewer | None, method: str, request: Any) -> Any:
        """Call a method; ServiceError when refused."""
        try:
            return await getattr(self.stub, method)(request, metadata=self.metadata(viewer), timeout=10)
        except aio.AioRpcError as problem:
            raise from_grpc(problem) from problem

    async def open_alerts(self, name: str) -> list[notify_pb2.Alert]:
        """The open alerts of a person."""
        return list((await self.ask(self.viewer(name), "ListAlerts", notify_pb2.ListAlertsRequest())).alerts)

    async def rows(self, query: str, engine: AsyncEngine | None = None, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of any query, of notify's database unless another is named."""
        async with transaction(engine or self.engine) as connection:
            return [tuple(row) for row in await connection.execute(sa.text(query), values)]


def withheld(school_id: str, **fields: Any) -> queue_events.MessageWithheld:
    """A student's withheld message."""
    event = queue_events.MessageWithheld(event_id=new_id(), recipient_names=["Ann Aster"], **fields)
    message = event.message
    message.message_id, message.sender_id, message.sender_name = new_id(), new_id(), "Sam Student"
    message.sender_school_id, message.subject, message.body = school_id, "Tomorrow", "I will burn it down"
    event.verdict.tier = 1
    event.verdict.scores.add(category=types.CATEGORY_THREAT, score=0.9, holds=True)
    event.verdict.scores.add(category=types.CATEGORY_INSULT, score=0.8)
    event.withheld_at.FromDatetime(datetime.now(UTC))
    return event


def acknowledged(message_id: str, by: str = "Lee Marsh") -> reports_events.ReviewChanged:
    """The event of an acknowledgement."""
    event = reports_events.ReviewChanged(event_id=new_id(), message_id=message_id, version=1)
    event.acknowledged_by_id, event.acknowledged_by_name = new_id(), by
    event.acknowledged_at.FromDatetime(datetime(2026, 11, 10, 17, 0, tzinfo=UTC))
    return event


async def _serve(stack: AsyncExitStack, tokens: Tokens, register: Any, servicer: Any, service: Any) -> str:
    server = RpcServer("127.0.0.1:0", tokens.verifier(), Health({}))
    server.add(register, servicer, service)
    await server.start()
    stack.push_async_callback(server.stop, 1)
    return f"127.0.0.1:{server.port}"


def _spawner(stack: AsyncExitStack) -> Callable[[Coroutine[Any, Any, None]], None]:
    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        stack.push_async_callback(end)

    return spawn


@pytest.fixture
async def notify(databases: Databases, tokens: Tokens) -> AsyncIterator[Notify]:
    """Notify with an empty database, and its neighbours."""
    async with AsyncExitStack() as stack:
        engines = {
            name: create_engine(databases.copy(name).url, name="test") for name in ("directory", "queue", "notify")
        }
        for engine in engines.values():
            stack.push_async_callback(engine.dispose)
        await importing.import_roster(engines["directory"], roster(), ZONE, IMPORTER)
        await enable_exclusion(engines["directory"])
        people = (
            "SELECT sourced_id, person_id::text FROM people UNION ALL SELECT sourced_id, school_id::text FROM schools"
        )
        async with transaction(engines["directory"]) as connection:
            ids = {row[0]: row[1] for row in await connection.execute(sa.text(people))}
        directory_address = await _serve(
            stack,
            tokens,
            directory_pb2_grpc.add_DirectoryServiceServicer_to_server,
            DirectoryServicer(engines["directory"], ZONE),
            directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
        )
        token = tokens.service(
            "directory.read", "queue.alerts", "queue.submit", "queue.read", "queue.write", name="notify"
        )
        asked_by_queue = DirectoryOfQueue(directory_address, token)
        stack.push_async_callback(asked_by_queue.close)
        queue_address = await _serve(
            stack,
            tokens,
            queue_pb2_grpc.add_QueueServiceServicer_to_server,
            QueueServicer(engines["queue"], utc_now, asked_by_queue, "UTC", redial_seconds=300.0),
            queue_pb2.DESCRIPTOR.services_by_name["QueueService"],
        )
        directory, queue = Directory(directory_address, lambda: token), Queue(queue_address, lambda: token)
        stack.push_async_callback(directory.close)
        stack.push_async_callback(queue.close)
        listener = Listener(engines["notify"], [alerts.CHANNEL, telling.CHANNEL])
        address = await _serve(
            stack,
            tokens,
            notify_pb2_grpc.add_NotifyServiceServicer_to_server,
            NotifyServicer(engines["notify"], listener),
            notify_pb2.DESCRIPTOR.services_by_name["NotifyService"],
        )
        spawn = _spawner(stack)
        spawn(listener.run())
        channel = await stack.enter_async_context(aio.insecure_channel(address))
        events = Events(engines["notify"], utc_now, directory, actions.Place(PORTAL, ZONE))
        district = District(engines["directory"], ids)
        yield Notify(
            engines["notify"], engines["queue"], district, events, directory, queue, listener, channel, tokens, spawn
        )  # fmt: skip
