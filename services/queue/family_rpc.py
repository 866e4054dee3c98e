"""FamilyService: proto to action to proto."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import families_pb2 as pb
from protos.queue.v1 import families_pb2_grpc
from services.kit.auth import current_caller
from services.kit.rules import read_day
from services.kit.ruling import Violation, read_table
from services.queue import words
from services.queue.actions import reading
from services.queue.records import KIND_ATTENDANCE
from services.queue.store.deliveries import Seen
from services.queue.store.received import COLUMNS, Asked

_MOST_PEOPLE = 50
_LONGEST_ID = 100
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9998, 12, 31)


class FamilyServicer(families_pb2_grpc.FamilyServiceServicer):
    """Answers FamilyService."""

    def __init__(self, engine: AsyncEngine, zone: str) -> None:
        """Take what every call needs."""
        self._engine, self._zone = engine, zone

    async def ListReceived(self, request: pb.ListReceivedRequest, context: Any) -> pb.ListReceivedResponse:
        """Answer what people received."""
        asked = read_asked(request, self._zone)
        column, is_descending = (
            (request.sort.column, request.sort.descending) if request.sort.column else ("date", True)
        )
        paging = reading.Paging(column, is_descending, lambda total: words.window(request.page, total))
        rows, total = await reading.received_by(self._engine, current_caller(), asked, paging)
        return pb.ListReceivedResponse(
            received=[_received(row) for row in rows], page=words.page_of(request.page, total)
        )


def read_asked(request: pb.ListReceivedRequest, zone: str) -> Asked:
    """Return what is asked for; InvalidArgument names everything that cannot be read."""
    wrong = _wrong_people(request)
    start = _day("start_date", request.start_date, _FIRST_DAY, wrong)
    end = _day("end_date", request.end_date, _LAST_DAY, wrong)
    rules = read_table(request.rules, request.sort, COLUMNS, request.school_titles, wrong)
    channels = [found for number in request.channels if (found := words.channel(number))]
    seen = Seen(None, rules=rules, zone=zone, titles=dict(request.school_titles))
    since, until = _begin(start, zone), _begin(end + timedelta(days=1), zone)
    return Asked(list(request.person_ids), request.student_id, since, until, channels, seen)


def _wrong_people(request: pb.ListReceivedRequest) -> list[Violation]:
    ids = [(f"/person_ids/{place}", each) for place, each in enumerate(request.person_ids[:_MOST_PEOPLE])]
    ids += [("/student_id", request.student_id)] if request.student_id else []
    wrong = [
        (pointer, "This is not an id.") for pointer, each in ids if not 0 < len(each) <= _LONGEST_ID or "\x00" in each
    ]
    if not ids or len(request.person_ids) > _MOST_PEOPLE:
        wrong.append(("/person_ids", f"Name 1 to {_MOST_PEOPLE} people, or a student."))
    return wrong


def _day(name: str, text: str, default: date, wrong: list[Violation]) -> date:
    found = read_day(text) if text else default
    if found is None:
        wrong.append((f"/{name}", "Write a date like 2026-11-14."))
    return found or default


def _begin(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def _received(row: dict[str, Any]) -> pb.ReceivedDelivery:
    return pb.ReceivedDelivery(
        delivery=words.delivery({**row, "subject": "", "language": ""}),
        message_id=str(row["message_id"]),
        sent_at=words.stamp(row["created_at"]),
        sender_id=row["sender_id"],
        sender_name=row["sender_name"],
        subject=row["subject"],
        is_attendance=row["kind"] == KIND_ATTENDANCE,
    )
