"""Wiring of directory: `serve` (gRPC) and `import-roster` (a OneRoster archive on stdin)."""

import sys

from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from services.directory import importing
from services.directory.config import Config, RosterSettings
from services.directory.roster_command import import_roster
from services.directory.rpc import DirectoryServicer
from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.db import check_database, create_engine
from services.kit.health import Health
from services.kit.outage import repeat
from services.kit.relay import Relay
from services.kit.rpc_server import RpcServer
from services.kit.run import GRACE_SECONDS, Command, Lifecycle, Process, run_service


async def serve(config: Config, life: Lifecycle) -> None:
    """Answer DirectoryService and publish what changed."""
    engine = create_engine(config.database_url.get_secret_value(), name="directory serve", statement_timeout_seconds=30)
    life.on_stop("database", engine.dispose)
    bus = Bus(config.nats_url.get_secret_value(), name="directory", replicas=config.nats_replicas)
    life.on_stop("nats", bus.close)
    life.spawn("nats", bus.open("directory"))
    health = Health({"database": lambda: check_database(engine), "nats": bus.check})
    server = RpcServer.of(config, health)
    server.add(
        directory_pb2_grpc.add_DirectoryServiceServicer_to_server,
        DirectoryServicer(engine, config.district_time_zone),
        directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
    )
    life.spawn("relay", Relay(engine, bus).run())
    life.spawn("roster age", repeat("roster age", 60.0, lambda: importing.measure_age(engine, utc_now)))
    await server.start()
    life.on_stop("rpc", lambda: server.stop(GRACE_SECONDS / 2))
    await life.observe(health)
    await life.until_stopped()


if __name__ == "__main__":
    sys.exit(
        run_service(
            "directory",
            [
                Process("serve", "gRPC", Config, serve),
                Command("import-roster", "import the OneRoster archive on stdin", import_roster, RosterSettings),
            ],
        )
    )
