"""Schedules with real services: directory and the queue's ScheduleService answer gRPC, the clock stands still."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from grpc import aio
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from protos.events.v1 import queue_pb2 as events
from protos.queue.v1 import attendance_pb2, attendance_pb2_grpc, queue_pb2, schedules_pb2_grpc
from protos.queue.v1 import schedules_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.directory import importing
from services.directory.rpc import DirectoryServicer
from services.kit.auth import Viewer
from services.kit.db import create_engine, transaction
from services.kit.health import Health
from services.kit.rpc_errors import translated
from services.kit.rpc_server import RpcServer
from services.queue.attendance_rpc import AttendanceServicer
from services.queue.clients import Directory
from services.queue.occurring import Occurring
from services.queue.schedule_rpc import ScheduleServicer
from services.queue.store import counts
from tests.integration.directory.roster_files import IMPORTER, ROLES, USERS, enable_exclusion, roster, switch_module
from tests.support.postgres import Database, Databases
from tests.support.tokens import Tokens

ZONE = "America/New_York"
NOON = datetime(2026, 10, 30, 16, tzinfo=UTC)
"""A Friday; daylight saving ends on the Sunday after it."""
SCOPES = ("queue.submit", "queue.schedules", "queue.write", "queue.attendance")
USERS_HERE = USERS + "sec,true,Sue,Ridge,T-3,sue.ridge,sue@example.org,,,,,\n"
ROLES_HERE = ROLES + "12,sec,primary,teacher,s2\n"


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Scheduled:
    """Directory with a small roster, and the queue's schedules."""

    engine: AsyncEngine
    database: Database
    directory_engine: AsyncEngine
    directory_address: str
    clock: Clock
    tokens: Tokens
    occurring: Occurring
    stub: Any
    directory: Directory
    attendance: Any
    """Stub of AttendanceService."""
    ids: dict[str, str] = field(default_factory=dict)

    def token(self, name: str, *, all_users: bool = False, permissions: frozenset[str] | None = None) -> Any:
        """Return metadata of a viewer."""
        schools = {"pri": "s1", "tea": "s1", "amy": "s1", "mum": "s1", "sec": "s2", "cou": "s2"}
        seen = frozenset({self.ids[schools[name]]}) if name in schools else frozenset({"*"})
        role = {"tea": "teacher", "sec": "teacher", "amy": "student", "mum": "parent"}.get(name, "admin")
        held = permissions or frozenset({"send_messages", "send_to_staff", "send_emergency", "send_as_district"})
        viewer = Viewer(self.ids[name], name, role, held, seen, all_users)
        return (("authorization", f"Bearer {self.tokens.viewer(viewer, *SCOPES)}"),)

    async def call(self, name: str, method: str, request: Any, **kwargs: Any) -> Any:
        """Call a method in the name of a person; our own errors rise."""
        with translated():
            return await getattr(self.stub, method)(request, metadata=self.token(name, **kwargs), timeout=20)

    async def create(self, name: str = "tea", **fields: Any) -> pb.Schedule:
        """Keep a schedule of a person, and return it."""
        answer = await self.call(name, "CreateSchedule", self.request(name, **fields))
        made: pb.Schedule = answer.schedule
        return made

    def request(self, name: str = "tea", **fields: Any) -> pb.CreateScheduleRequest:
        """Return a request: families of Lincoln High, daily at eight, from tomorrow on."""
        header = queue_pb2.MessageHeader(
            sender=queue_pb2.Sender(person_id=self.ids[name]),
            subject="Lunch",
            body="Bring lunch.",
            channels=[queue_pb2.ChannelContent(channel=types.CHANNEL_EMAIL)],
            source=types.SOURCE_SCHOOL,
        )
        timing = pb.Timing(start_date="2026-10-31", send_time="08:00", rule="FREQ=DAILY")
        audience = directory_pb2.Audience(roles=[types.ROLE_PARENT], school_ids=[self.ids["s1"]])
        for part, values in fields.pop("timing", {}).items():
            setattr(timing, part, values)
        for part, values in fields.pop("header", {}).items():
            setattr(header, part, values)
        audience = fields.pop("audience", audience)
        if channels := fields.pop("channels", None):
            del header.channels[:]
            header.channels.extend(queue_pb2.ChannelContent(channel=each) for each in channels)
        key = fields.pop("key", f"key {datetime.now(UTC).timestamp()}")
        return pb.CreateScheduleRequest(idempotency_key=key, header=header, audience=audience, timing=timing, **fields)

    async def get(self, name: str, schedule_id: str) -> pb.GetScheduleResponse:
        """Return a schedule as a person sees it."""
        answer: pb.GetScheduleResponse = await self.call(
            name, "GetSchedule", pb.GetScheduleRequest(schedule_id=schedule_id)
        )
        return answer

    async def tick(self, **later: float) -> int:
        """Let time pass, and settle everything that is due; return how many schedules were."""
        self.clock.now += timedelta(**later)
        settled = 0
        while await self.occurring.step():
            settled += 1
        return settled

    async def rows(self, query: str, **values: Any) -> list[Any]:
        """Return rows of any query to the queue's database."""
        async with transaction(self.engine) as connection:
            return list(await connection.execute(sa.text(query), values))

    async def attention(self) -> list[events.AttentionNeeded]:
        """Return what staff are to be told of as stopped by itself."""
        rows = await self.rows("SELECT payload FROM outbox WHERE subject = 'queue.attention.needed.v1' ORDER BY id")
        return [events.AttentionNeeded.FromString(bytes(row[0])) for row in rows]

    async def messages(self) -> list[Any]:
        """Return the messages, oldest first."""
        return await self.rows("SELECT * FROM messages ORDER BY created_at, message_id")


