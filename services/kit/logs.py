"""Logs: JSON lines on stdout. The event is a constant name, the data are fields; ids, never objects or people.

A filter drops what could identify a person or repeat what someone wrote: fields with such names, telephone numbers and
e-mail addresses inside any text, and the messages of exceptions whose text we did not write.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from traceback import extract_tb
from types import TracebackType
from typing import Any

import structlog
from opentelemetry import trace

from services.kit.errors import ServiceError

REDACTED = "[redacted]"
# fmt: off
_PERSONAL = frozenset(
    {
        "phone", "telephone", "mobile", "email", "e_mail", "address", "destination", "name", "first_name",
        "last_name", "full_name", "title", "text", "body", "subject", "content", "message", "transcript",
        "preview", "recipient", "recipients", "sender", "to", "from_", "password", "secret", "token",
        "authorization", "cookie", "params", "parameters", "payload", "answer", "answers", "response",
        "explanation",
    }
)
# fmt: on
_SAFE_KEYS = frozenset({"event", "level", "timestamp", "logger", "service", "process", "reason", "nats_subject"})
_EMAIL = re.compile(r"[\w.+'-]+@[\w-]+(\.[\w-]+)*", re.UNICODE)
_PHONE = re.compile(r"(?<![\w-])(\+\d[\d ().-]{6,18}\d|\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4})(?![\w-])")
_EVENT = re.compile(r"[a-z][a-z0-9_]*")
# The text of these is made by Python or the system, from names in code, paths and addresses of machines.
_OWN_TEXT = (AttributeError, ImportError, NameError, TypeError, OSError)
_Record = MutableMapping[str, Any]


def configure_logs(service: str, process: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records to stdout, as JSON, from `level` up."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
        _describe_exception,
    ]
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        remove_personal_data,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    foreign = [*shared, structlog.stdlib.add_logger_name, _name_library_event]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=final, foreign_pre_chain=foreign))
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries speak from WARNING up only: their chatter is not ours to vouch for.
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("services").setLevel(level)
    structlog.contextvars.bind_contextvars(service=service, process=process)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module: pass `__name__`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def remove_personal_data(_logger: Any, _method: str, record: _Record) -> _Record:
    """Replace every field that could identify a person or repeat what someone wrote."""
    event = record.get("event")
    if not (isinstance(event, str) and _EVENT.fullmatch(event)):
        record["event"] = "unnamed_event"
    for key, value in record.items():
        if key not in _SAFE_KEYS:
            record[key] = REDACTED if _is_personal(key) else _clean(value)
    return record


def _is_personal(key: str) -> bool:
    lowered = key.lower()
    # `template_name` and `sender_phone` are caught by their last word; ids and counts are what remains.
    return lowered in _PERSONAL or lowered.rsplit("_", 1)[-1] in _PERSONAL


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _PHONE.sub(REDACTED, _EMAIL.sub(REDACTED, value))
    if isinstance(value, Mapping):
        return {k: REDACTED if _is_personal(str(k)) else _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value)) if type(value).__module__ in {"datetime", "uuid", "enum"} else type(value).__name__


def _name_library_event(_logger: Any, _method: str, record: _Record) -> _Record:
    record["detail"], record["event"] = record.get("event"), "library_message"
    return record


def _add_trace_id(_logger: Any, _method: str, record: _Record) -> _Record:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record["trace_id"] = f"{context.trace_id:032x}"
    return record


def _describe_exception(_logger: Any, _method: str, record: _Record) -> _Record:
    info = record.pop("exc_info", None)
    problem = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(problem, BaseException):
        record["exception"] = _chain(problem)
    return record


def _chain(problem: BaseException | None) -> list[dict[str, Any]]:
    """Describe an exception and its causes, the outermost first, without text that may come from people."""
    described: list[dict[str, Any]] = []
    while problem is not None and len(described) < 5:
        described.append(_describe(problem))
        if isinstance(problem, BaseExceptionGroup):
            described += [_describe(each) for each in problem.exceptions[:5]]
        problem = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
    return described


def _describe(problem: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type(problem).__name__, "frames": _frames(problem.__traceback__)}
    if isinstance(problem, ServiceError):
        described["reason"] = problem.reason
    if isinstance(problem, _OWN_TEXT):
        described["detail"] = str(problem)
    if sqlstate := getattr(problem, "sqlstate", None):
        described["sqlstate"] = sqlstate
        described["constraint"] = getattr(getattr(problem, "diag", None), "constraint_name", None)
    return described


def _frames(traceback: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(traceback)[-12:]]
