"""Reading requests: one mistake has one reason, whichever table it is made in."""

from collections.abc import Callable

import pytest

from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.reports import referral_words, requests, survey_words
from services.reports.domain import EVERYTHING

SORT = types.Sort(column="shoe_size")
READERS: dict[str, Callable[[], object]] = {
    "history": lambda: requests.read_order(SORT),
    "audit": lambda: requests.read_audit(pb.ListAuditRequest(sort=SORT), "UTC"),
    "schedules": lambda: requests.read_schedules(pb.SearchSchedulesRequest(sort=SORT), EVERYTHING, "UTC"),
    "referrals": lambda: referral_words.read_asked(pb.ListReferralsRequest(sort=SORT), "", "UTC"),
    "answers": lambda: survey_words.read_asked(pb.GetSurveyResultsRequest(sort=SORT), EVERYTHING, "UTC"),
}


@pytest.mark.parametrize("table", READERS)
def test_a_column_that_a_table_has_not_is_refused_alike(table: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        READERS[table]()
    assert refused.value.reason == "FILTER_INVALID"
    assert [each.pointer for each in refused.value.violations] == ["/sort/column"]
