"""Errors across gRPC, both ways: ServiceError ↔ google.rpc.Status with ErrorInfo, BadRequest and RetryInfo."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.kit import errors

DOMAIN = "lantern"
"""The domain of every ErrorInfo that our services send."""
_STATUS_KEY = "grpc-status-details-bin"
_CLASSES: dict[str, type[errors.ServiceError]] = {
    each.code: each
    for each in (
        errors.InvalidArgument,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.NotFound,
        errors.AlreadyExists,
        errors.FailedPrecondition,
        errors.Aborted,
        errors.ResourceExhausted,
        errors.Unavailable,
        errors.DeadlineExceeded,
        errors.Internal,
    )
}


def to_proto(error: errors.ServiceError) -> status_pb2.Status:
    """Return the google.rpc.Status that carries the error."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata),
    ]
    if error.violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=each.pointer, description=each.detail)
            for each in error.violations
        ]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.code), message=error.message, details=[_packed(each) for each in details]
    )


def to_grpc(error: errors.ServiceError) -> Any:
    """Return the grpc.Status that `context.abort_with_status` takes."""
    return rpc_status.to_status(to_proto(error))


def from_grpc(error: grpc.RpcError) -> errors.ServiceError:
    """Return the ServiceError that a failed call carries. Without details, its code is the reason."""
    code: str = error.code().name
    status = _status_of(error)
    arguments: dict[str, Any] = {}
    reason = code
    for detail in status.details if status else ():
        reason = _unpack(detail, arguments) or reason
    return _CLASSES.get(code, errors.Internal)(reason, status.message if status else "", **arguments)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the RpcErrors of the calls inside into ServiceErrors."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_grpc(error) from error


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _trailers(error: grpc.RpcError) -> Any:
    return error.trailing_metadata() or ()


def _status_of(error: grpc.RpcError) -> status_pb2.Status | None:
    for key, value in _trailers(error):
        if key == _STATUS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _unpack(detail: any_pb2.Any, arguments: dict[str, Any]) -> str | None:
    """Add what the detail says to the error's arguments; return the reason when the detail names it."""
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    if detail.Unpack(info):
        arguments["metadata"] = dict(info.metadata)
        return str(info.reason)
    if detail.Unpack(bad):
        arguments["violations"] = [(each.field, each.description) for each in bad.field_violations]
    elif detail.Unpack(retry):
        arguments["retry_after_seconds"] = retry.retry_delay.ToNanoseconds() / 1e9
    return None
