"""AttendanceService: proto to action to proto."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import attendance_pb2 as pb
from protos.queue.v1 import attendance_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, current_caller
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.ids import check_id, new_id
from services.queue import attendance_words, keys, listing_words, words
from services.queue.actions import absences, attendance
from services.queue.actions.absences import Recorded
from services.queue.attending import Absence, Rule
from services.queue.clients import Directory

_PIECE, _MOST_ROWS = 500, 100_000


class AttendanceServicer(attendance_pb2_grpc.AttendanceServiceServicer):
    """Answers AttendanceService."""

    def __init__(self, engine: AsyncEngine, clock: Clock, directory: Directory, zone: str) -> None:
        """`zone` is the district's: of it are the days that count, and the times of schools that name no zone."""
        self._engine, self._clock, self._directory, self._zone = engine, clock, directory, zone

    async def RecordAbsences(
        self, request_iterator: AsyncIterator[pb.RecordAbsencesRequest], context: Any
    ) -> pb.RecordAbsencesResponse:
        """Take absences and corrections."""
        if current_caller().viewer:
            raise PermissionDenied("SERVICE_REQUIRED", "Absences come from the student information system.")
        result, index = Recorded(), 0
        async for piece in request_iterator:
            if not 1 <= len(piece.absences) <= _PIECE or index + len(piece.absences) > _MOST_ROWS:
                wrong = [("/absences", f"A piece has 1 to {_PIECE} rows, a stream at most {_MOST_ROWS:,}.")]
                raise InvalidArgument("ABSENCES_TOO_MANY", "Too many rows, or none.", violations=wrong)
            await self._record(piece, index, result)
            index += len(piece.absences)
        problems = [
            pb.AbsenceProblem(index=at, field=pointer, detail=detail) for at, pointer, detail in result.problems
        ]
        return pb.RecordAbsencesResponse(
            recorded=result.recorded, unchanged=result.unchanged, late=result.late, told=result.told,
            problems=problems, problem_count=result.problem_count,
        )  # fmt: skip

    async def _record(self, piece: pb.RecordAbsencesRequest, first: int, result: Recorded) -> None:
        now = self._clock()
        schools = await self._directory.schools()
        named = attendance_words.named_students(piece.absences)
        people = await self._directory.people(sourced_ids=named) if named else ()
        known = attendance_words.Enrolled(
            {each.sourced_id: each for each in people},
            {each.sourced_id: school_id for school_id, each in schools.items()},
        )
        today = now.astimezone(ZoneInfo(self._zone)).date()
        good: list[Absence] = []
        for index, row in enumerate(piece.absences, first):
            try:
                good.append(attendance_words.absence(row, known, today, now))
            except InvalidArgument as problem:
                result.refuse(index, problem.violations[0][0], str(problem))
        zones = {key: each.time_zone or self._zone for key, each in schools.items()}
        await absences.record(self._engine, self._clock, good, zones, result)

    async def CreateAttendanceRule(
        self, request: pb.CreateAttendanceRuleRequest, context: Any
    ) -> pb.CreateAttendanceRuleResponse:
        """Keep a rule."""
        key, caller = keys.read(request), current_caller()
        owner_id = request.owner_id or (caller.viewer.person_id if caller.viewer else "")
        if caller.viewer and owner_id != caller.viewer.person_id:
            raise PermissionDenied("SENDER_NOT_SELF", "You can make rules in your own name only.")
        fresh = await self._fresh(request.content, caller, owner_id)
        kept = await attendance.create(self._engine, fresh, caller, key)
        return pb.CreateAttendanceRuleResponse(rule=_answer(kept, caller))

    async def UpdateAttendanceRule(
        self, request: pb.UpdateAttendanceRuleRequest, context: Any
    ) -> pb.UpdateAttendanceRuleResponse:
        """Replace what a rule does."""
        caller, rule_id = current_caller(), check_id("rule_id", request.rule_id)
        attendance.check_manager(caller)
        found = (await attendance.get(self._engine, caller, rule_id)).rule
        fresh = await self._fresh(request.content, caller, found.owner_id, found)
        fresh = replace(fresh, version=request.version)
        kept = await attendance.replace_content(self._engine, self._clock, caller, fresh)
        return pb.UpdateAttendanceRuleResponse(rule=_answer(kept, caller))

    async def _fresh(
        self, content: pb.AttendanceRuleContent, caller: Caller, owner_id: str, found: Rule | None = None
    ) -> Rule:
        """Return the rule of a content that its owner may send now; what the one that is `found` has may stay."""
        attendance.check_manager(caller)
        attendance_words.check_content(content)
        for number, each in enumerate(content.school_ids):
            check_id(f"content/school_ids/{number}", each)
        known = await self._directory.known(check_id("owner_id", owner_id))
        owner = attendance.check_sender(known.sender)
        chosen = attendance.schools_for(content.school_ids, known, caller, found.school_ids if found else ())
        names = [words.channel_name(each.channel) for each in content.texts]
        kept = attendance_words.ways(found) if found else ()
        is_district = content.source == types.SOURCE_DISTRICT
        attendance.check_allowed(names, is_district=is_district, known=known, kept=kept)
        rule_id, now = found.rule_id if found else new_id(), self._clock()
        made = attendance_words.Made(rule_id, owner_id, owner.name, caller.subject, caller.name, chosen, now)
        return attendance_words.rule(content, made)

    async def SwitchAttendanceRule(
        self, request: pb.SwitchAttendanceRuleRequest, context: Any
    ) -> pb.SwitchAttendanceRuleResponse:
        """Switch a rule on or off."""
        caller, rule_id = current_caller(), check_id("rule_id", request.rule_id)
        attendance.check_manager(caller)
        kept = await attendance.switch(self._engine, self._clock, caller, rule_id, is_on=request.is_on)
        return pb.SwitchAttendanceRuleResponse(rule=_answer(kept, caller))

    async def RemoveAttendanceRule(
        self, request: pb.RemoveAttendanceRuleRequest, context: Any
    ) -> pb.RemoveAttendanceRuleResponse:
        """Remove a rule."""
        caller, rule_id = current_caller(), check_id("rule_id", request.rule_id)
        attendance.check_manager(caller)
        await attendance.remove(self._engine, self._clock, caller, rule_id)
        return pb.RemoveAttendanceRuleResponse()

    async def GetAttendanceRule(
        self, request: pb.GetAttendanceRuleRequest, context: Any
    ) -> pb.GetAttendanceRuleResponse:
        """Answer one rule."""
        caller, rule_id = current_caller(), check_id("rule_id", request.rule_id)
        attendance.check_manager(caller)
        found = await attendance.get(self._engine, caller, rule_id)
        return pb.GetAttendanceRuleResponse(
            rule=_answer(found.rule, caller),
            runs=[attendance_words.run_message(each) for each in found.runs],
            changes=[attendance_words.change_message(each) for each in found.changes],
        )

    async def ListAttendanceRules(
        self, request: pb.ListAttendanceRulesRequest, context: Any
    ) -> pb.ListAttendanceRulesResponse:
        """Answer a page of rules."""
        caller = current_caller()
        attendance.check_manager(caller)
        listing = listing_words.listed_rules(request, self._zone)
        rules, total = await attendance.listed(self._engine, caller, listing, lambda n: words.window(request.page, n))
        return pb.ListAttendanceRulesResponse(
            rules=[_answer(each, caller) for each in rules], page=words.page_of(request.page, total)
        )


def _answer(rule: Rule, caller: Caller) -> pb.AttendanceRule:
    return attendance_words.rule_message(rule, may_edit=attendance.may_edit(caller, rule))
