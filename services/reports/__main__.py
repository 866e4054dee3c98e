"""Wiring of reports: `python -m services.reports serve`."""

import sys

from protos.reports.v1 import reports_pb2, reports_pb2_grpc
from services.kit.bus import Bus
from services.kit.consumer import Consumer
from services.kit.db import check_database, create_engine
from services.kit.health import Health
from services.kit.listening import Listener
from services.kit.relay import Relay
from services.kit.rpc_server import RpcServer
from services.kit.run import GRACE_SECONDS, Lifecycle, Process, run_service
from services.reports.alert_events import ALERTS, AlertEvents
from services.reports.config import Config
from services.reports.events import QUEUE, QueueEvents
from services.reports.rpc import ReportsServicer
from services.reports.setting_events import DIRECTORY, QUEUE_SETTINGS, SettingEvents
from services.reports.store.intake import CHANNEL
from services.reports.survey_events import RESPONSES, ResponseEvents


async def serve(config: Config, life: Lifecycle) -> None:
    """Answer ReportsService, follow the queue, and publish what reviewers did."""
    engine = create_engine(config.database_url.get_secret_value(), name="reports serve", statement_timeout_seconds=30)
    life.on_stop("database", engine.dispose)
    bus = Bus(config.nats_url.get_secret_value(), name="reports", replicas=config.nats_replicas)
    life.on_stop("nats", bus.close)
    life.spawn("nats", bus.open("reports"))
    health = Health({"database": lambda: check_database(engine), "nats": bus.check})
    server = RpcServer.of(config, health)
    listener = Listener(engine, [CHANNEL])
    server.add(
        reports_pb2_grpc.add_ReportsServiceServicer_to_server,
        ReportsServicer(engine, listener, config.district_time_zone),
        reports_pb2.DESCRIPTOR.services_by_name["ReportsService"],
    )
    life.spawn("relay", Relay(engine, bus).run())
    life.spawn("listener", listener.run())
    life.consume(Consumer(bus, QUEUE, QueueEvents(engine).handle))
    life.consume(Consumer(bus, RESPONSES, ResponseEvents(engine).handle))
    life.consume(Consumer(bus, ALERTS, AlertEvents(engine).handle))
    life.consume(Consumer(bus, DIRECTORY, SettingEvents(engine).handle))
    life.consume(Consumer(bus, QUEUE_SETTINGS, SettingEvents(engine).handle))
    await server.start()
    life.on_stop("rpc", lambda: server.stop(GRACE_SECONDS / 2))
    await life.observe(health)
    await life.until_stopped()


if __name__ == "__main__":
    sys.exit(run_service("reports", [Process("serve", "gRPC, and the consumer of the queue's events", Config, serve)]))
