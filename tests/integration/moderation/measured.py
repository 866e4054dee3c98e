"""What the metrics say, read in memory."""

from typing import Any

from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader


class Measured:
    """Reads the instruments of this process; one a run, since a process has one provider of meters."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        set_meter_provider(MeterProvider(metric_readers=[self._reader]))

    def __call__(self, name: str, **attributes: str) -> float:
        """The sum of a counter, the number of a histogram's measurements, or a gauge's value; 0 without any."""
        return sum(
            _value(point) for point in self._points(name) if attributes.items() <= dict(point.attributes).items()
        )

    def _points(self, name: str) -> list[Any]:
        found = self._reader.get_metrics_data()
        scopes = [scope for resource in found.resource_metrics for scope in resource.scope_metrics] if found else []
        return [
            point for scope in scopes for each in scope.metrics if each.name == name for point in each.data.data_points
        ]


def _value(point: Any) -> float:
    return float(point.count if hasattr(point, "count") else point.value)
