"""Periods that are judged again: proto to our words and back."""

from datetime import datetime

from protos.queue.v1 import queue_pb2 as pb
from services.kit.auth import Caller
from services.kit.ids import check_id
from services.queue import words
from services.queue.store.rescreenings import Rescreening


def rescreening(message: pb.Rescreening, caller: Caller, now: datetime) -> Rescreening:
    """Return the period that somebody asks for; a time that is not set means now."""
    return Rescreening(
        rescreening_id=check_id("rescreening/rescreening_id", message.rescreening_id),
        since=words.moment(message.since) or now,
        before=words.moment(message.before) or now,
        reason=message.reason.strip(),
        asked_by=caller.subject,
        asked_by_name=caller.name,
        requested_at=now,
    )


def rescreening_message(found: Rescreening) -> pb.Rescreening:
    """Return a period with how far it has come."""
    return pb.Rescreening(
        rescreening_id=found.rescreening_id,
        since=words.stamp(found.since),
        before=words.stamp(found.before),
        reason=found.reason,
        asked_by_name=found.asked_by_name,
        requested_at=words.stamp(found.requested_at),
        # It was counted at the beginning; an upgrade meanwhile may find more to ask about.
        total=max(found.total, found.asked),
        asked=found.asked,
        judged=found.judged,
        withheld=found.withheld,
        given_up=found.given_up,
        is_done=found.asked_all_at is not None and found.awaited <= 0,
    )
