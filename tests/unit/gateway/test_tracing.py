"""The span of a request: what it is called, and who names its trace."""

import pytest
from flask import Flask
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.gateway import metrics, problems
from services.kit import telemetry
from services.kit.errors import NotFound


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What is traced in this test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    return exporter


def test_a_request_has_a_span_by_its_route_and_its_problem_names_the_trace(spans: InMemorySpanExporter) -> None:
    app = Flask("test")
    metrics.install(app)
    problems.install(app)

    @app.get("/api/v1/people/<name>")
    def person(name: str) -> str:
        raise NotFound("PERSON_UNKNOWN", f"There is no {len(name)}.")

    stranger = {"traceparent": "00-11111111111111111111111111111111-2222222222222222-01"}
    answer = app.test_client().get("/api/v1/people/ann?query=ann", headers=stranger).get_json()
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /api/v1/people/<name>"
    assert not span.attributes
    assert span.context is not None
    assert answer["instance"] == f"/traces/{span.context.trace_id:032x}"
    assert "1111" not in answer["instance"]


def test_the_span_of_an_event_keeps_of_an_error_its_kind_alone(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="ann"), telemetry.consuming("reports.x.v1", {}):
        raise ValueError("Failing row contains (ann@example.org).")
    (span,) = spans.get_finished_spans()
    assert (span.status.description, "ann" in span.to_json()) == ("ValueError", False)
