"""Every instrument of the queue."""

from services.kit.telemetry import meter
from services.queue.failures import OURS, PROVIDERS, REFUSALS
from services.queue.providers.base import Answer

_meter = meter(__name__)
lane_age = _meter.create_gauge(
    "lantern.queue.lane.age", "s", "How long the oldest batch of a lane has been due, however often tried."
)
lane_due = _meter.create_gauge(
    "lantern.queue.lane.due", "{delivery}", "Deliveries of a lane that are due, or to be tried again."
)
settled = _meter.create_counter("lantern.queue.deliveries.settled", "{delivery}", "Deliveries that got an outcome.")
handed = _meter.create_counter(
    "lantern.queue.provider.answers",
    "{delivery}",
    "Answers of providers, by kind and by the class of what they refused.",
)
hand_over_duration = _meter.create_histogram(
    "lantern.queue.provider.duration", "s", "Handing one batch over to its provider."
)
sender_refused = _meter.create_counter(
    "lantern.queue.sender.refused", "{delivery}", "Deliveries whose own sender was refused, so that ours was tried."
)
standby = _meter.create_gauge("lantern.queue.provider.standby", "1", "1 while a standby takes a channel's batches.")
breaker_open = _meter.create_gauge("lantern.queue.provider.paused", "1", "1 while a provider is left alone.")
recovered = _meter.create_counter(
    "lantern.queue.claims.recovered", "{delivery}", "Deliveries of lost claims, by what was found."
)
receipts = _meter.create_counter("lantern.queue.receipts", "{receipt}", "Receipts of providers, by effect.")
failed = _meter.create_counter(
    "lantern.queue.deliveries.failed",
    "{delivery}",
    "Deliveries that a receipt says will not arrive, by provider and class; a repeated receipt counts again.",
)
redialled = _meter.create_counter("lantern.queue.calls.redialled", "{delivery}", "Calls that are made again.")
expired = _meter.create_counter("lantern.queue.deliveries.expired", "{delivery}", "Deliveries whose time ended.")
submitted = _meter.create_counter("lantern.queue.messages.submitted", "{message}", "Messages that were taken.")
mail_held_back = _meter.create_gauge("lantern.queue.mail.held_back", "1", "1 while ordinary e-mail is held back.")
absences_age = _meter.create_gauge(
    "lantern.queue.absences.age", "s", "How long ago the latest absence was stated; absent before the first."
)
unmatched = _meter.create_gauge("lantern.queue.receipts.unmatched", "{receipt}", "Receipts kept without a delivery.")
broken = _meter.create_gauge("lantern.queue.counters.broken", "{entry}", "Entries whose counters are not their rows.")
occurrences = _meter.create_counter(
    "lantern.queue.occurrences", "{occurrence}", "Due sendings of schedules, by result."
)
answers = _meter.create_counter("lantern.queue.answers", "{answer}", "Answers to polls and sign-ups.")
attendance_runs = _meter.create_counter(
    "lantern.queue.attendance.runs", "{run}", "What attendance rules owed for a school and day, by result."
)
screening_age = _meter.create_gauge(
    "lantern.queue.screening.age", "s", "Age of the oldest message that waits for its verdict; 0 when none does."
)
translations = _meter.create_counter(
    "lantern.queue.translations", "{translation}", "Translations of a message into one language, by result."
)
translated_characters = _meter.create_counter(
    "lantern.queue.translated.characters", "{character}", "Characters that were translated, of which each is charged."
)


def count_from_zero() -> None:
    """Count 0 of what wakes somebody, at a process's start: a rate sees the first one only of what was there with 0."""
    for provider in PROVIDERS:
        for kind in REFUSALS:
            for answer in (Answer.REFUSED, Answer.UNREACHABLE):
                handed.add(0, {"provider": provider, "answer": answer.value, "class": kind})
        for kind in REFUSALS | {OURS}:
            failed.add(0, {"provider": provider, "class": kind})
