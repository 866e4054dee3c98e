"""Wiring of notify: `python -m services.notify serve`."""

import sys
from datetime import timedelta
from functools import partial

from protos.notify.v1 import notify_pb2, notify_pb2_grpc
from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.consumer import Consumer
from services.kit.db import check_database, create_engine
from services.kit.health import Health
from services.kit.listening import Listener
from services.kit.relay import Relay
from services.kit.rpc_server import RpcServer
from services.kit.run import GRACE_SECONDS, Lifecycle, Process, run_service
from services.notify import actions
from services.notify.clients import Directory, Queue
from services.notify.config import Config
from services.notify.events import ATTENTION, DEAD, PROGRESS, PROVIDERS, REFERRALS, REVIEWS, STALLS, THREATS, Events
from services.notify.loops import work_off
from services.notify.metrics import nobody_told
from services.notify.reminding import remind_one
from services.notify.rpc import NotifyServicer
from services.notify.store import alerts, telling

_REMIND_SECONDS = 60.0
"""How often it is looked at least who is to be reminded."""


async def serve(config: Config, life: Lifecycle) -> None:
    """Answer NotifyService, alert holders of threats, and hand e-mail and push to queue."""
    engine = create_engine(config.database_url.get_secret_value(), name="notify serve")
    life.on_stop("database", engine.dispose)
    bus = Bus(config.nats_url.get_secret_value(), name="notify", replicas=config.nats_replicas)
    life.on_stop("nats", bus.close)
    life.spawn("nats", bus.open("notify"))
    directory = Directory(config.directory_address, config.service_token.get_secret_value, config.tls_authority)
    life.on_stop("directory", directory.close)
    queue = Queue(config.queue_address, config.service_token.get_secret_value, config.tls_authority)
    life.on_stop("queue", queue.close)
    listener = Listener(engine, [alerts.CHANNEL, telling.CHANNEL])
    # A rate sees the first one only of what has been there with 0.
    nobody_told.add(0)
    health = Health({"database": lambda: check_database(engine), "nats": bus.check})
    server = RpcServer.of(config, health)
    server.add(
        notify_pb2_grpc.add_NotifyServiceServicer_to_server,
        NotifyServicer(engine, listener),
        notify_pb2.DESCRIPTOR.services_by_name["NotifyService"],
    )
    life.spawn("relay", Relay(engine, bus).run())
    life.spawn("listener", listener.run())
    life.spawn("submitting", work_off("submitting", listener, lambda: actions.submit_one(engine, utc_now, queue)))
    life.spawn("reading", work_off("reading", listener, lambda: actions.read_one(engine, utc_now, queue)))
    place = actions.Place(config.portal_url, config.district_time_zone)
    pause = timedelta(hours=config.remind_hours)
    if pause:
        remind = partial(remind_one, engine, utc_now, directory, place, pause)
        life.spawn("reminding", work_off("reminding", listener, remind, _REMIND_SECONDS))
    events = Events(engine, utc_now, directory, place)
    life.consume(Consumer(bus, THREATS, events.withheld))
    life.consume(Consumer(bus, PROGRESS, events.progressed))
    life.consume(Consumer(bus, REVIEWS, events.reviewed))
    life.consume(Consumer(bus, REFERRALS, events.referred))
    life.consume(Consumer(bus, STALLS, events.stalled))
    life.consume(Consumer(bus, ATTENTION, events.stopped))
    life.consume(Consumer(bus, PROVIDERS, events.provider_changed))
    life.consume(Consumer(bus, DEAD, events.buried))
    await server.start()
    life.on_stop("rpc", lambda: server.stop(GRACE_SECONDS / 2))
    await life.observe(health)
    await life.until_stopped()


if __name__ == "__main__":
    sys.exit(run_service("notify", [Process("serve", "gRPC, consumers, and what tells people", Config, serve)]))
