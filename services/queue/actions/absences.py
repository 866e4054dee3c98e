"""Taking absences from the student information system: good rows are kept, piece by piece; broken ones are reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.queue import metrics
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
    latest = _latest(piece)
    async with transaction(engine) as connection:
        rules = await attendance_rules.switched_on(connection)
        fresh = await absences.record(connection, latest, now) if latest else set()
        changed = [each for each in latest if each.key in fresh]
        # Asked once the rows are locked: a run that was telling of them has committed by then.
        told = await absences.told_of(connection, changed) if changed else set()
    result.recorded += len(changed)
    result.unchanged += len(piece) - len(changed)
    for each in changed:
        if (each.student_id, each.day) in told:
            result.told += 1
        elif _is_late(each, rules, zones.get(each.school_id, "UTC"), now):
            result.late += 1


def _latest(piece: Sequence[Absence]) -> list[Absence]:
    """Return the row that counts for each student, day and period: the newest, of several at one time the last."""
    found: dict[tuple[str, date, str], Absence] = {}
    for each in piece:
        if each.key not in found or found[each.key].stated_at <= each.stated_at:
            found[each.key] = each
    return list(found.values())


def _is_late(each: Absence, rules: Sequence[Rule], zone: str, now: datetime) -> bool:
    """Tell whether no message tells of an absence any more, though there are rules for its code."""
    named = [rule for rule in rules if rule.concerns(each.school_id) and each.code in rule.codes]
    return bool(named) and not each.is_withdrawn and all(is_past(rule, each.day, zone, now) for rule in named)


async def measure_age(engine: AsyncEngine, clock: Clock) -> None:
    """Set the gauge of how long ago the information system stated an absence last."""
    async with transaction(engine) as connection:
        stated_at = await absences.last_stated(connection)
    if stated_at:
        metrics.absences_age.set(max(0.0, (clock() - stated_at).total_seconds()))


async def forget_old(engine: AsyncEngine, clock: Clock) -> int:
    """Delete the absences that are past keeping; return how many."""
    async with transaction(engine) as connection:
        return await absences.forget(connection, (clock() - KEPT).date())
