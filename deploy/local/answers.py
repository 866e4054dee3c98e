"""Today's poll and sign-up of the sample district: what they ask, and the answers that some families gave already."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deploy.local.district.build import today_in_district
from protos.queue.v1 import queue_pb2, surveys_pb2
from protos.types.v1 import surveys_pb2 as types
from services.kit.errors import FailedPrecondition
from services.kit.rpc_errors import translated

_ZONE = ZoneInfo("America/New_York")
_CLOSES = time(20)


def survey_of(message: Mapping[str, Any]) -> types.Survey | None:
    """Return what a message of today.json asks; None when it asks nothing. It closes at eight, some days from today."""
    plan = message.get("survey")
    if plan is None:
        return None
    closing = datetime.combine(today_in_district() + timedelta(days=plan["days"]), _CLOSES, _ZONE)
    survey = types.Survey(questions=[types.Question(**each) for each in plan["questions"]])
    survey.closes_at.FromDatetime(closing.astimezone(UTC))
    return survey


async def answer(surveys: Any, message: Mapping[str, Any], sent: queue_pb2.SubmitResponse) -> int:
    """Let two of three recipients answer, always the same ones in the same way; return how many did."""
    survey, taken = survey_of(message), 0
    if survey is None:
        return 0
    entry = sent.entries[0]
    for number in range(1, entry.counts.total + 1):
        if number % 3:
            place = surveys_pb2.DeliveryPlace(entry_id=entry.entry_id, number=number)
            chosen = [1 + (number * 7 // 5 + at) % len(each.options) for at, each in enumerate(survey.questions)]
            wanted = surveys_pb2.AnswerSurveyRequest(respondent=surveys_pb2.Respondent(delivery=place), chosen=chosen)
            try:
                with translated():
                    await surveys.AnswerSurvey(wanted)
            except FailedPrecondition:
                # A slot is full: they come too late.
                continue
            taken += 1
    return taken
