"""What a list of recipients is asked for, read strictly."""

from protos.queue.v1 import queue_pb2 as pb
from services.kit.errors import InvalidArgument
from services.kit.ruling import read_rules
from services.queue import words
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


def check_query(query: str) -> None:
    """Raise InvalidArgument for a text that is too long to be searched for."""
    if len(query) > _LONGEST_QUERY or "\x00" in query:
        wrong = [("/query", f"At most {_LONGEST_QUERY} characters.")]
        raise InvalidArgument("QUERY_INVALID", "The search is not in order.", violations=wrong)
