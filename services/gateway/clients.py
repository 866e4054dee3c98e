"""Stubs of the other services for threads; their channels are made when the first call needs them, after fork."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from protos.moderation.v1 import moderation_pb2, moderation_pb2_grpc
from protos.notify.v1 import notify_pb2, notify_pb2_grpc
from protos.queue.v1 import (
    attendance_pb2_grpc,
    contacts_pb2_grpc,
    families_pb2_grpc,
    queue_pb2,
    queue_pb2_grpc,
    schedules_pb2_grpc,
    senders_pb2_grpc,
    surveys_pb2_grpc,
)
from protos.reports.v1 import reports_pb2, reports_pb2_grpc
from services.gateway.config import GatewaySettings
from services.kit.errors import Unavailable
from services.kit.rpc_client import sync_channel

viewer_token: ContextVar[str] = ContextVar("viewer_token", default="")
"""The token of the person of the present request; without one calls go out in the gateway's own name."""
_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class Clients:
    """One stub for each service, and their channels by name."""

    directory: Any
    queue: Any
    schedules: Any
    contacts: Any
    families: Any
    senders: Any
    surveys: Any
    attendance: Any
    moderation: Any
    reports: Any
    notify: Any
    channels: dict[str, grpc.Channel]
    own_token: str

    @property
    def as_gateway(self) -> tuple[tuple[str, str], ...]:
        """Metadata for a call in the gateway's own name, whoever is signed in."""
        return (("authorization", f"Bearer {self.own_token}"),)

    def check(self, name: str) -> None:
        """Raise Unavailable unless the service says that it is well."""
        stub = health_pb2_grpc.HealthStub(self.channels[name])
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_CHECK_SECONDS)
        except grpc.RpcError as problem:
            raise Unavailable("SERVICE_UNAVAILABLE", f"{name} does not answer.") from problem
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Unavailable("SERVICE_UNAVAILABLE", f"{name} is not ready.")


def connect(settings: GatewaySettings) -> Clients:
    """Open a channel to each service. Call it after fork."""
    own = settings.service_token.get_secret_value()

    def token() -> str:
        return viewer_token.get() or own

    def channel(address: str, module: Any, name: str) -> grpc.Channel:
        service: ServiceDescriptor = module.DESCRIPTOR.services_by_name[name]
        return sync_channel(address, [service], token, authority=settings.tls_authority)

    channels = {
        "directory": channel(settings.directory_address, directory_pb2, "DirectoryService"),
        "queue": channel(settings.queue_address, queue_pb2, "QueueService"),
        "moderation": channel(settings.moderation_address, moderation_pb2, "ModerationService"),
        "reports": channel(settings.reports_address, reports_pb2, "ReportsService"),
        "notify": channel(settings.notify_address, notify_pb2, "NotifyService"),
    }
    return Clients(
        directory=directory_pb2_grpc.DirectoryServiceStub(channels["directory"]),
        queue=queue_pb2_grpc.QueueServiceStub(channels["queue"]),
        attendance=attendance_pb2_grpc.AttendanceServiceStub(channels["queue"]),
        contacts=contacts_pb2_grpc.ContactServiceStub(channels["queue"]),
        families=families_pb2_grpc.FamilyServiceStub(channels["queue"]),
        senders=senders_pb2_grpc.SenderServiceStub(channels["queue"]),
        surveys=surveys_pb2_grpc.SurveyServiceStub(channels["queue"]),
        schedules=schedules_pb2_grpc.ScheduleServiceStub(channels["queue"]),
        moderation=moderation_pb2_grpc.ModerationServiceStub(channels["moderation"]),
        reports=reports_pb2_grpc.ReportsServiceStub(channels["reports"]),
        notify=notify_pb2_grpc.NotifyServiceStub(channels["notify"]),
        channels=channels,
        own_token=own,
    )
