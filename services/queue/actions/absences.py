"""Taking absences from the student information system: good rows are kept, piece by piece; broken ones are reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.queue.attending import KEPT, Absence, Rule, is_past
from services.queue.store import absences, attendance_rules

_PROBLEMS_SHOWN = 1_000


@dataclass
class Recorded:
    """What a stream of absences came to."""

    recorded: int = 0
    unchanged: int = 0
    late: int = 0
    told: int = 0
    problem_count: int = 0
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    """Index, field and reason of those that were not taken, at most 1,000."""

    def refuse(self, index: int, pointer: str, detail: str) -> None:
        """Note a row that was not taken."""
        self.problem_count += 1
        if len(self.problems) < _PROBLEMS_SHOWN:
            self.problems.append((index, pointer, detail))


async def record(
    engine: AsyncEngine, clock: Clock, piece: Sequence[Absence], zones: Mapping[str, str], result: Recorded
) -> None:
    """Keep a piece of absences in one transaction, and count what became of them."""
    now = clock()
    async with transaction(engine) as connection:
        rules = await attendance_rules.switched_on(connection)
        # In one order everywhere, so that two streams that name the same students wait and do not deadlock. Rows of
        # the same student, day and period keep the order in which they came.
        for each in sorted(piece, key=lambda one: (one.student_id, one.day, one.period)):
            if not await absences.record(connection, each, now):
                result.unchanged += 1
                continue
            result.recorded += 1
            await _note(connection, each, rules, zones.get(each.school_id, "UTC"), now, result)


async def _note(
    connection: AsyncConnection, each: Absence, rules: Sequence[Rule], zone: str, now: datetime, result: Recorded
) -> None:
    """Count corrections of what a family was told, and absences that no message tells of any more."""
    if await absences.was_told(connection, each):
        result.told += 1
        return
    named = [rule for rule in rules if rule.concerns(each.school_id) and each.code in rule.codes]
    if named and not each.is_withdrawn and all(is_past(rule, each.day, zone, now) for rule in named):
        result.late += 1


async def forget_old(engine: AsyncEngine, clock: Clock) -> int:
    """Delete the absences that are past keeping; return how many."""
    async with transaction(engine) as connection:
        return await absences.forget(connection, (clock() - KEPT).date())
