"""Channels to other services, async for services and sync for the gateway: token, deadline, safe retries.

Every call has a deadline: its own, else the channel's, and never more than what is left of the call that it serves.
UNAVAILABLE is retried only where the proto says that a repetition does no harm (idempotency_level). Make a channel
after fork. The token is asked for at each call: a service's own, or the viewer's of the request.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from grpc import aio
from opentelemetry.instrumentation.grpc import aio_client_interceptors, client_interceptor

from services.kit.rpc_calls import seconds_left
from services.kit.rpc_server import MESSAGE_BYTES
from services.kit.telemetry import traces_are_on

Token = Callable[[], str]
"""Answers the token of the next call; an empty text sends none."""


def async_channel(
    address: str,
    services: Sequence[ServiceDescriptor],
    token: Token,
    *,
    authority: str = "",
    deadline_seconds: float = 5.0,
) -> aio.Channel:
    """Return a channel to `address` for these services; deadline_seconds bounds calls that name none of their own.

    `authority` is the PEM of what the server's certificate must descend from; empty: without TLS.
    """
    calls = _Calls(token, deadline_seconds)
    interceptors: list[Any] = [_UnaryUnary(calls), _UnaryStream(calls), _StreamUnary(calls), _StreamStream(calls)]
    tracing = aio_client_interceptors() if traces_are_on() else []
    target, options, chain = _target(address), _options(services), [*tracing, *interceptors]
    if authority:
        return aio.secure_channel(target, _credentials(authority), options=options, interceptors=chain)
    return aio.insecure_channel(target, options=options, interceptors=chain)


def sync_channel(
    address: str,
    services: Sequence[ServiceDescriptor],
    token: Token,
    *,
    authority: str = "",
    deadline_seconds: float = 5.0,
) -> grpc.Channel:
    """Return the same for threads; the channel is safe to share between them."""
    target, options = _target(address), _options(services)
    if authority:
        channel = grpc.secure_channel(target, _credentials(authority), options=options)
    else:
        channel = grpc.insecure_channel(target, options=options)
    tracing = [client_interceptor()] if traces_are_on() else []
    return grpc.intercept_channel(channel, *tracing, _SyncCalls(_Calls(token, deadline_seconds)))


def _credentials(authority: str) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(authority.encode())


def _target(address: str) -> str:
    # dns:/// lets round_robin see every address of a headless service.
    return address if "://" in address or address[0].isdigit() else f"dns:///{address}"


def _options(services: Sequence[ServiceDescriptor]) -> list[tuple[str, Any]]:
    return [
        ("grpc.service_config", json.dumps(service_config(services))),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]


def service_config(services: Sequence[ServiceDescriptor]) -> dict[str, Any]:
    """Return gRPC's service config: round robin, and retries of the methods that may be repeated."""
    names = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    ]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    methods = [{"name": names, "retryPolicy": retry}] if names else []
    return {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods}


class _Details(NamedTuple):
    method: Any
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any = None


class _Calls:
    """Fills what a call lacks: the token and the deadline."""

    def __init__(self, token: Token, deadline_seconds: float) -> None:
        self._token, self._deadline_seconds = token, deadline_seconds

    def complete(self, details: Any) -> _Details:
        timeout = self._deadline_seconds if details.timeout is None else details.timeout
        left = seconds_left()
        timeout = timeout if left is None else min(timeout, left)
        metadata = list(details.metadata or ())
        token = self._token()
        if token and not any(key == "authorization" for key, _ in metadata):
            metadata.append(("authorization", f"Bearer {token}"))
        compression = getattr(details, "compression", None)
        return _Details(details.method, timeout, metadata, details.credentials, details.wait_for_ready, compression)


class _AsyncCalls:
    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    async def _go(self, continuation: Any, details: Any, request: Any) -> Any:
        complete = self._calls.complete(details)
        metadata = aio.Metadata(*complete.metadata)
        arguments = (complete.method, complete.timeout, metadata, complete.credentials, complete.wait_for_ready)
        return await continuation(aio.ClientCallDetails(*arguments), request)


# grpc.aio sorts interceptors by their class, one kind of call each; ours do the same to all kinds.
class _UnaryUnary(_AsyncCalls, aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary: Any = _AsyncCalls._go


class _UnaryStream(_AsyncCalls, aio.UnaryStreamClientInterceptor):
    intercept_unary_stream: Any = _AsyncCalls._go


class _StreamUnary(_AsyncCalls, aio.StreamUnaryClientInterceptor):
    intercept_stream_unary: Any = _AsyncCalls._go


class _StreamStream(_AsyncCalls, aio.StreamStreamClientInterceptor):
    intercept_stream_stream: Any = _AsyncCalls._go


class _SyncCalls(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    def _go(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._calls.complete(client_call_details), request)

    intercept_unary_unary: Any = _go
    intercept_unary_stream: Any = _go
    intercept_stream_unary: Any = _go
    intercept_stream_stream: Any = _go
