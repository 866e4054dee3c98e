"""A request with its verdict: what the others are told of it, and what is counted."""

from dataclasses import dataclass

from protos.events.v1 import moderation_pb2 as events
from protos.events.v1 import queue_pb2 as requests
from services.moderation import metrics, store
from services.moderation.domain import Category, Decision, Trouble
from services.moderation.messages import verdict_message


@dataclass(frozen=True)
class Concluded:
    """A request with the verdict that was reached on it."""

    request: requests.ScreeningRequested
    row: store.Row
    trouble: Trouble | None = None
    """What the vendor has, in whose place the embedded model decided."""

    @property
    def is_held_alone(self) -> bool:
        """Whether it is held for what it says itself, not for what was said around it."""
        is_held = bool(self.row["holds"]) or not self.row["scores"]
        return is_held and not self.row["context_messages"]

    @property
    def seconds(self) -> float:
        """From the request to the verdict."""
        reached_at = self.row["reached_at"]
        return float((reached_at - self.request.requested_at.ToDatetime(reached_at.tzinfo)).total_seconds())

    def event(self) -> events.VerdictReached:
        """Return what the others are told: the same event, under the verdict's id, however often it is told."""
        return events.VerdictReached(
            event_id=self.row["verdict_id"],
            verdict=verdict_message(self.row),
            rescreening_id=self.request.rescreening_id,
            translated_into=self.request.translated_into,
        )

    def measure(self) -> None:
        """Count it in the metrics; of what is judged again or translated only that there is a verdict.

        Such texts were counted before, most of them long ago: they would hide how soon and how those of now fare.
        """
        told = {"decision": self.row["decision"], "provider": self.row["provider"]}
        metrics.verdicts.add(1, {**told, "asked": "again" if self.row["is_rescreening"] else "first"})
        if self.row["is_rescreening"]:
            return
        metrics.verdict_latency.record(max(self.seconds, 0.0), {"provider": self.row["provider"]})
        for name in Category:
            if name in self.row["scores"]:
                metrics.scores.record(self.row["scores"][name], {"category": name.value})
        if self.row["decision"] == Decision.HOLD:
            for name in self.row["holds"]:
                metrics.held_categories.add(1, {"category": name})
        if self.row["decision"] != Decision.CLEAN:
            for name in self.row["watches"]:
                metrics.noted_categories.add(1, {"category": name})


def gravity(row: store.Row) -> tuple[int, bool]:
    """Return what orders verdicts by how grave they are."""
    return list(Decision).index(row["decision"]), bool(row["holds"])


def is_as_grave(row: store.Row, together: store.Row) -> bool:
    """Tell whether a message would be held for itself, or noted where several together are only noted."""
    return bool(row["holds"]) if together["holds"] else row["decision"] != Decision.CLEAN
