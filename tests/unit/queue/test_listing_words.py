"""Reading what a list is asked for: one mistake has one reason, whichever list it is made in."""

from collections.abc import Callable

import pytest

from protos.queue.v1 import attendance_pb2, families_pb2
from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.queue import family_rpc, listing_words

SORT = types.Sort(column="shoe_size")
READERS: dict[str, Callable[[], object]] = {
    "recipients": lambda: listing_words.seen(pb.ListDeliveriesRequest(sort=SORT), "UTC"),
    "rules": lambda: listing_words.listed_rules(attendance_pb2.ListAttendanceRulesRequest(sort=SORT), "UTC"),
    "reach": lambda: listing_words.unreached(pb.GetReachRequest(sort=SORT)),
    "received": lambda: family_rpc.read_asked(families_pb2.ListReceivedRequest(student_id="s1", sort=SORT), "UTC"),
}


@pytest.mark.parametrize("table", READERS)
def test_a_column_that_a_list_has_not_is_refused_alike(table: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        READERS[table]()
    assert refused.value.reason == "FILTER_INVALID"
    assert [each.pointer for each in refused.value.violations] == ["/sort/column"]
