"""What messages ask and what was answered, from the queue's events into the read model."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.kit.consumer import Subscribing
from services.kit.db import transaction
from services.kit.handling import Event
from services.kit.outbox import first_times
from services.reports.metrics import responses_applied
from services.reports.store import surveys

RESPONSES = Subscribing("queue", "reports-responses", ("queue.response.recorded.v1",), batch=20, workers=1)
"""Apart from the queue's other events, so that a poll that everybody answers holds up no counts."""
Row = dict[str, Any]


class ResponseEvents:
    """Writes answers into the read model."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of the reports' database."""
        self._engine = engine

    async def handle(self, delivered: Sequence[Event]) -> None:
        """Keep the newest version of each response, in whatever order and however often they come."""
        told = [queue.ResponseRecorded.FromString(each.payload) for each in delivered]
        async with transaction(self._engine) as connection:
            fresh = await first_times(connection, RESPONSES.durable, [each.event_id for each in told])
            newest: dict[tuple[str, int], Row] = {}
            for row in (row for each in told if each.event_id in fresh for row in response_rows(each)):
                key = (row["survey_id"], row["number"])
                if key not in newest or newest[key]["version"] < row["version"]:
                    newest[key] = row
            await surveys.keep_responses(connection, [newest[key] for key in sorted(newest)])
        responses_applied.add(len(newest))


def response_rows(event: queue.ResponseRecorded) -> list[Row]:
    """Return the responses of an event as rows."""
    copied = ("number", "version", "person_id", "name", "school_id", "regarding_student_name")
    return [
        {
            "survey_id": event.survey_id,
            **{name: getattr(each, name) for name in copied},
            "chosen": list(each.chosen),
            "answered_at": each.answered_at.ToDatetime(tzinfo=UTC),
        }
        for each in event.responses
    ]


def survey_rows(snapshot: queue.MessageSnapshot) -> list[Row]:
    """Return what a message asks as rows: none, or one."""
    found = {each.survey_id: each for each in snapshot.entries if each.survey_id}
    return [
        {
            "survey_id": survey_id,
            "channel": types.Channel.Name(entry.channel).removeprefix("CHANNEL_").lower(),
            "closes_at": entry.survey.closes_at.ToDatetime(tzinfo=UTC),
            "questions": [
                {"text": each.text, "options": [{"text": o.text, "capacity": o.capacity} for o in each.options]}
                for each in entry.survey.questions
            ],
        }
        for survey_id, entry in found.items()
    ]
