"""What a list is asked for, read strictly: recipients, attendance rules, families."""

from protos.queue.v1 import attendance_pb2 as attendance_pb
from protos.queue.v1 import queue_pb2 as pb
from services.kit.errors import InvalidArgument
from services.kit.ruling import read_table
from services.queue import words
from services.queue.store import attendance_rules, reach
from services.queue.store.deliveries import COLUMNS, Seen

_LONGEST_QUERY = 200


def seen(request: pb.ListDeliveriesRequest, zone: str) -> Seen:
    """Return the rows that are asked for, of every school; InvalidArgument for what cannot be read."""
    check_query(request.query)
    rules = read_table(request.rules, request.sort, COLUMNS, request.school_titles)
    states, titles = words.states(request.states), dict(request.school_titles)
    return Seen(None, states, request.query, request.number, request.is_unanswered, rules, zone, titles)


def listed_rules(request: attendance_pb.ListAttendanceRulesRequest, zone: str) -> attendance_rules.Listing:
    """Return which attendance rules are asked for; InvalidArgument for what cannot be read."""
    rules = read_table(request.rules, request.sort, attendance_rules.COLUMNS, request.school_titles)
    sort = request.sort.column or "name"
    titles = dict(request.school_titles)
    return attendance_rules.Listing(sort, request.sort.descending, rules, zone, titles)


def unreached(request: pb.GetReachRequest) -> reach.Listing:
    """Return which families that are not reached are asked for; InvalidArgument for what cannot be read."""
    rules = read_table(request.rules, request.sort, reach.COLUMNS, request.school_titles)
    sort = request.sort.column or "waiting"
    return reach.Listing(sort, request.sort.descending, rules, dict(request.school_titles))


def check_query(query: str) -> None:
    """Raise InvalidArgument for a text that is too long to be searched for."""
    if len(query) > _LONGEST_QUERY or "\x00" in query:
        wrong = [("/query", f"At most {_LONGEST_QUERY} characters.")]
        raise InvalidArgument("QUERY_INVALID", "The search is not in order.", violations=wrong)
