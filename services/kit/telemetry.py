"""Traces and metrics: OpenTelemetry, OTLP/HTTP out when an endpoint is set, Prometheus in when an address is set.

A service's metrics.py makes its instruments from meter(__name__) with a unit and a description; they count whether or
not anyone listens. Attribute values are few and known: never ids.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sqlalchemy.engine import Engine, ExceptionContext

_tracer = trace.get_tracer("lantern")
_LONGEST_STATEMENT = 2000


def configure_telemetry(service: str, process: str, otlp_endpoint: str) -> None:
    """Set the process's providers, once, at its start. An empty endpoint leaves traces off."""
    resource = Resource.create(
        {"service.namespace": "lantern", "service.name": service, "service.instance.id": f"{process}-{os.getpid()}"}
    )
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[PrometheusMetricReader()]))
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  slow to load

        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_endpoint.rstrip('/')}/v1/traces")))
        trace.set_tracer_provider(provider)


def flush_telemetry() -> None:
    """Send the spans that wait to be sent; call at the end of the process."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def traces_are_on() -> bool:
    """Tell whether spans go anywhere."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


def meter(name: str) -> metrics.Meter:
    """Return the meter of a module: pass `__name__`, then create_counter, create_histogram, create_gauge."""
    return metrics.get_meter(name)


def trace_sql(engine: Engine) -> None:
    """Make a span of each statement of this engine, when traces are on. Parameters and errors' texts are not in it.

    Both are people's words and numbers; PostgreSQL quotes a row that breaks a rule.
    """
    if traces_are_on():
        sa.event.listen(engine, "before_cursor_execute", _begin_statement)
        sa.event.listen(engine, "after_cursor_execute", lambda *given: given[4].span.end())
        sa.event.listen(engine, "handle_error", _end_failed)


def _begin_statement(_: object, __: object, statement: str, ___: object, context: Any, ____: object) -> None:
    what = {"db.system.name": "postgresql", "db.query.text": statement[:_LONGEST_STATEMENT]}
    context.span = _tracer.start_span(statement.split(None, 1)[0].upper(), kind=trace.SpanKind.CLIENT, attributes=what)


def _end_failed(problem: ExceptionContext) -> None:
    span = getattr(problem.execution_context, "span", None)
    if span:
        span.set_status(trace.StatusCode.ERROR, getattr(problem.original_exception, "sqlstate", None))
        span.end()


@contextmanager
def serving() -> Iterator[None]:
    """Run the body in a span that begins a trace: a request from outside, whose headers nobody vouches for."""
    with _spanned("request", Context(), trace.SpanKind.SERVER):
        yield


@contextmanager
def consuming(subject: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Run the body in a span that continues the publisher's trace."""
    with _spanned(f"process {subject}", propagate.extract(dict(headers)), trace.SpanKind.CONSUMER):
        yield


@contextmanager
def _spanned(name: str, parent: Context, kind: trace.SpanKind) -> Iterator[None]:
    """Run the body in a span which keeps of an error its kind alone: its text may quote what people wrote."""
    with _tracer.start_as_current_span(
        name, parent, kind=kind, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as problem:
            span.set_status(trace.StatusCode.ERROR, type(problem).__name__)
            raise
