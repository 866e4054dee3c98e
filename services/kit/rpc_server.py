"""The gRPC server of every service: who calls, what they may, how long they wait, and what errors look like.

A method names the scope that it needs by the option (comms.types.v1.scope); the server does not start with one that
names none. Health and reflection are open.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.instrumentation.grpc import aio_server_interceptor

from protos.types.v1 import options_pb2
from services.kit.auth import TokenVerifier
from services.kit.config import ServiceSettings
from services.kit.health import Health
from services.kit.rpc_calls import CallInterceptor
from services.kit.telemetry import traces_are_on

MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that a server takes or sends; larger things are streamed."""
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Clients come back on a new connection now and then, so that they find new replicas.
    ("grpc.max_connection_age_ms", 600_000),
    # What is open by then is cut when this has passed, too: an import of years of messages must come to its end.
    ("grpc.max_connection_age_grace_ms", 3_600_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class Certificate(NamedTuple):
    """What a server shows over TLS, both in PEM."""

    chain: str
    """Its certificate, and those between it and the authority."""
    key: str


class MissingScope(Exception):
    """A method of a service names no scope; the text says which."""


def scopes_of(service: ServiceDescriptor) -> dict[str, str]:
    """Return the scope of each method by its full path (`/package.Service/Method`). MissingScope if one has none."""
    scopes = {
        f"/{service.full_name}/{each.name}": each.GetOptions().Extensions[options_pb2.scope] for each in service.methods
    }
    missing = sorted(path for path, scope in scopes.items() if not scope)
    if missing:
        raise MissingScope(f"no (comms.types.v1.scope) on {', '.join(missing)}")
    return scopes


class RpcServer:
    """One listening address with all services of a process. Add them, start, and stop."""

    def __init__(
        self,
        listen: str,
        verifier: TokenVerifier,
        health: Health,
        *,
        certificate: Certificate | None = None,
        concurrent_calls: int = 1000,
    ) -> None:
        """Listen on HOST:PORT (port 0: the system chooses); calls beyond concurrent_calls get ResourceExhausted.

        Without a certificate it speaks without TLS.
        """
        self._listen, self._health, self._certificate = listen, health, certificate
        self._calls = CallInterceptor(verifier)
        tracing = [aio_server_interceptor()] if traces_are_on() else []
        self._server = aio.server(
            interceptors=[*tracing, self._calls], options=_OPTIONS, maximum_concurrent_rpcs=concurrent_calls
        )
        self._names: list[str] = []
        self._states = grpc_health.aio.HealthServicer()
        self.port = 0

    @classmethod
    def of(cls, settings: ServiceSettings, health: Health) -> Self:
        """Return the server of a process by its settings. OSError when the public keys cannot be read."""
        certificate = None
        if settings.tls_certificate:
            certificate = Certificate(settings.tls_certificate, settings.tls_key.get_secret_value())
        verifier = TokenVerifier.from_file(settings.auth_keys_file)
        return cls(settings.listen, verifier, health, certificate=certificate)

    def add(self, register: Callable[[Any, aio.Server], None], servicer: Any, service: ServiceDescriptor) -> None:
        """Add a service: the generated add_…_to_server, the servicer, the descriptor. MissingScope stops the start."""
        self._calls.allow(scopes_of(service))
        register(servicer, self._server)
        self._names.append(service.full_name)

    async def start(self) -> None:
        """Listen; `port` is known from here on. OSError when the address is taken."""
        health_pb2_grpc.add_HealthServicer_to_server(self._states, self._server)
        reflection.enable_server_reflection(
            [*self._names, grpc_health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        try:
            self.port = self._open_port()
        except RuntimeError as problem:
            raise OSError(f"cannot listen on {self._listen}") from problem
        await self._server.start()
        await self._show(is_ready=False)
        self._health.on_change(lambda is_ready: self._show(is_ready=is_ready))

    def _open_port(self) -> int:
        if self._certificate is None:
            return self._server.add_insecure_port(self._listen)
        pair = (self._certificate.key.encode(), self._certificate.chain.encode())
        return self._server.add_secure_port(self._listen, grpc.ssl_server_credentials([pair]))

    async def stop(self, grace_seconds: float) -> None:
        """Take no new calls and let those at work end within grace_seconds."""
        await self._server.stop(grace_seconds)

    async def _show(self, *, is_ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._states.set(name, status)