@asynccontextmanager
async def scheduled_queue(databases: Databases, tokens: Tokens) -> AsyncIterator[Scheduled]:
    """Start both services in this process, with a roster."""
    clock = Clock()
    directory_engine = create_engine(databases.copy("directory").url, name="test")
    database = databases.copy("queue")
    engine = create_engine(database.url, name="test")
    await importing.import_roster(directory_engine, roster(users=USERS_HERE, roles=ROLES_HERE), ZONE, IMPORTER)
    await enable_exclusion(directory_engine)
    for name in ("call_out", "moderation_api"):
        await switch_module(directory_engine, name, is_on=True)
    verifier, health = tokens.verifier(), Health({})
    server = RpcServer("127.0.0.1:0", verifier, health)
    server.add(
        directory_pb2_grpc.add_DirectoryServiceServicer_to_server,
        DirectoryServicer(directory_engine, ZONE),
        directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
    )
    await server.start()
    address = f"127.0.0.1:{server.port}"
    directory = Directory(address, tokens.service("directory.read"))
    schedules = RpcServer("127.0.0.1:0", verifier, health)
    schedules.add(
        schedules_pb2_grpc.add_ScheduleServiceServicer_to_server,
        ScheduleServicer(engine, clock, directory, ZONE, has_surveys=True),
        pb.DESCRIPTOR.services_by_name["ScheduleService"],
    )
    schedules.add(
        attendance_pb2_grpc.add_AttendanceServiceServicer_to_server,
        AttendanceServicer(engine, clock, directory, ZONE),
        attendance_pb2.DESCRIPTOR.services_by_name["AttendanceService"],
    )
    await schedules.start()
    occurring = Occurring(engine, clock, directory)
    async with aio.insecure_channel(f"127.0.0.1:{schedules.port}") as channel:
        stub = schedules_pb2_grpc.ScheduleServiceStub(channel)
        attendance = attendance_pb2_grpc.AttendanceServiceStub(channel)
        made = Scheduled(
            engine, database, directory_engine, address, clock, tokens, occurring, stub, directory, attendance
        )
        async with transaction(directory_engine) as connection:
            found = await connection.execute(
                sa.text(
                    "SELECT sourced_id, person_id::text FROM people"
                    " UNION ALL SELECT sourced_id, school_id::text FROM schools"
                )
            )
            made.ids = {row[0]: row[1] for row in found}
        yield made
    async with transaction(engine) as connection:
        assert (await counts.broken(connection, 10))[1] == []
    await directory.close()
    for each in (schedules, server):
        await each.stop(0)
    await engine.dispose()
    await directory_engine.dispose()
