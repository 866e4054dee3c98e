"""Every gRPC service of the queue, with what answers it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import (
    attendance_pb2,
    attendance_pb2_grpc,
    contacts_pb2,
    contacts_pb2_grpc,
    families_pb2,
    families_pb2_grpc,
    queue_pb2,
    queue_pb2_grpc,
    schedules_pb2,
    schedules_pb2_grpc,
    senders_pb2,
    senders_pb2_grpc,
    surveys_pb2,
    surveys_pb2_grpc,
)
from services.kit.clock import utc_now
from services.kit.run import Lifecycle
from services.queue import leaving
from services.queue.actions.answering import Answering
from services.queue.actions.recordings import Recordings
from services.queue.actions.sending_as import Senders
from services.queue.actions.unsubscribing import Unsubscribing
from services.queue.attendance_rpc import AttendanceServicer
from services.queue.clients import Directory
from services.queue.config import QueueConfig
from services.queue.contact_rpc import ContactServicer
from services.queue.family_rpc import FamilyServicer
from services.queue.links import Links
from services.queue.preview_words import Prices
from services.queue.providers.choose import make_invitations, make_store, make_translator
from services.queue.rpc import QueueServicer
from services.queue.schedule_rpc import ScheduleServicer
from services.queue.sender_rpc import SenderServicer
from services.queue.survey_rpc import SurveyServicer
from services.queue.tickets import Tickets


class Served(NamedTuple):
    """A servicer, how it is added to a server, and the contract whose one service it answers."""

    register: Callable[[Any, Any], None]
    servicer: object
    contract: ModuleType


def servicers(
    config: QueueConfig, engine: AsyncEngine, directory: Directory, answering: Answering, life: Lifecycle
) -> list[Served]:
    """Return them all; what they open is closed when the process stops."""
    queue = _queue(config, engine, directory, life)
    zone = config.district_time_zone
    schedules = ScheduleServicer(engine, utc_now, directory, zone, has_surveys=config.has_surveys)
    attendance = AttendanceServicer(engine, utc_now, directory, zone)
    senders = SenderServicer(Senders(engine, utc_now, config.domains), directory)
    contacts = ContactServicer(engine, utc_now, _unsubscribing(config, engine))
    families = FamilyServicer(engine, zone)
    return [
        Served(queue_pb2_grpc.add_QueueServiceServicer_to_server, queue, queue_pb2),
        Served(schedules_pb2_grpc.add_ScheduleServiceServicer_to_server, schedules, schedules_pb2),
        Served(attendance_pb2_grpc.add_AttendanceServiceServicer_to_server, attendance, attendance_pb2),
        Served(senders_pb2_grpc.add_SenderServiceServicer_to_server, senders, senders_pb2),
        Served(contacts_pb2_grpc.add_ContactServiceServicer_to_server, contacts, contacts_pb2),
        Served(families_pb2_grpc.add_FamilyServiceServicer_to_server, families, families_pb2),
        Served(surveys_pb2_grpc.add_SurveyServiceServicer_to_server, SurveyServicer(answering), surveys_pb2),
    ]


def _queue(config: QueueConfig, engine: AsyncEngine, directory: Directory, life: Lifecycle) -> QueueServicer:
    recordings, translator = make_recordings(config, engine), make_translator(config)
    if recordings:
        life.on_stop("recordings", recordings.store.close)
    if translator:
        life.on_stop("translations", translator.close)
    return QueueServicer(
        engine,
        utc_now,
        directory,
        config.district_time_zone,
        redial_seconds=config.redial_seconds,
        prices=Prices(config.sms_segment_price, config.call_minute_price),
        recordings=recordings,
        has_surveys=config.has_surveys,
        invitations=make_invitations(config),
        translator=translator,
    )


def _unsubscribing(config: QueueConfig, engine: AsyncEngine) -> Unsubscribing:
    secret = config.unsubscribe_secret.get_secret_value()
    return Unsubscribing(engine, utc_now, Links(secret, leaving.PURPOSE) if secret else None)


def make_answering(config: QueueConfig, engine: AsyncEngine) -> Answering:
    """Return what takes answers to polls and sign-ups; it knows no links where they are not set up."""
    secret = config.answers_secret.get_secret_value()
    return Answering(engine, utc_now, Links(secret) if config.has_surveys else None)


def make_recordings(config: QueueConfig, engine: AsyncEngine) -> Recordings | None:
    """Return what keeps and plays recordings; None when there are no recorded calls."""
    store = make_store(config)
    tickets = Tickets(config.recordings_secret.get_secret_value())
    return Recordings(engine, utc_now, store, tickets) if store else None
