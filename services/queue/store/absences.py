"""Absences, what rules did about them, and what each message told of whom."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.attending import Absence, Due, Rule, Run
from services.queue.merging import Told, by_number
from services.queue.records import KIND_ATTENDANCE
from services.queue.work import Batch

_RECORD = sa.text(
    "WITH kept AS (SELECT school_id, code, is_withdrawn FROM absences WHERE student_id = :student_id AND day = :day"
    " AND period = :period), put AS (INSERT INTO absences (student_id, day, period, school_id, code, is_withdrawn,"
    " stated_at, recorded_at) VALUES (:student_id, :day, :period, :school_id, :code, :is_withdrawn, :stated_at, :now)"
    " ON CONFLICT (student_id, day, period) DO UPDATE SET school_id = excluded.school_id, code = excluded.code,"
    " is_withdrawn = excluded.is_withdrawn, stated_at = excluded.stated_at, recorded_at = excluded.recorded_at"
    " WHERE absences.stated_at <= excluded.stated_at RETURNING school_id, code, is_withdrawn)"
    " SELECT 1 FROM put LEFT JOIN kept ON true WHERE (put.school_id, put.code, put.is_withdrawn)"
    " IS DISTINCT FROM (kept.school_id, kept.code, kept.is_withdrawn)"
)
_STANDING = (
    "SELECT student_id, code FROM absences a WHERE day = :day AND school_id = :school_id AND NOT is_withdrawn"
    " AND code = ANY(:codes) AND NOT EXISTS (SELECT 1 FROM attendance_notices n WHERE n.rule_id = :rule_id"
    " AND n.student_id = a.student_id AND n.day = a.day) ORDER BY student_id, period"
)
_ADD_RUN = sa.text(
    "INSERT INTO attendance_runs (rule_id, school_id, day, students, message_id, reason, recorded_at)"
    " VALUES (:rule_id, :school_id, :day, :students, :message_id, :reason, :recorded_at)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
_OF_MESSAGE = (
    "SELECT r.entry_id::text, r.number, r.person_id, r.destination, r.regarding_student_name, coalesce(n.codes, '')"
    " FROM entries e JOIN recipients r ON r.entry_id = e.entry_id AND r.created_at = e.created_at"
    " LEFT JOIN attendance_notices n ON n.message_id = e.message_id AND n.student_id = r.regarding_student_id"
    " WHERE e.message_id = :message_id{more} ORDER BY r.number, e.position"
)


async def record(connection: AsyncConnection, absence: Absence, now: datetime) -> bool:
    """Keep an absence or its correction; False when it says nothing new, or is older than what is kept."""
    return (await connection.execute(_RECORD, {**vars(absence), "now": now})).scalar_one_or_none() is not None


async def was_told(connection: AsyncConnection, absence: Absence) -> bool:
    """Tell whether a family was told of the student's absence on this day."""
    query = sa.text("SELECT EXISTS (SELECT 1 FROM attendance_notices WHERE student_id = :student AND day = :day)")
    return bool((await connection.execute(query, {"student": absence.student_id, "day": absence.day})).scalar_one())


async def forget(connection: AsyncConnection, before: date) -> int:
    """Delete the absences of days before this one; return how many."""
    result = await connection.execute(sa.text("DELETE FROM absences WHERE day < :before"), {"before": before})
    return result.rowcount


async def standing(connection: AsyncConnection, due: Due, *, lock: bool = False) -> dict[str, str]:
    """Return the students whom a run is about, each with the codes of their absences, in order.

    With `lock` nobody corrects these absences until the transaction ends.
    """
    values = {"day": due.day, "school_id": due.school_id, "codes": list(due.rule.codes), "rule_id": due.rule.rule_id}
    query = sa.text(_STANDING + (" FOR SHARE OF a" if lock else ""))
    found: dict[str, dict[str, None]] = {}
    for student_id, code in await connection.execute(query, values):
        found.setdefault(student_id, {})[code] = None
    return {student_id: ", ".join(codes) for student_id, codes in found.items()}


async def add_run(connection: AsyncConnection, run: Run) -> bool:
    """Write what a rule did; False when it was written before. Waits for another transaction that is writing it."""
    return (await connection.execute(_ADD_RUN, vars(run))).scalar_one_or_none() is not None


async def add_notices(connection: AsyncConnection, due: Due, message_id: str, students: dict[str, str]) -> None:
    """Write of whom a message tells."""
    query = sa.text(
        "INSERT INTO attendance_notices (rule_id, student_id, day, message_id, codes)"
        " VALUES (:rule_id, :student_id, :day, :message_id, :codes)"
    )
    same = {"rule_id": due.rule.rule_id, "day": due.day, "message_id": message_id}
    rows = [{**same, "student_id": each, "codes": codes} for each, codes in students.items()]
    await connection.execute(query, rows)


async def done(connection: AsyncConnection, since: date) -> set[tuple[str, str, date]]:
    """Return rule, school and day of the runs since a day."""
    query = sa.text("SELECT rule_id::text, school_id, day FROM attendance_runs WHERE day >= :since")
    return {(row[0], row[1], row[2]) for row in await connection.execute(query, {"since": since})}


async def runs(connection: AsyncConnection, rule: Rule, schools: Sequence[str] | None, limit: int) -> list[Run]:
    """Return what a rule did lately, newest first, for these schools; None means every one."""
    query = sa.text(
        "SELECT rule_id::text AS rule_id, school_id, day, students, message_id::text AS message_id, reason, recorded_at"
        " FROM attendance_runs WHERE rule_id = :id AND (:every OR school_id = ANY(:schools))"
        " ORDER BY day DESC, recorded_at DESC, school_id LIMIT :limit"
    )
    values = {"id": rule.rule_id, "every": schools is None, "schools": list(schools or ()), "limit": limit}
    return [Run(**row) for row in (await connection.execute(query, values)).mappings()]


async def told(connection: AsyncConnection, message_id: str, person_id: str = "") -> list[Told]:
    """Return of whom a message tells its recipients, or one of them."""
    query = sa.text(_OF_MESSAGE.format(more=" AND r.person_id = :person_id" if person_id else ""))
    values: dict[str, Any] = {"message_id": message_id}
    rows = await connection.execute(query, values | ({"person_id": person_id} if person_id else {}))
    return [Told(*row) for row in rows]


async def values_for(connection: AsyncConnection, batch: Batch) -> dict[int, dict[str, str]]:
    """Return what stands in place of a batch's placeholders; only attendance messages have some."""
    if batch.content.kind != KIND_ATTENDANCE:
        return {}
    every = await told(connection, batch.message_id)
    return by_number(every, batch.entry_id, once_per_family=batch.content.once_per_family)
