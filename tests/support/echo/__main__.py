"""Wiring of the echo service, as any service's: database, outbox, bus, consumer, gRPC, health."""

import asyncio
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import directory_pb2
from services.kit.bus import Bus
from services.kit.config import ServiceSettings
from services.kit.consumer import Consumer, Event, Subscribing
from services.kit.db import check_database, create_engine, transaction
from services.kit.health import Health
from services.kit.logs import get_logger
from services.kit.outbox import add_event, first_time
from services.kit.relay import Relay
from services.kit.rpc_server import RpcServer
from services.kit.run import Lifecycle, Process, run_service
from tests.support.echo.v1 import echo_pb2 as pb
from tests.support.echo.v1 import echo_pb2_grpc as stubs

_log = get_logger("services.echo")
_SLOW_SECONDS = 1.0


class Echo(stubs.EchoServiceServicer):
    """Tells the bus what it is asked to say."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the database of the outbox."""
        self._engine = engine

    async def Say(self, request: pb.SayRequest, context: Any) -> pb.SayResponse:
        """Answer the text, after a second if it is `slow`."""
        if request.text == "slow":
            _log.info("say_began")
            await asyncio.sleep(_SLOW_SECONDS)
        event = directory_pb2.SchoolChanged()
        event.school.title = request.text
        async with transaction(self._engine) as connection:
            await add_event(connection, "directory.school.changed.v1", event)
        return pb.SayResponse(text=request.text)


async def serve(settings: ServiceSettings, life: Lifecycle) -> None:
    """Answer EchoService, and hear what it said."""
    engine = create_engine(settings.database_url.get_secret_value(), name="echo")
    life.on_stop("database", engine.dispose)
    bus = Bus(settings.nats_url.get_secret_value(), name="echo")
    life.on_stop("nats", bus.close)
    life.spawn("nats", bus.open("directory"))
    life.spawn("relay", Relay(engine, bus).run())

    async def hear(events: Sequence[Event]) -> None:
        async with transaction(engine) as connection:
            for event in events:
                if await first_time(connection, "echo-heard", event.event_id):
                    await connection.execute(sa.text("SELECT 'heard'"))
                    _log.info("event_heard", event_id=event.event_id)

    life.consume(Consumer(bus, Subscribing("directory", "echo-heard", ("directory.>",)), hear))
    health = Health({"database": lambda: check_database(engine), "nats": bus.check})
    server = RpcServer.of(settings, health)
    # The other methods are the generated ones, which answer UNIMPLEMENTED.
    echo = Echo(engine)  # type: ignore[abstract]
    server.add(stubs.add_EchoServiceServicer_to_server, echo, pb.DESCRIPTOR.services_by_name["EchoService"])
    await server.start()
    life.on_stop("grpc", lambda: server.stop(5))
    await life.observe(health)
    await life.until_stopped()


if __name__ == "__main__":
    raise SystemExit(run_service("echo", [Process("serve", "answer gRPC", ServiceSettings, serve)]))
