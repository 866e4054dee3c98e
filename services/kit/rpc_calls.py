"""What happens around every call: the token, its scope, the deadline, the error's form, one measurement.

The server keeps 20 ms of the caller's time to itself, so that the time-out which is reported is the inner one, and does
not begin a call that has less than 100 ms left.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import grpc
from grpc import aio

from services.kit.auth import Caller, TokenVerifier, set_caller
from services.kit.errors import DeadlineExceeded, Internal, PermissionDenied, ServiceError, Unauthenticated, Unavailable
from services.kit.logs import get_logger
from services.kit.rpc_errors import from_grpc, to_grpc
from services.kit.telemetry import meter

_log = get_logger(__name__)
_duration = meter(__name__).create_histogram("rpc.server.call.duration", "s", "Time from a call's arrival to its end.")

_KEPT_SECONDS = 0.02
_LEAST_SECONDS = 0.1
_OPEN = ("/grpc.health.v1.", "/grpc.reflection.")
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
# What another service's failure means to our caller: it may pass, or it is ours to explain.
_PASSED_ON = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"}


def seconds_left() -> float | None:
    """Return what is left of the present call's time, at least 0; None when it has no end."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


class CallInterceptor(aio.ServerInterceptor):
    """Wraps every method of our services."""

    def __init__(self, verifier: TokenVerifier) -> None:
        """Take what tells good tokens from bad."""
        self._verifier = verifier
        self._scopes: dict[str, str] = {}

    def allow(self, scopes: Mapping[str, str]) -> None:
        """Serve these methods (full path → scope)."""
        self._scopes.update(scopes)

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the handler, wrapped; health and reflection as they are."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OPEN):
            return handler
        return self._wrapped(method, handler)

    def _wrapped(self, method: str, handler: Any) -> Any:
        sides = (handler.request_streaming, handler.response_streaming)
        kind = "_".join("stream" if side else "unary" for side in sides)
        wrap = self._streaming if handler.response_streaming else self._unary
        make: Any = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            wrap(method, getattr(handler, kind)),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(
        self, method: str, behaviour: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(request: Any, context: Any) -> Any:
            started, failure = time.monotonic(), None
            try:
                async with self._admitted(method, context):
                    response = await behaviour(request, context)
            except Exception as problem:  # noqa: BLE001  whatever rises becomes a status
                failure = problem
            # Not while it is handled: the span of the call keeps what is raised here, and all that it came from.
            if failure:
                await _fail(method, context, failure, started)
            _measure(method, "OK", started)
            return response

        return call

    def _streaming(
        self, method: str, behaviour: Callable[[Any, Any], AsyncIterator[Any]]
    ) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            started, failure = time.monotonic(), None
            try:
                async with self._admitted(method, context):
                    async for response in behaviour(request, context):
                        yield response
            except Exception as problem:  # noqa: BLE001  whatever rises becomes a status
                failure = problem
            if failure:
                await _fail(method, context, failure, started)
            _measure(method, "OK", started)

        return call

    def _admitted(self, method: str, context: Any) -> asyncio.Timeout:
        """Set the caller and the deadline of the call, or raise; the result ends the body in time."""
        caller = self._verifier.verify(_bearer(context.invocation_metadata()))
        _require(caller, self._scopes.get(method))
        set_caller(caller)
        remaining = context.time_remaining()
        if remaining is None:
            _deadline.set(None)
            return asyncio.timeout(None)
        if remaining < _LEAST_SECONDS:
            raise DeadlineExceeded("DEADLINE_TOO_CLOSE", "Less than 0.1 s was left when the call arrived.")
        _deadline.set(time.monotonic() + remaining - _KEPT_SECONDS)
        return asyncio.timeout(remaining - _KEPT_SECONDS)


def _bearer(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    for key, value in metadata or ():
        if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    raise Unauthenticated("TOKEN_MISSING", "Send `authorization: Bearer <token>`.")


def _require(caller: Caller, scope: str | None) -> None:
    if scope is None or scope not in caller.scopes:
        sentence = f"The token does not carry the scope {scope}."
        raise PermissionDenied("SCOPE_MISSING", sentence, metadata={"scope": scope or ""})


async def _fail(method: str, context: Any, problem: Exception, started: float) -> None:
    """End the call with the status of the problem; a bug is logged and loses its text."""
    if isinstance(problem, aio.AbortError):
        raise problem
    error = _outward(problem)
    _measure(method, error.code, started)
    if isinstance(error, Internal):
        _log.error("rpc_failed", exc_info=problem, method=method)
    elif isinstance(error, Unavailable | DeadlineExceeded):
        _log.warning("rpc_refused", method=method, code=error.code, reason=error.reason)
    else:
        _log.debug("rpc_refused", method=method, code=error.code, reason=error.reason)
    await context.abort_with_status(to_grpc(error))


def _outward(problem: Exception) -> ServiceError:
    if isinstance(problem, ServiceError):
        return problem
    if isinstance(problem, TimeoutError):
        return DeadlineExceeded("DEADLINE_EXCEEDED", "The call's time was over.")
    if isinstance(problem, grpc.RpcError):
        inner = from_grpc(problem)
        if inner.code in _PASSED_ON:
            return inner
    return Internal("INTERNAL")


def _measure(method: str, code: str, started: float) -> None:
    attributes = {"rpc.method": method.removeprefix("/"), "rpc.response.status_code": code}
    _duration.record(time.monotonic() - started, attributes)
