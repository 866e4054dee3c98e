"""Polls and sign-ups: a request to what it asks for, and answers to their proto."""

from datetime import datetime

from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import surveys_pb2
from protos.types.v1 import types_pb2 as types
from services.kit.ids import check_id
from services.kit.ruling import read_table
from services.reports import messages
from services.reports.actions.surveying import Results
from services.reports.domain import Sight
from services.reports.store.surveys import COLUMNS, Asked


def read_asked(request: pb.GetSurveyResultsRequest, sight: Sight, zone: str) -> Asked:
    """Return which answers are asked for; InvalidArgument for what cannot be read."""
    rules = read_table(request.rules, request.sort, COLUMNS)
    entry_id, sort = check_id("entry_id", request.entry_id), request.sort.column or "name"
    is_descending, is_whole = request.sort.descending, request.is_whole
    return Asked(sight, entry_id, request.question, sort, is_descending, rules, zone, is_whole)


def results_message(found: Results, now: datetime) -> pb.GetSurveyResultsResponse:
    """Return the answers to one question."""
    options = found.survey["questions"][found.question - 1]["options"]
    answer = pb.GetSurveyResultsResponse(
        channel=types.Channel.Value(f"CHANNEL_{found.survey['channel'].upper()}"),
        survey=surveys_pb2.Survey(
            questions=[surveys_pb2.Question(**each) for each in found.survey["questions"]],
            closes_at=found.survey["closes_at"],
        ),
        is_closed=found.survey["closes_at"] <= now,
        question=found.question,
        counts=[found.counts.get(place, 0) for place in range(1, len(options) + 1)],
        answers=[pb.SurveyAnswer(**each) for each in found.answers],
        page=messages.page_message(found.page),
    )
    answer.as_of.FromDatetime(now)
    return answer
