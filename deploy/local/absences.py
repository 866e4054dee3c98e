"""An attendance rule of the sample district, and absences of today and tomorrow for it to tell of."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

from protos.queue.v1 import attendance_pb2 as attendance
from protos.types.v1 import types_pb2 as types

_STUDENTS: Final = 24
_CODES: Final = ("UNX", "TDY", "EXC")
_CONTENT: Final = attendance.AttendanceRuleContent(
    name="Absent or late without excuse",
    codes=["UNX", "TDY"],
    subject="Absence from {school} on {date}",
    texts=[
        attendance.AttendanceText(
            channel=types.CHANNEL_EMAIL,
            text="Dear family,\n\n{student} was marked absent or late at {school} on {date} ({code}).\n\n"
            "If you did not know of this, or if it is a mistake, please call the school office.",
        ),
        attendance.AttendanceText(
            channel=types.CHANNEL_SMS, text="{school}: {student} was absent or late on {date} ({code})."
        ),
    ],
    send_time="10:30",
    once_per_family=True,
    source=types.SOURCE_SCHOOL,
)


async def add(stub: Any, owner_id: str, students: Sequence[str], today: date) -> int:
    """Make the rule in the name of this person, for every school, and record absences; return how many were recorded.

    `students` are sourced ids. Repeating it changes nothing.
    """
    request = attendance.CreateAttendanceRuleRequest(
        idempotency_key="sample/attendance", content=_CONTENT, owner_id=owner_id
    )
    await stub.CreateAttendanceRule(request)
    piece = attendance.RecordAbsencesRequest(absences=list(_absences(students, today)))
    answer = await stub.RecordAbsences(iter([piece]))
    if answer.problem_count:
        raise SystemExit(f"{answer.problem_count} absences were refused; the first: {answer.problems[0]}")
    return int(answer.recorded)


def _absences(students: Sequence[str], today: date) -> Iterator[attendance.Absence]:
    """Yield some students of every school, one of three without excuse, one late, one excused."""
    chosen = students[:: max(1, len(students) // _STUDENTS)][:_STUDENTS]
    for number, sourced_id in enumerate(chosen):
        for day in (today, today + timedelta(days=1)):
            yield attendance.Absence(
                student_sourced_id=sourced_id, date=day.isoformat(), code=_CODES[number % len(_CODES)]
            )
