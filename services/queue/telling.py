"""Telling families of absences: `tick` makes one message of each rule, school and day, whatever crashes.

The run, the notices of whom it tells and the message are written in one transaction. The rule and the absences are held
as they were read; when either changed meanwhile nothing is written and the run is made anew. A run that fails waits
alone, longer each time, and the others go on.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2
from protos.queue.v1 import attendance_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceError,
)
from services.kit.logs import get_logger
from services.queue import attendance_words, attending, events_out, merging, metrics, stop_points, words
from services.queue.actions import attendance, standing
from services.queue.actions.standing import Known, KnownSchool
from services.queue.actions.submit import Submission, submit
from services.queue.attending import (
    FAILED,
    MISSED,
    NOBODY_ABSENT,
    NOBODY_TOLD,
    TOLD_BY_ANOTHER,
    Due,
    Left,
    Run,
    Waiting,
)
from services.queue.clients import Directory
from services.queue.domain import CALL_OUT, MAX_SUBJECT, MAX_TEXT, Channel, Source
from services.queue.occurring import in_the_name_of
from services.queue.records import KIND_ATTENDANCE, Addressees, Draft, Sender
from services.queue.store import absences, attendance_rules

_log = get_logger(__name__)
_SUBJECT = "queue.tick"
"""Owner of the idempotency keys of runs; no person and no service has this name."""
_NAMED_TOGETHER = 5_000
"""Students whom directory takes in one audience."""
_REFUSALS = (PermissionDenied, FailedPrecondition, InvalidArgument, NotFound)
"""What ends a run without a message; anything else passes, and is tried again."""


class Telling:
    """Makes the messages that attendance rules owe; one for each process."""

    def __init__(self, engine: AsyncEngine, clock: Clock, directory: Directory, zone: str) -> None:
        """`zone` is the district's, for schools that name none."""
        self._engine, self._clock, self._directory, self._zone = engine, clock, directory, zone
        self._waiting: dict[tuple[str, str, date], Waiting] = {}

    async def step(self) -> int:
        """Settle everything that is owed now; return how much that was. Unavailable without database or directory."""
        now = self._clock()
        owed = await self._owed(now)
        for due in owed:
            try:
                await self._settle(due)
                self._waiting.pop(due.key, None)
            except Aborted:
                _log.info("attendance_run_anew", rule_id=due.rule.rule_id, school_id=due.school_id)
            except Exception as problem:  # noqa: BLE001  one run's failure must not stop its neighbours
                self._put_off(due, now, problem)
        return len(owed)

    async def _owed(self, now: datetime) -> list[Due]:
        """Return what is owed and does not wait after a failure; runs of the day before come as missed."""
        async with transaction(self._engine) as connection:
            rules = await attendance_rules.switched_on(connection)
            if not rules:
                return []
            done = await absences.done(connection, (now - timedelta(days=2)).date())
        zones = {key: each.time_zone or self._zone for key, each in (await self._directory.schools()).items()}
        every = [due for rule in rules for due in attending.owed(rule, zones, now) if due.key not in done]
        self._waiting = {key: each for key, each in self._waiting.items() if key not in done}
        return [due for due in every if due.key not in self._waiting or self._waiting[due.key].until <= now]

    def _put_off(self, due: Due, now: datetime, problem: Exception) -> None:
        failure = problem.reason if isinstance(problem, ServiceError) else type(problem).__name__
        trace = None if isinstance(problem, ServiceError) else problem
        rule_id, school_id = due.rule.rule_id, due.school_id
        _log.warning("attendance_run_failed", exc_info=trace, rule_id=rule_id, school_id=school_id, failure=failure)
        self._waiting[due.key] = attending.put_off(self._waiting.get(due.key), now)

    async def _settle(self, due: Due) -> None:
        async with transaction(self._engine) as connection:
            left = await absences.standing(connection, due, attendance_words.ways(due.rule))
            students = left.students
            is_told = not students and await absences.is_anybody_absent(connection, due)
        if due.is_missed or not students:
            nobody = TOLD_BY_ANOTHER if is_told else NOBODY_ABSENT
            reason = nobody if not students else FAILED if due.key in self._waiting else MISSED
            await self._note(due, students, reason)
            metrics.attendance_runs.add(1, {"result": "missed" if students else "nobody"})
            return
        try:
            await self._send(due, left)
            result = "sent"
        except _REFUSALS as problem:
            is_empty = problem.reason == "NO_RECIPIENTS"
            nobody = TOLD_BY_ANOTHER if left.told else NOBODY_TOLD
            await self._note(due, students, nobody if is_empty else str(problem) or problem.reason)
            result = "nobody" if is_empty else "refused"
        metrics.attendance_runs.add(1, {"result": result})

    async def _note(self, due: Due, students: Mapping[str, str], reason: str) -> None:
        """Write that nothing was sent, and why; tell of it where families should have heard of an absence."""
        async with transaction(self._engine) as connection:
            is_new = await absences.add_run(connection, self._run(due, students, None, reason))
            if is_new and students and reason not in {NOBODY_TOLD, TOLD_BY_ANOTHER}:
                await events_out.tell_attention(connection, attending.not_sent(due, reason))

    def _run(self, due: Due, students: Mapping[str, str], message_id: str | None, reason: str = "") -> Run:
        return Run(*due.key, len(students), message_id, reason, self._clock())

    async def _send(self, due: Due, left: Left) -> None:
        known = await self._directory.known(due.rule.owner_id)
        sender = in_the_name_of(attendance.check_sender(known.sender))
        if not sender.viewer or not sender.viewer.sees_school(due.school_id):
            raise PermissionDenied("SCHOOL_NOT_YOURS", "The school is not one of its sender's.")
        attendance.check_not_excluded(known, due.school_id)
        draft = await self._draft(due, left.students, known)
        decided = standing.decide(draft, sender, known)

        async def beside(connection: AsyncConnection, message_id: str) -> None:
            await self._write(connection, due, left, message_id)
            stop_points.reach("after_run")

        draft = replace(draft, kind=KIND_ATTENDANCE)
        submission = Submission(draft, _SUBJECT, decided, beside=beside, told=left.told)
        pieces = self._pieces(due, left, [name for name, _ in draft.channels])
        await submit(self._engine, self._clock, submission, pieces)
        stop_points.reach("after_run_commit")

    async def _write(self, connection: AsyncConnection, due: Due, left: Left, message_id: str) -> None:
        """Write the run and its notices. Aborted when another process did, or what is to be told changed."""
        if not await absences.add_run(connection, self._run(due, left.students, message_id)):
            raise Aborted("ATTENDANCE_RUN_DONE", "Another process made this run.")
        is_same = await attendance_rules.stays(connection, due.rule)
        now = await absences.standing(connection, due, attendance_words.ways(due.rule), lock=True)
        # Who was being told and failed meanwhile changes nothing; who was told meanwhile must not be told again.
        if not is_same or now.students != left.students or not now.told <= left.told:
            raise Aborted("ATTENDANCE_RULE_CHANGED", "The rule or its absences changed meanwhile.")
        await absences.add_notices(connection, due, message_id, left.students)

    async def _draft(self, due: Due, students: Mapping[str, str], known: Known) -> Draft:
        content = pb.AttendanceRuleContent.FromString(due.rule.content)
        school = known.schools.get(due.school_id, KnownSchool("", is_excluded=False))
        language = content.language or "en"
        values = {"date": merging.day_in(due.day, language), "school": school.title[:100]}
        values |= await self._of_the_only(students)
        channels = _channels(content, values, has_call_out=known.modules.get("call_out", False))
        families = (
            f"Families of {len(students):,} absent students" if len(students) > 1 else "Family of 1 absent student"
        )
        return Draft(
            idempotency_key=" ".join(str(part) for part in due.key),
            sender=Sender(due.rule.owner_id, due.rule.owner_name, 0, due.school_id),
            subject=merging.fill(content.subject, values, MAX_SUBJECT),
            body=channels[0][1] if channels else "",
            channels=channels,
            source=Source.DISTRICT if content.source == types.SOURCE_DISTRICT else Source.SCHOOL,
            once_per_family=content.once_per_family,
            language=language,
            audience_summary=f"{families}, {school.title}"[:500],
            from_title=content.from_title if content.source == types.SOURCE_DISTRICT else "",
        )

    async def _of_the_only(self, students: Mapping[str, str]) -> dict[str, str]:
        """Return the values of a message about one student: they are the same for every recipient."""
        if len(students) != 1:
            return {}
        people = await self._directory.people(person_ids=list(students))
        return merging.about((each.name, students[each.person_id]) for each in people) if people else {}

    async def _pieces(self, due: Due, left: Left, channels: Sequence[str]) -> AsyncIterator[Addressees]:
        """Yield the guardians of the absent students, without those whom every channel leaves out."""
        students = list(left.students)
        for first in range(0, len(students), _NAMED_TOGETHER):
            audience = directory_pb2.Audience(
                school_ids=[due.school_id],
                student_ids=students[first : first + _NAMED_TOGETHER],
                working_school_id=due.school_id,
            )
            async for piece in self._directory.recipients(audience, due.rule.owner_id):
                about = list(zip(piece.regarding_student_ids, piece.person_ids, strict=True))
                has = [all((name, *each) in left.told for name in channels) for each in about]
                yield piece.only([position for position, is_told in enumerate(has) if not is_told])
        stop_points.reach("before_run_commit")


def _channels(
    content: pb.AttendanceRuleContent, values: Mapping[str, str], *, has_call_out: bool
) -> list[tuple[str, str]]:
    """Return the channels with their texts, e-mail first; texts and calls only where they are switched on."""
    named = [(words.channel_name(each.channel), each.text) for each in content.texts]
    found = [
        (name, merging.fill(text, values, MAX_TEXT[Channel(name)]))
        for name, text in sorted(named, key=lambda each: list(Channel).index(Channel(each[0])))
        if has_call_out or name not in CALL_OUT
    ]
    if not found:
        raise FailedPrecondition("CALL_OUT_OFF", "The Call Out System is off: texts and calls cannot be sent.")
    return found
