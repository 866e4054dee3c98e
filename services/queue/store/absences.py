"""Absences, what rules did about them, and what each message told of whom."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.attending import Absence, Due, Left, Rule, Run, Tried, left_to_tell
from services.queue.merging import Told, by_number
from services.queue.records import KIND_ATTENDANCE
from services.queue.store.deliveries import CONTACT
from services.queue.work import Batch

_RECORD = sa.text(
    "WITH given AS (SELECT * FROM unnest(CAST(:student_id AS text[]), CAST(:day AS date[]), CAST(:period AS text[]),"
    " CAST(:school_id AS text[]), CAST(:code AS text[]), CAST(:is_withdrawn AS boolean[]),"
    " CAST(:stated_at AS timestamptz[]))"
    " AS g (student_id, day, period, school_id, code, is_withdrawn, stated_at)),"
    " kept AS (SELECT a.* FROM absences a JOIN given USING (student_id, day, period)),"
    " put AS (INSERT INTO absences AS a"
    " (student_id, day, period, school_id, code, is_withdrawn, stated_at, recorded_at)"
    " SELECT given.*, CAST(:now AS timestamptz) FROM given ORDER BY student_id, day, period"
    " ON CONFLICT (student_id, day, period) DO UPDATE SET school_id = excluded.school_id, code = excluded.code,"
    " is_withdrawn = excluded.is_withdrawn, stated_at = excluded.stated_at,"
    # What is stated again was known: it comes no later than it did.
    " recorded_at = CASE WHEN (a.school_id, a.code, a.is_withdrawn) = (excluded.school_id, excluded.code,"
    " excluded.is_withdrawn) THEN a.recorded_at ELSE excluded.recorded_at END"
    " WHERE a.stated_at <= excluded.stated_at"
    " RETURNING a.student_id, a.day, a.period, a.school_id, a.code, a.is_withdrawn)"
    " SELECT put.student_id, put.day, put.period FROM put LEFT JOIN kept USING (student_id, day, period)"
    " WHERE (put.school_id, put.code, put.is_withdrawn) IS DISTINCT FROM (kept.school_id, kept.code, kept.is_withdrawn)"
)
_TOLD = sa.text(
    "SELECT DISTINCT student_id, day FROM attendance_notices JOIN unnest(CAST(:student_id AS text[]),"
    " CAST(:day AS date[])) AS g (student_id, day) USING (student_id, day)"
)
_UNDER_CODES = "FROM absences a WHERE day = :day AND school_id = :school_id AND NOT is_withdrawn AND code = ANY(:codes)"
_STANDING = (
    f"SELECT student_id, code {_UNDER_CODES} AND NOT EXISTS (SELECT 1 FROM attendance_notices n"
    " WHERE n.student_id = a.student_id AND n.day = a.day AND n.rule_id = :rule_id) ORDER BY student_id, period"
)
_NOTICES = sa.text(
    "SELECT n.message_id, n.student_id, string_to_array(n.codes, ', ') FROM attendance_notices n"
    " JOIN messages m USING (message_id)"
    " WHERE n.student_id = ANY(:students) AND n.day = :day AND m.cancelled_at IS NULL"
)
_REACHED = sa.text(
    "WITH tried AS (SELECT e.message_id, r.regarding_student_id, e.channel, r.person_id,"
    f" e.resend_of IS NULL AS is_first, {CONTACT} AS contact, coalesce(o.state, 'pending') AS state,"
    " r.problem = '' AND coalesce(o.state, 'pending') NOT IN ('error', 'expired', 'duplicate') AS is_reached"
    " FROM entries e JOIN recipients r ON r.entry_id = e.entry_id AND r.created_at = e.created_at"
    " LEFT JOIN outcomes o ON o.entry_id = r.entry_id AND o.number = r.number AND o.created_at = r.created_at"
    " WHERE e.message_id = ANY(:messages) AND e.channel = ANY(:channels)),"
    # A duplicate is reached by what was really sent there, which told of its student, too.
    " known AS (SELECT *, CASE WHEN state = 'duplicate' THEN bool_or(is_reached) OVER"
    " (PARTITION BY message_id, channel, contact) ELSE is_reached END AS is_told FROM tried)"
    " SELECT message_id, regarding_student_id, channel, person_id, is_first, is_told FROM known"
    " WHERE regarding_student_id = ANY(:students)"
)
_LATE = (
    "SELECT count(DISTINCT a.student_id) FROM absences a WHERE a.day = r.day AND a.school_id = r.school_id"
    " AND NOT a.is_withdrawn AND a.code = ANY(:codes) AND a.recorded_at > r.recorded_at AND NOT EXISTS (SELECT 1"
    " FROM attendance_notices n WHERE n.student_id = a.student_id AND n.day = a.day)"
)
_ADD_RUN = sa.text(
    "INSERT INTO attendance_runs (rule_id, school_id, day, students, message_id, reason, recorded_at)"
    " VALUES (:rule_id, :school_id, :day, :students, :message_id, :reason, :recorded_at)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
_OF_MESSAGE = (
    # What cannot be used is no contact: many families have the same "none" on record.
    f"SELECT r.entry_id::text, r.number, r.person_id, CASE WHEN r.problem = '' THEN {CONTACT} ELSE '' END,"
    " r.regarding_student_name, coalesce(n.codes, '')"
    " FROM entries e JOIN recipients r ON r.entry_id = e.entry_id AND r.created_at = e.created_at"
    " LEFT JOIN attendance_notices n ON n.message_id = e.message_id AND n.student_id = r.regarding_student_id"
    " WHERE e.message_id = :message_id{more} ORDER BY r.number, e.position"
)


async def record(connection: AsyncConnection, every: Sequence[Absence], now: datetime) -> set[tuple[str, date, str]]:
    """Keep absences and corrections, one for each student, day and period; return those that said something new.

    One that is older than what is kept changes nothing. They are written in one order everywhere, so that two
    transactions that name the same students wait for each other and do not deadlock.
    """
    names = ("student_id", "day", "period", "school_id", "code", "is_withdrawn", "stated_at")
    values = {name: [getattr(each, name) for each in every] for name in names}
    return {(row[0], row[1], row[2]) for row in await connection.execute(_RECORD, {**values, "now": now})}


async def told_of(connection: AsyncConnection, every: Sequence[Absence]) -> set[tuple[str, date]]:
    """Return the students and days, of these, of which a family was told."""
    values = {"student_id": [each.student_id for each in every], "day": [each.day for each in every]}
    return {(row[0], row[1]) for row in await connection.execute(_TOLD, values)}


async def forget(connection: AsyncConnection, before: date) -> int:
    """Delete the absences of days before this one; return how many."""
    result = await connection.execute(sa.text("DELETE FROM absences WHERE day < :before"), {"before": before})
    return result.rowcount


async def standing(connection: AsyncConnection, due: Due, channels: Sequence[str], *, lock: bool = False) -> Left:
    """Return of whom a run tells, and whom it need not write to by some of these channels: another rule did.

    With `lock` nobody corrects these absences, or tells of this school and day, until the transaction ends.
    """
    values = _values(due) | {"rule_id": due.rule.rule_id}
    if lock:
        day = f"absences {due.school_id} {due.day}"
        await connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:day, 0))"), {"day": day})
    absent: dict[str, dict[str, None]] = {}
    for student_id, code in await connection.execute(sa.text(_STANDING + " FOR SHARE OF a" * lock), values):
        absent.setdefault(student_id, {})[code] = None
    return left_to_tell(absent, channels, await _tried(connection, due.day, list(absent), channels))


async def _tried(
    connection: AsyncConnection, day: date, students: Sequence[str], channels: Sequence[str]
) -> list[Tried]:
    """Return each delivery by these channels that told of an absence of a day; messages that were stopped do not."""
    rows = await connection.execute(_NOTICES, {"students": students, "day": day})
    codes = {(message_id, student_id): tuple(its_codes) for message_id, student_id, its_codes in rows}
    if not codes:
        return []
    values = {"messages": list({each for each, _ in codes}), "students": students, "channels": list(channels)}
    return [
        Tried(student_id, codes[message_id, student_id], *row)
        for message_id, student_id, *row in await connection.execute(_REACHED, values)
        if (message_id, student_id) in codes
    ]


async def is_anybody_absent(connection: AsyncConnection, due: Due) -> bool:
    """Tell whether anybody is absent under the codes of a rule, told of or not."""
    query = sa.text(f"SELECT EXISTS (SELECT 1 {_UNDER_CODES})")
    return bool((await connection.execute(query, _values(due))).scalar_one())


def _values(due: Due) -> dict[str, Any]:
    return {"day": due.day, "school_id": due.school_id, "codes": list(due.rule.codes)}


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
        "SELECT rule_id::text AS rule_id, school_id, day, students, message_id::text AS message_id, reason,"
        f" recorded_at, ({_LATE}) AS late FROM attendance_runs r WHERE rule_id = :id"
        " AND (:every OR school_id = ANY(:schools))"
        " ORDER BY day DESC, recorded_at DESC, school_id LIMIT :limit"
    )
    values: dict[str, Any] = {"id": rule.rule_id, "every": schools is None, "schools": list(schools or ())}
    values |= {"codes": list(rule.codes), "limit": limit}
    return [Run(**row) for row in (await connection.execute(query, values)).mappings()]


async def told(connection: AsyncConnection, message_id: str, person_id: str = "") -> list[Told]:
    """Return of whom a message tells its recipients, or one of them."""
    query = sa.text(_OF_MESSAGE.format(more=" AND r.person_id = :person_id" if person_id else ""))
    values: dict[str, Any] = {"message_id": message_id}
    rows = await connection.execute(query, values | ({"person_id": person_id} if person_id else {}))
    return [Told(*row) for row in rows]


async def last_stated(connection: AsyncConnection) -> datetime | None:
    """Return when the latest absence was stated; None when there is none."""
    found: datetime | None = await connection.scalar(sa.text("SELECT max(stated_at) FROM absences"))
    return found


async def values_for(connection: AsyncConnection, batch: Batch) -> dict[int, dict[str, str]]:
    """Return what stands in place of a batch's placeholders; only attendance messages have some."""
    if batch.content.kind != KIND_ATTENDANCE:
        return {}
    every = await told(connection, batch.message_id)
    content = batch.content
    return by_number(every, batch.entry_id, content.language, once_per_family=content.once_per_family)
