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
borrowed = _meter.create_counter(
    "lantern.moderation.borrowed",
    "{text}",
    "Texts that a replica asked those who lend to judge, by outcome: judged, busy, none (nobody lends), late or wrong. "
    "What was not judged by them the replica judges itself.",
)
lent = _meter.create_counter(
    "lantern.moderation.lent", "{text}", "Texts that a process which lends its model judged for replicas."
)
