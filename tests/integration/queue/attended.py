"""Attendance with real services: rules and absences over gRPC, `tick`'s step by hand, the clock stands still."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from protos.queue.v1 import attendance_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.rpc_errors import translated
from services.queue.clients import Directory
from services.queue.telling import Telling
from tests.integration.queue.scheduled import ZONE, Scheduled

TODAY = "2026-10-30"
"""The day of scheduled.NOON; the rules of these tests tell at one o'clock."""
HELD = frozenset({"manage_attendance", "send_messages", "send_as_district"})


@dataclass
class Attended:
    """The queue's attendance, and what directory knows of it."""

    queue: Scheduled
    telling: Telling

    @classmethod
    def of(cls, queue: Scheduled) -> "Attended":
        """Tell with what the queue's services have."""
        return cls(queue, Telling(queue.engine, queue.clock, queue.directory, ZONE))

    async def call(self, name: str, method: str, request: Any, permissions: frozenset[str] = HELD) -> Any:
        """Call a method in the name of a person; our own errors rise."""
        metadata = self.queue.token(name, permissions=permissions)
        with translated():
            return await getattr(self.queue.attendance, method)(request, metadata=metadata, timeout=20)

    async def create(self, who: str = "pri", **fields: Any) -> pb.AttendanceRule:
        """Keep a rule of a person, and return it."""
        request = pb.CreateAttendanceRuleRequest(
            idempotency_key=fields.pop("key", f"rule {len(fields)} {self.queue.clock()} {who}"),
            content=self.content(**fields),
        )
        made: pb.AttendanceRule = (await self.call(who, "CreateAttendanceRule", request)).rule
        return made

    def content(self, **fields: Any) -> pb.AttendanceRuleContent:
        """Lincoln High, unexcused and tardy, by e-mail at one o'clock."""
        texts = fields.pop("texts", {types.CHANNEL_EMAIL: "{student} was absent from {school} on {date} ({code})."})
        base: dict[str, Any] = {
            "name": "Absent today",
            "codes": ["unx", "TDY"],
            "subject": "{student} was absent",
            "send_time": "13:00",
            "school_ids": [self.queue.ids["s1"]],
            "texts": [pb.AttendanceText(channel=channel, text=text) for channel, text in texts.items()],
        }
        return pb.AttendanceRuleContent(**base | fields)

    async def record(self, *rows: dict[str, Any]) -> pb.RecordAbsencesResponse:
        """Record absences of today as the student information system; fields replace those of a row."""
        token = self.queue.tokens.service("queue.absences", name="sis")
        base = {"date": TODAY, "code": "UNX"}
        piece = pb.RecordAbsencesRequest(absences=[pb.Absence(**{**base, **row}) for row in rows])
        with translated():
            answer: pb.RecordAbsencesResponse = await self.queue.attendance.RecordAbsences(
                iter([piece]), metadata=(("authorization", f"Bearer {token}"),), timeout=20
            )
        return answer

    async def tick(self, **later: float) -> None:
        """Let time pass, and settle everything that is owed."""
        self.queue.clock.now += timedelta(**later)
        while await self.telling.step():
            pass

    async def runs(self, rule: pb.AttendanceRule, name: str = "off") -> list[pb.AttendanceRun]:
        """Return what a rule did."""
        answer = await self.call(name, "GetAttendanceRule", pb.GetAttendanceRuleRequest(rule_id=rule.rule_id))
        return list(answer.runs)

    async def told(self) -> list[tuple[str, str]]:
        """Return guardian and student of every recipient, in order."""
        rows = await self.queue.rows("SELECT name, regarding_student_name FROM recipients ORDER BY created_at, number")
        return [(row[0], row[1]) for row in rows]

    def afresh(self) -> Directory:
        """Return a client of directory that remembers nothing, and tell with it from now on; close it yourself."""
        directory = Directory(self.queue.directory_address, self.queue.tokens.service("directory.read"))
        self.telling = Telling(self.queue.engine, self.queue.clock, directory, ZONE)
        return directory
