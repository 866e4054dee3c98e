"""What was answered to a poll or a sign-up, for the pop-up of its message (statements 90-93)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import request

from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import charts
from services.gateway.columns import Column
from services.gateway.searches import LARGEST_PAGE, PAGE_SIZE, Search
from services.gateway.state import gateway
from services.kit.rpc_errors import translated

COLUMNS = (Column("name", "Name"), Column("response", "Response"), Column("answered", "Answered", "date"))
CHARTS = {"bar": "Bar graph", "pie": "Pie chart"}


@dataclass(frozen=True)
class Results:
    """The answers to one question, and how they were asked for."""

    answer: reports.GetSurveyResultsResponse
    base: str
    """Address of the pop-up."""
    search: Search
    chart: str
    """One of CHARTS."""
    sort: str
    is_descending: bool

    def link(self, **changes: object) -> str:
        """Return an address of this pop-up with these changes; another question begins at its first page."""
        parts = [(key, str(value)) for key, value in {**self._own(), **changes}.items()]
        return f"{self.base}?{urlencode([*self.search.arguments.items(multi=True), *parts])}"

    def sort_link(self, column: str, order: str) -> str:
        """Return the address of a sort."""
        return self.link(rsort=column, rorder=order)

    def page_link(self, number: int) -> str:
        """Return the address of a page."""
        return self.link(rpage=number)

    def fields(self) -> Iterator[tuple[str, str]]:
        """Yield what the page's form keeps."""
        yield from self.search.hidden_fields()
        yield from ((key, str(value)) for key, value in self._own().items() if key != "rsize")

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

    def _own(self) -> dict[str, object]:
        order = "desc" if self.is_descending else "asc"
        own = {"question": self.answer.question, "chart": self.chart, "rsort": self.sort, "rorder": order}
        return {**own, "rsize": self.answer.page.size}


def ask(entry_id: str, base: str, search: Search) -> Results:
    """Return the answers that the address asks for. NotFound outside of the viewer's sight."""
    arguments = request.args
    sort, is_descending = arguments.get("rsort", "name"), arguments.get("rorder") == "desc"
    sort = sort if sort in {each.key for each in COLUMNS} else "name"
    wanted = reports.GetSurveyResultsRequest(
        entry_id=entry_id,
        question=min(_number("question", 1), 10),
        sort=types.Sort(column=sort, descending=is_descending),
        page=types.PageRequest(number=_number("rpage", 1), size=min(_number("rsize", PAGE_SIZE), LARGEST_PAGE)),
    )
    with translated():
        answer = gateway().clients.reports.GetSurveyResults(wanted)
    chart = arguments.get("chart", "bar")
    return Results(answer, base, search, chart if chart in CHARTS else "bar", sort, is_descending)


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else default
