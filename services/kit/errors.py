"""Errors that a caller can act on: one class per gRPC code, the same word in every service.

A reason is an UPPER_SNAKE constant which stays the same for ever; callers decide by it and docs/errors.md lists it. A
message is a sentence for people, without personal data. Anything that is not a ServiceError is a bug: the edge logs it
and answers INTERNAL without its text.
"""

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

_REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


class Violation(NamedTuple):
    """One wrong field of a request."""

    pointer: str
    """Where: a JSON pointer or field path, such as `/recipients/3/phone`."""
    detail: str
    """What is wrong and what would be right, for people."""


class ServiceError(Exception):
    """What every error of a service carries; raise one of the subclasses."""

    code: ClassVar[str] = "UNKNOWN"
    """Name of the gRPC status code."""

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        violations: Iterable[tuple[str, str]] = (),
        retry_after_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Name the reason (UPPER_SNAKE, ValueError otherwise) and say it in a sentence; without one, violations do.

        violations are (pointer, detail) pairs; retry_after_seconds (≥ 0) tells when another try may succeed; metadata
        holds ids and numbers that a program may need, never personal data.
        """
        if not _REASON.fullmatch(reason):
            raise ValueError("a reason is written in UPPER_SNAKE")
        self.violations = tuple(Violation(*each) for each in violations)
        # A sentence of its own is not needed where the fields say it.
        self.message = message or " ".join(dict.fromkeys(each.detail for each in self.violations[:3]))
        super().__init__(self.message or reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.metadata = dict(metadata or {})


class InvalidArgument(ServiceError):
    """The request is wrong in itself, whatever the state of the system; violations say where. HTTP 400."""

    code = "INVALID_ARGUMENT"


class Unauthenticated(ServiceError):
    """Nobody knows who is calling: no token, or one that does not hold. HTTP 401."""

    code = "UNAUTHENTICATED"


class PermissionDenied(ServiceError):
    """The caller is known and may not do this. An object outside the caller's view is NotFound instead. HTTP 403."""

    code = "PERMISSION_DENIED"


class NotFound(ServiceError):
    """There is no such thing, or the caller may not know of it. HTTP 404."""

    code = "NOT_FOUND"


class AlreadyExists(ServiceError):
    """Something else already has this name or key. HTTP 409."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(ServiceError):
    """The request is right and the present state does not allow it. HTTP 409."""

    code = "FAILED_PRECONDITION"


class Aborted(ServiceError):
    """Someone else changed the same thing meanwhile; reading again and retrying may succeed. HTTP 409."""

    code = "ABORTED"


class ResourceExhausted(ServiceError):
    """A quota or a rate is used up; give retry_after_seconds. HTTP 429."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(ServiceError):
    """Something that is needed does not answer at the moment. HTTP 503."""

    code = "UNAVAILABLE"


class DeadlineExceeded(ServiceError):
    """The time that the caller gave is over. HTTP 504."""

    code = "DEADLINE_EXCEEDED"


class Internal(ServiceError):
    """A bug, as a client sees it. Services do not raise it: they let the real error rise. HTTP 500."""

    code = "INTERNAL"
