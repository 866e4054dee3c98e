"""The page of every metric, from where the services declare them: `make docs` writes docs/metrics.md.

tests/meta holds the page to what this module says, and the names on /metrics to what the exporter makes of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[1]
PAGE = _ROOT / "docs" / "metrics.md"
_KINDS = {
    "create_counter": "counter",
    "create_histogram": "histogram",
    "create_gauge": "gauge",
    "create_up_down_counter": "gauge",
    "create_observable_gauge": "gauge",
}
_HEAD = """# Metrics

Each process serves these on `METRICS_LISTEN`, under the name of the first column: `/metrics` writes `_` for the dots
of the names in these pages and in traces, and adds the unit and, to what only grows, `_total`. A histogram has
`_bucket`, `_sum` and `_count`. This page is made from the code by `make docs`.

## What to wake somebody for

```yaml
groups:
  - name: lantern
    rules:
      - alert: AProcessIsAway
        expr: up{job="lantern"} == 0
        for: 1m
      - alert: NoTick # of whose gauges the next ones and the last would be silent
        expr: absent(lantern_queue_lane_age_seconds)
        for: 1m
      - alert: StudentsMessagesWaitForScreening
        expr: max(lantern_queue_screening_age_seconds) > 300
      - alert: ThreatOfWhichNobodyWasTold
        expr: sum(increase(lantern_notify_nobody_total[1h])) > 0
      - alert: AlertsAreNotSubmitted # queue never had them, so that AlertsOrEmergenciesWait is silent
        expr: sum(increase(lantern_notify_submissions_total{outcome="failed"}[2m])) > 0
        for: 3m
      - alert: AlertsOrEmergenciesWait
        expr: max by (lane) (lantern_queue_lane_age_seconds{lane=~"alert|emergency"}) > 60
      - alert: MessagesWait
        expr: max(lantern_queue_lane_age_seconds{lane="normal"}) > 900
      - alert: ProviderRefusesOurAccount
        expr: sum by (provider) (increase(lantern_queue_provider_answers_total{class=~"account|sender"}[10m])) > 0
      - alert: ProviderFailsWhatItTook
        expr: sum by (provider) (increase(lantern_queue_deliveries_failed_total{class=~"account|sender|ours"}[10m])) > 0
      - alert: ScoresAreNotWhatTheyWere
        expr: max by (category, provider) (lantern_moderation_drift) > 0.25
        for: 1h
      - alert: EventsThatNothingCanHandle
        expr: sum by (messaging_consumer_group_name) (increase(lantern_events_dead_lettered_total[1h])) > 0
      - alert: EventsDoNotLeave
        expr: max(lantern_outbox_age_seconds) > 30
      - alert: TokenOfAServiceEnds
        expr: min(lantern_service_token_left_seconds) < 14 * 86400
      - alert: CertificateEnds
        expr: min by (setting) (lantern_certificate_left_seconds) < 14 * 86400
      - alert: NoRosterSinceYesterday
        expr: max(lantern_directory_roster_age_seconds) > 36 * 3600
      - alert: NoAbsenceForDays # silence it in the holidays
        expr: max(lantern_queue_absences_age_seconds) > 4 * 86400
      - alert: CountsDoNotAddUp
        expr: max(lantern_queue_counters_broken) > 0
```

## All of them
"""


class Instrument(NamedTuple):
    """A metric as a service declares it."""

    service: str
    name: str
    unit: str
    kind: str
    """counter, histogram or gauge."""
    meaning: str

    @property
    def exported(self) -> str:
        """Return its name on /metrics."""
        name = self.name.replace(".", "_") + ("_seconds" if self.unit == "s" else "")
        return f"{name}_total" if self.kind == "counter" else name


def instruments() -> Iterator[Instrument]:
    """Yield every metric of the services, by service and name."""
    found = [each for path in sorted(_ROOT.glob("services/**/*.py")) for each in _declared(path)]
    yield from sorted(found)


def _declared(path: Path) -> Iterator[Instrument]:
    service = path.relative_to(_ROOT / "services").parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KINDS:
            given = [*node.args, *(each.value for each in node.keywords)]
            name, unit, meaning = (each.value for each in given if isinstance(each, ast.Constant))
            told = (str(name), str(unit), _KINDS[node.func.attr], str(meaning))
            yield Instrument("all" if service == "kit" else service, *told)


def page() -> str:
    """Return the page."""
    rows = [f"| `{each.exported}` | {each.service} | {each.kind} | {each.meaning} |" for each in instruments()]
    return "\n".join([_HEAD, "| on `/metrics` | service | kind | what it says |", "|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
