"""Wiring of moderation: `serve` (gRPC and the queue's requests), `lend` (run as many of both as needed) and `score`."""

import sys
from datetime import timedelta

from protos.moderation.v1 import moderation_pb2, moderation_pb2_grpc
from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.consumer import Consumer
from services.kit.db import check_database, create_engine
from services.kit.health import Health
from services.kit.outage import repeat
from services.kit.relay import Relay
from services.kit.rpc_server import RpcServer
from services.kit.run import GRACE_SECONDS, Command, Lifecycle, Process, run_service
from services.moderation import score
from services.moderation.actions import Screening
from services.moderation.borrowing import Borrowing
from services.moderation.config import Config, LendConfig, wanted_process
from services.moderation.conversing import Conversations
from services.moderation.events import RESCREENING, SCREENING, Handler
from services.moderation.judging import Judge
from services.moderation.lending import Lender
from services.moderation.model.scoring import load_model
from services.moderation.policies import Policies
from services.moderation.providers.base import Provider
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from services.moderation.rpc import ModerationServicer

_WAITING_SECONDS, _COMPARING_SECONDS = 1.0, 3600.0
"""How often what waits is tried again, and how often it is looked who judges."""


async def serve(config: Config, life: Lifecycle) -> None:
    """Answer ModerationService and judge what the queue asks for."""
    engine = create_engine(config.database_url.get_secret_value(), name="moderation serve")
    life.on_stop("database", engine.dispose)
    bus = Bus(config.nats_url.get_secret_value(), name="moderation", replicas=config.nats_replicas)
    life.on_stop("nats", bus.close)
    life.spawn("nats", bus.open("moderation"))
    model = load_model()
    embedded = Embedded(model, Borrowing(bus.client, model.version))
    judge = Judge(_provider(config, life, embedded), embedded, config.outage_seconds)
    policies = Policies(engine, utc_now)
    conversations = Conversations(engine, utc_now, timedelta(minutes=config.conversation_minutes))
    outage = timedelta(seconds=config.outage_seconds)
    screening = Screening(engine, judge, policies, conversations, utc_now, outage)
    health = Health({"database": lambda: check_database(engine), "nats": bus.check})
    server = RpcServer.of(config, health)
    server.add(
        moderation_pb2_grpc.add_ModerationServiceServicer_to_server,
        ModerationServicer(screening),
        moderation_pb2.DESCRIPTOR.services_by_name["ModerationService"],
    )
    life.spawn("relay", Relay(engine, bus).run())
    life.spawn("waiting", repeat("screening what waits", _WAITING_SECONDS, screening.look_after_waiting))
    life.spawn("comparing", repeat("comparing who judges", _COMPARING_SECONDS, screening.compare))
    life.consume(Consumer(bus, SCREENING, Handler(screening.screen, screening.hold)))
    life.consume(Consumer(bus, RESCREENING, Handler(screening.screen_again)))
    await server.start()
    life.on_stop("rpc", lambda: server.stop(GRACE_SECONDS / 2))
    await life.observe(health)
    await life.until_stopped()


async def lend(config: LendConfig, life: Lifecycle) -> None:
    """Judge texts for the replicas."""
    bus = Bus(config.nats_url.get_secret_value(), name="moderation lend")
    life.on_stop("nats", bus.close)
    lender = Lender(bus, Embedded(load_model()))
    life.spawn("subscribing", lender.run())
    life.on_stop("lending", lender.stop)
    await life.observe(Health({"nats": lender.check}))
    await life.until_stopped()


def _provider(config: Config, life: Lifecycle, embedded: Embedded) -> Provider:
    if config.provider == "embedded":
        return embedded
    key = config.modapi_secret_key.get_secret_value()
    vendor = ModerationApi(key, config.modapi_base_url, config.modapi_timeout_seconds)
    life.on_stop("vendor", vendor.close)
    return vendor


def _score() -> int:
    return score.main(sys.stdin.buffer, sys.stdout)


if __name__ == "__main__":
    sys.exit(
        run_service(
            "moderation",
            [
                Process("serve", "gRPC and screening", Config, serve),
                Process("lend", "judge texts for those that serve; needs NATS_URL alone", LendConfig, lend),
                Command("score", "JSON lines of texts on stdin, of scores on stdout", _score),
            ],
            unnamed=wanted_process(),
        )
    )
