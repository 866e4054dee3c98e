"""Every instrument of moderation."""

from services.kit.telemetry import meter

_meter = meter("services.moderation")
verdict_latency = _meter.create_histogram(
    "lantern.moderation.verdict.latency", "s", "From the request to the stored verdict."
)
verdicts = _meter.create_counter(
    "lantern.moderation.verdicts", "{verdict}", "Verdicts by decision, provider and whether asked first or again."
)
held_categories = _meter.create_counter("lantern.moderation.held", "{message}", "Held messages by category.")
noted_categories = _meter.create_counter(
    "lantern.moderation.noted", "{message}", "Messages that are noted for a category and not held by it."
)
drift = _meter.create_gauge(
    "lantern.moderation.drift",
    "1",
    "Population stability index of the latest scores by category and provider, beside that provider's reference.",
)
provider_errors = _meter.create_counter(
    "lantern.moderation.provider.errors", "{error}", "Judgements that a provider failed to give."
)
filled = _meter.create_counter(
    "lantern.moderation.filled", "{score}", "Scores of texts that the vendor left to the embedded model, by category."
)
scores = _meter.create_histogram("lantern.moderation.scores", "1", "Scores by category.")
backlog_age = _meter.create_gauge(
    "lantern.moderation.backlog.age", "s", "Age of the oldest message that waits for the provider; 0 when none does."
)
