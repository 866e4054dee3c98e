"""Wiring of the queue: `python -m services.queue serve|dispatch|tick|restored|migrate`."""

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.db import check_database, create_engine
from services.kit.health import Health
from services.kit.outage import repeat
from services.kit.relay import Relay
from services.kit.rpc_server import RpcServer
from services.kit.run import GRACE_SECONDS, Command, Lifecycle, Process, run_service
from services.queue import metrics
from services.queue.actions import absences, braking, receipts, rescreening, stalling, upkeep
from services.queue.actions.lifting import Lifting
from services.queue.actions.recover import recover_one
from services.queue.clients import Directory
from services.queue.config import DispatchConfig, ProviderConfig, QueueConfig, RestoredSettings
from services.queue.events import review_consumer, verdict_consumer
from services.queue.loops import Workers, wake_dispatchers
from services.queue.occurring import Occurring
from services.queue.providers.choose import make_dispatcher, make_ses_list, make_translating
from services.queue.restore_command import restored
from services.queue.servicers import make_answering, make_recordings, servicers
from services.queue.telling import Telling

_STATEMENT_SECONDS = 60.0
_QUIET_SECONDS = 2.0
"""How often directory is asked for the schools' quiet hours."""
_TRANSLATE_SECONDS = 0.25


async def serve(config: QueueConfig, life: Lifecycle) -> None:
    """Answer QueueService and its neighbours, and act on verdicts."""
    engine, bus, health = _open("serve", config, life)
    directory, answering = _directory(config, life), make_answering(config, engine)
    server = RpcServer.of(config, health)
    for register, servicer, contract in servicers(config, engine, directory, answering, life):
        (service,) = contract.DESCRIPTOR.services_by_name.values()
        server.add(register, servicer, service)
    life.spawn("responses", repeat("responses", config.progress_pause_seconds, answering.tell_responses))
    life.spawn("wake dispatchers", wake_dispatchers(engine))
    life.spawn("quiet hours", repeat("quiet hours", _QUIET_SECONDS, lambda: directory.keep_quiet_hours(engine)))
    life.consume(verdict_consumer(bus, engine, utc_now))
    life.consume(review_consumer(bus, engine, utc_now, lambda: directory.known("")))
    await server.start()
    life.on_stop("rpc", lambda: server.stop(GRACE_SECONDS / 2))
    await life.observe(health)
    await life.until_stopped()


async def dispatch(config: DispatchConfig, life: Lifecycle) -> None:
    """Hand due batches over to their providers."""
    engine, _, health = _open("dispatch", config, life)
    dispatcher = make_dispatcher(config, engine, utc_now)
    for provider in dispatcher.adapters():
        life.on_stop(provider.name, provider.close)
    workers = Workers(dispatcher, config.workers, config.poll_seconds)
    life.spawn("workers", workers.run())
    life.spawn("hearing", workers.hear())
    for name, is_urgent in (("urgent translations", True), ("translations", False)):
        translating = make_translating(config, engine, utc_now, is_urgent=is_urgent)
        life.spawn(name, repeat(name, _TRANSLATE_SECONDS, translating.step))
        if translating.provider:
            life.on_stop(name, translating.provider.close)
    life.on_stop("deliveries at work", workers.stop)
    await life.observe(health)
    await life.until_stopped()


