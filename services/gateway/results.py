"""What was answered to a poll or a sign-up, for the pop-up of its message (statements 90-93)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, request

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import charts, exports
from services.gateway.asking import MOST_QUESTIONS
from services.gateway.columns import Column
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.parameters import Choice, Number
from services.gateway.searches import Search, read_number
from services.gateway.state import gateway
from services.kit.rpc_errors import translated

CHARTS = {"bar": "Bar graph", "pie": "Pie chart"}
CHART = Choice("chart", "How the page shows the counts.", words=tuple(CHARTS), default="bar")
QUESTION = Number("question", "Which question.", most=MOST_QUESTIONS)
PLACE = Place("answers", "", "r", ("name", "asc"))


@dataclass(frozen=True)
class Results:
    """The answers to one question, and how they were asked for."""

    answer: reports.GetSurveyResultsResponse
    listing: Listing
    chart: str
    """One of CHARTS."""

    def at(self, **changes: object) -> str:
        """Return the address of another question or chart; rules are of this question's answers and stay behind."""
        return self.listing.clear_link(**{"question": self.answer.question, "chart": self.chart, **changes})

    @property
    def options(self) -> list[dict[str, Any]]:
        """The question's options with count, share, and places of a sign-up."""
        question = self.answer.survey.questions[self.answer.question - 1]
        counts = list(self.answer.counts)
        return [
            {"place": place, "text": option.text, "count": count, "share": share, "capacity": option.capacity}
            for place, (option, count, share) in enumerate(
                zip(question.options, counts, charts.shares(counts), strict=True), 1
            )
        ]

    @property
    def slices(self) -> list[charts.Slice]:
        """The pie."""
        return charts.slices(list(self.answer.counts))


def read(base: str = "", search: Search | None = None, chart: str = "bar") -> Listing:
    """Return what the address asks of the answers; `base` is the pop-up's address, `chart` one of CHARTS."""
    own = [(QUESTION.name, str(read_number(request.args, QUESTION))), (CHART.name, chart)]
    kept = list(search.arguments.items(multi=True)) if search else []
    return read_listing(replace(PLACE, base=base, kept=kept, own=own), request.args)


def ask(entry_id: str, listing: Listing, *, is_whole: bool = False) -> Results:
    """Return the answers that a listing asks for, all when it has problems. NotFound outside of the viewer's sight."""
    own = dict(listing.place.own)
    wanted = reports.GetSurveyResultsRequest(
        entry_id=entry_id,
        question=int(own["question"]),
        sort=listing.sort,
        page=listing.page,
        rules=[] if listing.problems else listing.rules,
        is_whole=is_whole,
    )
    with translated():
        answer = gateway().clients.reports.GetSurveyResults(wanted)
    return Results(answer, listing, own["chart"])


def excel(entry_id: str) -> Response:
    """Send who answered what, one row for each of them, as a workbook (statement 213)."""
    listing = read().strict()
    table, filter_ = reports.RecordExportRequest.TABLE_ANSWERS, reports.Filter(rules=listing.rules)
    exports.record(reports.RecordExportRequest(table=table, entry_id=entry_id, filter=filter_))

    def find(number: int) -> reports.GetSurveyResultsResponse:
        return ask(entry_id, listing.at(number), is_whole=True).answer

    def page(number: int) -> tuple[list[reports.SurveyAnswer], int]:
        answer = find(number)
        return list(answer.answers), answer.page.total_pages

    asked = find(1).survey
    questions = [Column(str(place), each.text) for place, each in enumerate(asked.questions)]
    columns = [Column("name", "Name"), Column("about", "Regarding student"), *questions, Column("answered", "Answered")]
    return exports.workbook("answers", columns, exports.paged(page), _value(asked.questions))


def _value(questions: Any) -> Callable[[reports.SurveyAnswer, str], str]:
    def value(each: reports.SurveyAnswer, key: str) -> str:
        own = {"name": each.name, "about": each.regarding_student_name, "answered": exports.told_at(each.answered_at)}
        if key in own:
            return own[key]
        option = each.chosen[int(key)]
        return str(questions[int(key)].options[option - 1].text) if option else ""

    return value
