"""Sending what schedules owe: `tick` makes one message of each occurrence, whatever crashes.

The occurrence, the schedule's next time and the message are written in one transaction, under the schedule's lock and
the key (schedule, occurrence). Sender, permissions, modules, exclusions and audience are those of that moment.
A schedule that fails waits alone, longer each time; the others go on.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2
from protos.queue.v1 import queue_pb2
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ServiceError
from services.kit.logs import get_logger
from services.queue import events_out, metrics, schedule_words, scheduling, stop_points
from services.queue.actions import schedules, standing
from services.queue.actions.standing import KnownSender
from services.queue.actions.submit import Submission, submit
from services.queue.clients import Directory
from services.queue.records import Addressees, Draft
from services.queue.scheduling import FAILED, MISSED, Occurrence, Schedule, ScheduleState

_log = get_logger(__name__)
_SUBJECT = "queue.tick"
"""Owner of the idempotency keys of occurrences; no person and no service has this name."""
_SKIPPED = {
    "NO_RECIPIENTS": ("nobody", "Nobody is in its audience now."),
    "SURVEY_CLOSING_INVALID": ("missed", "What it asks was closed before it could be sent."),
}
"""What leaves out one sending, by its reason: the result and what is noted. The series goes on if anything follows."""
_REFUSALS = (PermissionDenied, FailedPrecondition, InvalidArgument, NotFound)
"""What pauses a schedule; anything else passes, and is tried again."""


@dataclass(frozen=True)
class Occurring:
    """What sending takes."""

    engine: AsyncEngine
    clock: Clock
    directory: Directory

    async def step(self) -> int:
        """Settle one schedule that is due, or put it back; return how many were. Unavailable without the database."""
        now = self.clock()
        schedule = await schedules.next_due(self.engine, now)
        if schedule is None:
            return 0
        try:
            await self._settle_due(schedule, now)
        except Exception as problem:  # noqa: BLE001  one schedule's failure must not stop its neighbours
            failure = problem.reason if isinstance(problem, ServiceError) else type(problem).__name__
            trace = None if isinstance(problem, ServiceError) else problem
            _log.warning("schedule_failed", exc_info=trace, schedule_id=schedule.schedule_id, failure=failure)
            await schedules.put_back(self.engine, schedule, now, failure)
        return 1

    async def _settle_due(self, schedule: Schedule, now: datetime) -> None:
        owed = scheduling.due(schedule, now)
        why_missed = FAILED if schedule.failures else MISSED
        past = [Occurrence(each, None, why_missed) for each in owed.missed]
        if owed.send is None and not past:
            await self._settle(schedule, scheduling.moved_on(schedule, now), past, is_told=False)
            return
        if owed.send is None:
            await self._settle(schedule, scheduling.left_out(schedule, now, why_missed), past, is_told=True)
            metrics.occurrences.add(len(past), {"result": "missed"})
            return
        try:
            await self._send(schedule, owed.send, past)
            result = "sent"
        except _REFUSALS as problem:
            result = await self._refused(schedule, owed.send, past, problem)
        metrics.occurrences.add(1, {"result": result})

    async def _send(self, schedule: Schedule, occurs_at: datetime, past: Sequence[Occurrence]) -> None:
        draft = _draft(schedule, occurs_at)
        known = await self.directory.known(schedule.sender_id)
        if known.sender is None:
            raise NotFound("SENDER_UNKNOWN", "Its sender has no active account any more.")
        if not known.modules.get("translation", False):
            # It is refused to who asks for it now; what was asked for earlier goes out as it is written.
            draft = replace(draft, is_translated=None)
        decided = standing.decide(draft, in_the_name_of(known.sender), known)

        async def beside(connection: AsyncConnection, message_id: str) -> None:
            now = self.clock()
            sent = Occurrence(occurs_at, message_id, "")
            await schedules.settle(connection, schedule, scheduling.moved_on(schedule, now), [*past, sent], now)
            stop_points.reach("after_occurrence")

        submission = Submission(draft, _SUBJECT, decided, beside)
        await submit(self.engine, self.clock, submission, self._pieces(schedule))
        stop_points.reach("after_occurrence_commit")

    async def _pieces(self, schedule: Schedule) -> AsyncIterator[Addressees]:
        audience = directory_pb2.Audience.FromString(schedule.audience)
        async for piece in self.directory.recipients(audience, schedule.sender_id):
            yield piece
        stop_points.reach("before_occurrence_commit")

    async def _refused(
        self, schedule: Schedule, occurs_at: datetime, past: Sequence[Occurrence], problem: ServiceError
    ) -> str:
        """Record that nothing was sent, and why: the schedule goes on without this sending, or pauses."""
        now = self.clock()
        result, reason = _SKIPPED.get(problem.reason, ("paused", str(problem) or problem.reason))
        moved = scheduling.paused if result == "paused" else scheduling.left_out
        after = moved(schedule, now, reason)
        # A series that finds nobody for once goes on without a word.
        await self._settle(schedule, after, [*past, Occurrence(occurs_at, None, reason)], is_told=result != "nobody")
        return result

    async def _settle(self, before: Schedule, after: Schedule, every: Sequence[Occurrence], *, is_told: bool) -> None:
        async with transaction(self.engine) as connection:
            await schedules.settle(connection, before, after, every, self.clock())
            if is_told or after.state is ScheduleState.PAUSED:
                await events_out.tell_attention(connection, scheduling.not_sent(after, every[-1]))


def _draft(schedule: Schedule, occurs_at: datetime) -> Draft:
    """Return the message of an occurrence, its times as long after it as those of the first are after the first."""
    header, timing = queue_pb2.MessageHeader.FromString(schedule.header), schedule.timing
    draft = schedule_words.read_draft(header, f"{schedule.schedule_id} {occurs_at.isoformat()}")
    if draft.survey and draft.survey.closes_at:
        closes_at = timing.shifted(draft.survey.closes_at, occurs_at)
        draft = replace(draft, survey=replace(draft.survey, closes_at=closes_at))
    if draft.expires_at:
        draft = replace(draft, expires_at=timing.shifted(draft.expires_at, occurs_at))
    return draft


def in_the_name_of(sender: KnownSender) -> Caller:
    """Return the caller that the sender would be now: their rights of this moment apply."""
    viewer = Viewer(
        person_id=sender.person_id,
        name=sender.name,
        role=types.Role.Name(types.Role.ValueType(sender.role)).removeprefix("ROLE_").lower(),
        permissions=sender.permissions,
        schools=sender.visible_schools,
        all_users=False,
    )
    return Caller(sender.person_id, frozenset(), viewer)
