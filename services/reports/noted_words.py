"""Noted messages between requests, rows and proto."""

from collections import Counter
from datetime import UTC
from typing import Any

from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id, is_id
from services.reports.actions.noticing import Found
from services.reports.decisions import LONGEST_REASON
from services.reports.messages import page_message
from services.reports.store.noting import Closing, Wanted

Row = dict[str, Any]


def read_search(asked: pb.SearchNotedRequest) -> Wanted:
    """Return which noted messages are asked for; InvalidArgument when the student's id is none."""
    return Wanted(asked.would_hold, asked.sender_id and check_id("sender_id", asked.sender_id))


def read_closing(asked: pb.CloseNotedSenderRequest) -> Closing:
    """Return what is closed; InvalidArgument names every field at fault."""
    reason, wrong = asked.reason.strip(), []
    if not is_id(asked.sender_id):
        wrong.append(("/sender_id", "This is not an id."))
    if asked.school_id and not is_id(asked.school_id):
        wrong.append(("/school_id", "This is not an id."))
    if not 0 < len(reason) <= LONGEST_REASON or "\x00" in reason:
        wrong.append(("/reason", f"Say why in 1 to {LONGEST_REASON} characters."))
    if not asked.HasField("through"):
        wrong.append(("/through", "Say up to when."))
    if wrong:
        raise InvalidArgument("CLOSING_INVALID", "This cannot be closed.", violations=wrong)
    return Closing(asked.sender_id, asked.school_id, asked.through.ToDatetime(tzinfo=UTC), reason)


def found_message(found: Found) -> pb.SearchNotedResponse:
    """Return a page of noted messages."""
    rows = [_noted_message(row) for row in found.rows]
    return pb.SearchNotedResponse(rows=rows, page=page_message(found.page), would_hold=found.would_hold)


def _noted_message(row: Row) -> pb.NotedMessage:
    verdict = types.Verdict.FromString(row["verdict"])
    # It quotes what was written, and that is for those who may read it in History.
    verdict.explanation = ""
    return pb.NotedMessage(
        message_id=str(row["message_id"]),
        entry_id=str(row["entry_id"] or ""),
        name=row["sender_name"],
        school_id=row["sender_school_id"],
        verdict=verdict,
        **{name: row[name] for name in ("sent_at", "sender_id", "would_hold")},
    )


def senders_message(found: Found) -> pb.ListNotedSendersResponse:
    """Return a page of students of whom several messages were noted."""
    return pb.ListNotedSendersResponse(
        senders=[_sender_message(row) for row in found.rows],
        page=page_message(found.page),
        closed=[_closing_message(row) for row in found.closed],
    )


def _sender_message(row: Row) -> pb.NotedSender:
    often = Counter(name for name in row["labels"].split(",") if name)
    return pb.NotedSender(
        name=row["sender_name"],
        school_id=row["sender_school_id"],
        categories=[types.Category.Value(f"CATEGORY_{name.upper()}") for name, _ in often.most_common()],
        **{name: row[name] for name in ("sender_id", "messages", "last_at")},
    )


def _closing_message(row: Row) -> pb.NotedClosing:
    return pb.NotedClosing(
        name=row["sender_name"],
        by=pb.StaffName(person_id=row["person_id"], name=row["name"]),
        **{name: row[name] for name in ("sender_id", "school_id", "reason", "closed_at")},
    )
