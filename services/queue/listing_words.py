"""What a list is asked for, read strictly: recipients, attendance rules, families."""

from collections.abc import Mapping

from protos.queue.v1 import attendance_pb2 as attendance_pb
from protos.queue.v1 import queue_pb2 as pb
from services.kit.errors import InvalidArgument
from services.kit.rules import Kind, Rule
from services.kit.ruling import read_rules
from services.queue import words
from services.queue.store import attendance_rules, reach
from services.queue.store.deliveries import COLUMNS, Seen

_LONGEST_QUERY = 200
_MOST_SCHOOLS = 5_000


def seen(request: pb.ListDeliveriesRequest, zone: str) -> Seen:
    """Return the rows that are asked for, of every school; InvalidArgument for what cannot be read."""
    check_query(request.query)
    if request.sort.column and request.sort.column not in COLUMNS:
        wrong = [("/sort/column", f"One of {', '.join(sorted(COLUMNS))}.")]
        raise InvalidArgument("COLUMN_UNKNOWN", "There is no such column.", violations=wrong)
    rules, wrong = read_rules(request.rules, COLUMNS, "/rules")
    if len(request.school_titles) > _MOST_SCHOOLS:
        wrong.append(("/school_titles", f"At most {_MOST_SCHOOLS:,} schools."))
    if wrong:
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=wrong)
    states, titles = words.states(request.states), dict(request.school_titles)
    return Seen(None, states, request.query, request.number, request.is_unanswered, rules, zone, titles)


def listed_rules(request: attendance_pb.ListAttendanceRulesRequest, zone: str) -> attendance_rules.Listing:
    """Return which attendance rules are asked for; InvalidArgument for what cannot be read."""
    rules = _listing(request, attendance_rules.COLUMNS)
    sort = request.sort.column or "name"
    titles = dict(request.school_titles)
    return attendance_rules.Listing(sort, request.sort.descending, rules, zone, titles)


def unreached(request: pb.GetReachRequest) -> reach.Listing:
    """Return which families that are not reached are asked for; InvalidArgument for what cannot be read."""
    rules = _listing(request, reach.COLUMNS)
    sort = request.sort.column or "waiting"
    return reach.Listing(sort, request.sort.descending, rules, dict(request.school_titles))


def _listing(
    request: attendance_pb.ListAttendanceRulesRequest | pb.GetReachRequest, columns: Mapping[str, Kind]
) -> tuple[Rule, ...]:
    rules, wrong = read_rules(request.rules, columns, "/rules")
    if request.sort.column and request.sort.column not in columns:
        wrong.append(("/sort/column", f"One of {', '.join(sorted(columns))}."))
    if len(request.school_titles) > _MOST_SCHOOLS:
        wrong.append(("/school_titles", f"At most {_MOST_SCHOOLS:,} schools."))
    if wrong:
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=wrong)
    return rules


def check_query(query: str) -> None:
    """Raise InvalidArgument for a text that is too long to be searched for."""
    if len(query) > _LONGEST_QUERY or "\x00" in query:
        wrong = [("/query", f"At most {_LONGEST_QUERY} characters.")]
        raise InvalidArgument("QUERY_INVALID", "The search is not in order.", violations=wrong)
