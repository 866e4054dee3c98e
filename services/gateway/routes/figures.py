"""How threats are reviewed: how soon, and how many were none (statement 316)."""

from datetime import timedelta
from typing import NamedTuple

from flask import Blueprint, render_template, request

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import words
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.pages import school_titles
from services.gateway.searches import END, START, read_day
from services.gateway.state import gateway
from services.kit.rpc_errors import translated

blueprint = Blueprint("figures", __name__)
PATH = "/reports/threats/figures"
_DAYS = 90


class Asked(NamedTuple):
    """A period of whole days; empty is open."""

    start: str
    end: str
    problems: dict[str, str]


def read_period() -> Asked:
    """Return the period of the address, the last 90 days without one."""
    if not request.args:
        local = gateway().clock().astimezone(gateway().zone).date()
        return Asked((local - timedelta(days=_DAYS - 1)).isoformat(), "", {})
    problems: dict[str, str] = {}
    return Asked(read_day(request.args, START.name, problems), read_day(request.args, END.name, problems), problems)


def find(asked: Asked) -> reports.GetThreatFiguresResponse:
    """Ask reports for the figures of the schools that the person sees."""
    with translated():
        wanted = reports.GetThreatFiguresRequest(start_date=asked.start, end_date=asked.end)
        answer: reports.GetThreatFiguresResponse = gateway().clients.reports.GetThreatFigures(wanted)
    return answer


@blueprint.get(PATH)
@requires(Permission.THREAT_ALERTS)
def show() -> str:
    """Show the figures of a period: of all threats, by school and by label."""
    asked = read_period()
    answer = reports.GetThreatFiguresResponse() if asked.problems else find(asked)
    titles = school_titles()
    by_school = [(titles.get(each.school_id, "District office"), each) for each in answer.schools]
    by_label = [(words.CATEGORIES.get(each.category, ""), each) for each in answer.categories]
    tables = [("By school", "School", by_school), ("By label", "Label", by_label)]
    return render_template("figures.html", asked=asked, answer=answer, tables=tables)
