"""What makes a request once."""

from typing import Any

import pytest

from protos.queue.v1 import attendance_pb2, queue_pb2, schedules_pb2
from services.kit.errors import InvalidArgument
from services.queue import keys, words

REQUESTS = (
    queue_pb2.ResendEntryRequest,
    schedules_pb2.CreateScheduleRequest,
    attendance_pb2.CreateAttendanceRuleRequest,
)


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_key_that_cannot_be_kept_is_refused_at_its_field(kind: Any) -> None:
    for wrong in ("", "x" * 201, "a\0b"):
        with pytest.raises(InvalidArgument) as raised:
            keys.read(kind(idempotency_key=wrong))
        assert [pointer for pointer, _ in raised.value.violations] == ["/idempotency_key"]
    assert keys.read(kind(idempotency_key="x" * 200)).key == "x" * 200


def test_requests_differ_under_one_key_by_what_they_ask() -> None:
    asked = [queue_pb2.ResendEntryRequest(idempotency_key="k", entry_id=each) for each in ("a", "a", "b")]
    hashes = [keys.read(each).request_hash for each in asked]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_digest_of_the_audience_has_a_limit() -> None:
    words.draft(queue_pb2.MessageHeader(audience_digest=b"x" * 64))
    with pytest.raises(InvalidArgument) as raised:
        words.draft(queue_pb2.MessageHeader(audience_digest=b"x" * 65))
    assert [pointer for pointer, _ in raised.value.violations] == ["/audience_digest"]