async def tick(config: ProviderConfig, life: Lifecycle) -> None:
    """Do what time asks for: expire, recover lost claims, ask about silent deliveries, match early receipts."""
    engine, _, health = _open("tick", config, life)
    dispatcher = make_dispatcher(config, engine, utc_now)
    for provider in dispatcher.adapters():
        life.on_stop(provider.name, provider.close)
    directory = _directory(config, life)
    occurring = Occurring(engine, utc_now, directory)
    telling = Telling(engine, utc_now, directory, config.district_time_zone)
    life.spawn("wake dispatchers", wake_dispatchers(engine))

    async def watch_screening() -> None:
        await stalling.watch_screening(engine, utc_now, config.screening_alarm_seconds)

    steps: dict[str, tuple[float, Callable[[], Awaitable[object]]]] = {
        "schedules": (1.0, occurring.step),
        "attendance": (2.0, telling.step),
        "forget absences": (3600.0, lambda: absences.forget_old(engine, utc_now)),
        "measure absences": (300.0, lambda: absences.measure_age(engine, utc_now)),
        "expire": (1.0, lambda: upkeep.expire(engine, utc_now)),
        "recover": (1.0, lambda: recover_one(dispatcher)),
        "match receipts": (2.0, lambda: receipts.match_kept(engine, utc_now, config.redial_seconds)),
        "ask providers": (
            min(10.0, config.silent_ask_seconds),
            lambda: upkeep.ask_providers(dispatcher, config.silent_ask_seconds),
        ),
        "watch screening": (10.0, watch_screening),
        "ask moderation again": (30.0, lambda: stalling.ask_again(engine, utc_now)),
        "judge again": (1.0, lambda: rescreening.ask_next(engine, utc_now, lambda: directory.known(""))),
        "measure": (5.0, lambda: upkeep.measure(engine, utc_now)),
        "watch bounces": (30.0, lambda: braking.watch(engine, utc_now)),
        "check counters": (3600.0, lambda: upkeep.check_counters(engine, utc_now)),
        "sum up received": (5.0, lambda: upkeep.sum_up_received(engine)),
        "prepare months": (3600.0, lambda: upkeep.prepare_months(engine, utc_now)),
    }
    recordings = make_recordings(config, engine)
    if recordings:
        life.on_stop("recordings", recordings.store.close)
        kept = timedelta(days=config.recording_keep_days)
        steps["remove recordings"] = (60.0, lambda: recordings.sweep(kept))
    if ses_list := make_ses_list(config):
        life.on_stop("suppression list", ses_list.close)
        # Amazon takes one such request a second.
        steps["lift at Amazon"] = (1.0, Lifting(engine, utc_now, ses_list).step)
    for name, (pause, step) in steps.items():
        life.spawn(name, repeat(name, pause, step))
    await life.observe(health)
    await life.until_stopped()


def _directory(config: QueueConfig, life: Lifecycle) -> Directory:
    token = config.service_token.get_secret_value()
    directory = Directory(config.directory_address, token, config.tls_authority)
    life.on_stop("directory", directory.close)
    return directory


def _open(process: str, config: QueueConfig, life: Lifecycle) -> tuple[AsyncEngine, Bus, Health]:
    """Open the database and the bus, and tell what happens in this process: its events and its progress."""
    metrics.count_from_zero()
    url = config.database_url.get_secret_value()
    engine = create_engine(url, name=f"queue {process}", statement_timeout_seconds=_STATEMENT_SECONDS)
    life.on_stop("database", engine.dispose)
    bus = Bus(config.nats_url.get_secret_value(), name=f"queue {process}", replicas=config.nats_replicas)
    life.on_stop("nats", bus.close)
    life.spawn("nats", bus.open("queue"))
    life.spawn("relay", Relay(engine, bus).run())
    pause = timedelta(seconds=config.progress_pause_seconds)
    life.spawn(
        "progress",
        repeat("progress", config.progress_pause_seconds, lambda: upkeep.tell_progress(engine, utc_now, pause)),
    )
    health = Health({"database": lambda: check_database(engine), "nats": bus.check})
    return engine, bus, health


if __name__ == "__main__":
    parts: list[Process | Command] = [
        Process("serve", "gRPC and verdicts", QueueConfig, serve),
        Process("dispatch", "hands deliveries over to providers", DispatchConfig, dispatch),
        Process("tick", "expiry, recovery and reconciliation", ProviderConfig, tick),
        Command("restored", "ask the providers before a restored queue sends", restored, RestoredSettings),
    ]
    sys.exit(run_service("queue", parts))
