"""ScheduleService: proto to action to proto."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2
from protos.queue.v1 import schedules_pb2 as pb
from protos.queue.v1 import schedules_pb2_grpc
from services.kit.auth import Caller, current_caller
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id
from services.queue import keys, schedule_words, surveys, words
from services.queue.actions import replying, schedules, standing
from services.queue.clients import Directory
from services.queue.scheduling import Schedule


class ScheduleServicer(schedules_pb2_grpc.ScheduleServiceServicer):
    """Answers ScheduleService."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, directory: Directory, zone: str, *, has_surveys: bool
    ) -> None:
        """`zone` is the district's: timings are of it."""
        self._has_surveys = has_surveys
        self._engine, self._clock, self._directory, self._zone = engine, clock, directory, zone

    async def CreateSchedule(self, request: pb.CreateScheduleRequest, context: Any) -> pb.CreateScheduleResponse:
        """Keep a schedule."""
        key, caller = keys.read(request), current_caller()
        fresh, check_times = await self._fresh(request, caller)
        kept, is_repeat = await schedules.create(self._engine, self._clock, fresh, key, check_times)
        return pb.CreateScheduleResponse(schedule=self._answer(kept, caller), is_repeat=is_repeat)

    async def UpdateSchedule(self, request: pb.UpdateScheduleRequest, context: Any) -> pb.UpdateScheduleResponse:
        """Replace message, audience and timing."""
        caller = current_caller()
        schedule_id = check_id("schedule_id", request.schedule_id)
        found, _ = await schedules.get(self._engine, caller, schedule_id)
        request.header.sender.person_id = found.sender_id
        edited, check_times = await self._fresh(request, caller)
        check_times()
        fresh = schedule_words.numbered(edited, schedule_id, request.version)
        return pb.UpdateScheduleResponse(
            schedule=self._answer(await schedules.replace(self._engine, self._clock, caller, fresh), caller)
        )

    async def PauseSchedule(self, request: pb.PauseScheduleRequest, context: Any) -> pb.PauseScheduleResponse:
        """Stop sending."""
        caller, schedule_id = current_caller(), check_id("schedule_id", request.schedule_id)
        kept = await schedules.pause(self._engine, self._clock, caller, schedule_id)
        return pb.PauseScheduleResponse(schedule=self._answer(kept, caller))

    async def ResumeSchedule(self, request: pb.ResumeScheduleRequest, context: Any) -> pb.ResumeScheduleResponse:
        """Send again."""
        caller, schedule_id = current_caller(), check_id("schedule_id", request.schedule_id)
        kept = await schedules.resume(self._engine, self._clock, caller, schedule_id)
        return pb.ResumeScheduleResponse(schedule=self._answer(kept, caller))

    async def CancelSchedule(self, request: pb.CancelScheduleRequest, context: Any) -> pb.CancelScheduleResponse:
        """End it for good."""
        caller, schedule_id = current_caller(), check_id("schedule_id", request.schedule_id)
        kept = await schedules.cancel(self._engine, self._clock, caller, schedule_id)
        return pb.CancelScheduleResponse(schedule=self._answer(kept, caller))

    async def GetSchedule(self, request: pb.GetScheduleRequest, context: Any) -> pb.GetScheduleResponse:
        """Answer one schedule."""
        caller, schedule_id = current_caller(), check_id("schedule_id", request.schedule_id)
        found, occurrences = await schedules.get(self._engine, caller, schedule_id)
        upcoming = found.timing.next_few(self._clock()) if found.next_at else []
        return pb.GetScheduleResponse(
            schedule=self._answer(found, caller),
            occurrences=[schedule_words.occurrence(each) for each in occurrences],
            upcoming=[words.stamp(each) for each in upcoming],  # type: ignore[misc]
        )

    async def ListSchedules(self, request: pb.ListSchedulesRequest, context: Any) -> pb.ListSchedulesResponse:
        """Answer a page of schedules."""
        caller = current_caller()
        states = schedule_words.states(request.states)
        rows, total = await schedules.listed(self._engine, caller, states, lambda n: words.window(request.page, n))
        return pb.ListSchedulesResponse(
            schedules=[self._answer(each, caller) for each in rows], page=words.page_of(request.page, total)
        )

    async def PreviewSchedule(self, request: pb.PreviewScheduleRequest, context: Any) -> pb.PreviewScheduleResponse:
        """Answer the next sendings of a timing."""
        timing = schedule_words.timing(request.timing, self._zone)
        upcoming = [words.stamp(each) for each in timing.next_few(self._clock())]
        return pb.PreviewScheduleResponse(upcoming=upcoming, time_zone=self._zone)  # type: ignore[arg-type]

    async def _fresh(
        self, request: pb.CreateScheduleRequest | pb.UpdateScheduleRequest, caller: Caller
    ) -> tuple[Schedule, Callable[[], None]]:
        """Return the schedule of a request whose sender may send it now; the errors of Submit otherwise.

        The second raises for times that do not fit the next sending: a request that is said twice is not asked again.
        """
        draft = schedule_words.read_draft(request.header, "schedule")
        standing.check_draft(draft)
        surveys.check_set_up(draft.survey, has_surveys=self._has_surveys)
        if not draft.sender.person_id:
            wrong = [("/header/sender/person_id", "A schedule speaks for a person.")]
            raise InvalidArgument("SENDER_UNKNOWN", "A schedule needs a sender.", violations=wrong)
        check_id("header/sender/person_id", draft.sender.person_id)
        known = await self._directory.known(draft.sender.person_id)
        if known.sender is None:
            wrong = [("/header/sender/person_id", "There is no such active account.")]
            raise InvalidArgument("SENDER_UNKNOWN", "The sender is not known.", violations=wrong)
        decided = standing.decide(draft, caller, known)
        made = schedule_words.Made(caller.subject, decided, known, self._zone, self._clock())
        fresh = schedule_words.fresh(request, draft, made)
        audience = directory_pb2.Audience.FromString(fresh.audience)
        pieces = self._directory.recipients(audience, fresh.sender_id)
        await replying.check(self._engine, draft, decided.sender, pieces, made.now)

        def check_times() -> None:
            upcoming = fresh.timing.upcoming(made.now)
            surveys.check_closing(draft.survey, upcoming)
            schedule_words.check_expiring(draft, upcoming)

        return fresh, check_times

    def _answer(self, schedule: Schedule, caller: Caller) -> pb.Schedule:
        return schedule_words.schedule(schedule, self._clock(), is_own=schedules.is_own(caller, schedule))
