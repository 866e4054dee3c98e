"""Traces and metrics: OpenTelemetry, OTLP/HTTP out when an endpoint is set, Prometheus in when an address is set.

A service's metrics.py makes its instruments from meter(__name__) with a unit and a description; they count whether or
not anyone listens. Attribute values are few and known: never ids.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sqlalchemy.ext.asyncio import AsyncEngine

_tracer = trace.get_tracer("lantern")


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


def trace_sql(engine: AsyncEngine) -> None:
    """Make a span of each statement of this engine, when traces are on."""
    if traces_are_on():
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor  # noqa: PLC0415  slow to load

        # The instrumentation claims SQLAlchemy < 2.1 and would otherwise do nothing, silently; a test sees its spans.
        SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine, skip_dep_check=True)


@contextmanager
def consuming(subject: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Run the body in a span that continues the publisher's trace."""
    parent = propagate.extract(dict(headers))
    with _tracer.start_as_current_span(f"process {subject}", parent, kind=trace.SpanKind.CONSUMER):
        yield
