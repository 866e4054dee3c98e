"""Schedules and their occurrences."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.scheduling import Occurrence, Schedule, ScheduleState
from services.queue.timing import Timing

_COLUMNS = (
    "schedule_id", "version", "state", "pause_reason", "caller", "sender_id", "sender_school_id", "school_ids",
    "header", "audience", "start_date", "send_time", "rule", "end_date", "time_zone", "next_at", "created_at",
    "changed_at", "recording_id", "failures", "failure", "retry_at",
)  # fmt: skip
_SAME = (
    "schedule_id", "version", "pause_reason", "caller", "sender_id", "sender_school_id", "header", "audience",
    "next_at", "created_at", "changed_at", "failures", "failure", "retry_at",
)  # fmt: skip
_NAMES = ", ".join(_COLUMNS)


async def count_open(connection: AsyncConnection, sender_id: str) -> int:
    """Return how many schedules of a sender are active or paused, and let no other transaction add one meanwhile."""
    await connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:sender))"), {"sender": sender_id})
    query = sa.text("SELECT count(*) FROM schedules WHERE sender_id = :sender AND state IN ('active', 'paused')")
    return int((await connection.execute(query, {"sender": sender_id})).scalar_one())


async def insert(connection: AsyncConnection, schedule: Schedule) -> None:
    """Write a new schedule."""
    values = ", ".join(f":{name}" for name in _COLUMNS)
    await connection.execute(sa.text(f"INSERT INTO schedules ({_NAMES}) VALUES ({values})"), _row(schedule))


async def update(connection: AsyncConnection, schedule: Schedule) -> None:
    """Write a schedule that this transaction has locked."""
    pairs = ", ".join(f"{name} = :{name}" for name in _COLUMNS if name != "schedule_id")
    await connection.execute(sa.text(f"UPDATE schedules SET {pairs} WHERE schedule_id = :schedule_id"), _row(schedule))


async def find(connection: AsyncConnection, schedule_id: str, *, lock: bool = False) -> Schedule | None:
    """Return a schedule; with `lock`, nobody else changes it until this transaction ends."""
    query = f"SELECT {_NAMES} FROM schedules WHERE schedule_id = :id" + (" FOR UPDATE" if lock else "")
    row = (await connection.execute(sa.text(query), {"id": schedule_id})).mappings().one_or_none()
    return _schedule(row) if row else None


async def first_due(connection: AsyncConnection, now: datetime) -> Schedule | None:
    """Return the schedule that has been due for longest; one that failed is due again at its next try."""
    query = (
        f"SELECT {_NAMES} FROM schedules WHERE state = 'active' AND next_at <= :now"
        " AND (retry_at IS NULL OR retry_at <= :now) ORDER BY coalesce(retry_at, next_at), schedule_id LIMIT 1"
    )
    row = (await connection.execute(sa.text(query), {"now": now})).mappings().one_or_none()
    return _schedule(row) if row else None


async def note_failure(connection: AsyncConnection, schedule: Schedule) -> None:
    """Write when a schedule is tried again; nothing when it changed since it was read."""
    statement = sa.text(
        "UPDATE schedules SET failures = :failures, failure = :failure, retry_at = :retry_at"
        " WHERE schedule_id = :schedule_id AND version = :version"
    )
    await connection.execute(statement, _row(schedule))


async def is_unchanged(connection: AsyncConnection, schedule: Schedule) -> bool:
    """Lock the schedule and tell whether it is as it was read; False also when somebody else holds it."""
    query = sa.text("SELECT version FROM schedules WHERE schedule_id = :id FOR UPDATE SKIP LOCKED")
    found = (await connection.execute(query, {"id": schedule.schedule_id})).scalar_one_or_none()
    return bool(found == schedule.version)


async def add_occurrences(
    connection: AsyncConnection, schedule_id: str, every: Sequence[Occurrence], now: datetime
) -> None:
    """Write what became of occurrences; one that is written already stops the transaction (IntegrityError)."""
    if every:
        query = sa.text(
            "INSERT INTO schedule_occurrences (schedule_id, occurs_at, message_id, reason, recorded_at)"
            " VALUES (:schedule_id, :occurs_at, :message_id, :reason, :now)"
        )
        values = {"schedule_id": schedule_id, "now": now}
        await connection.execute(query, [{**vars(each), **values} for each in every])


async def occurrences(connection: AsyncConnection, schedule_id: str, limit: int) -> list[Occurrence]:
    """Return what became of a schedule's occurrences, newest first."""
    query = sa.text(
        "SELECT occurs_at, message_id, reason FROM schedule_occurrences WHERE schedule_id = :id"
        " ORDER BY occurs_at DESC LIMIT :limit"
    )
    rows = await connection.execute(query, {"id": schedule_id, "limit": limit})
    return [Occurrence(row[0], str(row[1]) if row[1] else None, row[2]) for row in rows]


class Sight:
    """What a caller sees of schedules, as a condition of the query."""

    def __init__(self, person_id: str | None, *, all_users: bool, schools: Iterable[str]) -> None:
        """person_id None: a service, which sees everything. schools: ids, or "*"."""
        self._values: dict[str, Any] = {}
        self._condition = "true"
        if person_id is None:
            return
        self._values, self._condition = {"person": person_id}, "sender_id = :person"
        seen = sorted(schools)
        if all_users and "*" in seen:
            self._condition = "true"
        elif all_users:
            self._values["seen"] = seen
            self._condition += " OR sender_school_id = ANY(:seen) OR school_ids && :seen"
            self._condition += " OR school_ids = '{*}'"

    async def count(self, connection: AsyncConnection, states: Sequence[ScheduleState]) -> int:
        """Return how many schedules of these states are seen."""
        query = f"SELECT count(*) FROM schedules WHERE state = ANY(:states) AND ({self._condition})"
        values = {**self._values, "states": [each.value for each in states]}
        return int((await connection.execute(sa.text(query), values)).scalar_one())

    async def page(
        self, connection: AsyncConnection, states: Sequence[ScheduleState], limit: int, offset: int
    ) -> list[Schedule]:
        """Return some of them, the next sending first."""
        query = (
            f"SELECT {_NAMES} FROM schedules WHERE state = ANY(:states) AND ({self._condition})"
            " ORDER BY next_at NULLS LAST, changed_at DESC, schedule_id LIMIT :limit OFFSET :offset"
        )
        values = {**self._values, "states": [each.value for each in states], "limit": limit, "offset": offset}
        return [_schedule(row) for row in (await connection.execute(sa.text(query), values)).mappings()]

    async def sees(self, connection: AsyncConnection, schedule_id: str) -> bool:
        """Tell whether a schedule is among them."""
        query = f"SELECT 1 FROM schedules WHERE schedule_id = :id AND ({self._condition})"
        found = await connection.execute(sa.text(query), {**self._values, "id": schedule_id})
        return found.scalar_one_or_none() is not None


def _row(schedule: Schedule) -> dict[str, Any]:
    timing = schedule.timing
    return {
        **{name: getattr(schedule, name) for name in _SAME},
        "state": schedule.state.value,
        "recording_id": schedule.recording_id,
        "school_ids": list(schedule.school_ids),
        "start_date": timing.start,
        "send_time": timing.send_time,
        "rule": timing.rule,
        "end_date": timing.end,
        "time_zone": timing.zone,
    }


def _schedule(row: Any) -> Schedule:
    timing = Timing(row["start_date"], row["send_time"], row["rule"], row["end_date"], row["time_zone"])
    values = {name: row[name] for name in _SAME}
    values |= {"recording_id": str(row["recording_id"]) if row["recording_id"] else None}
    values |= {"schedule_id": str(row["schedule_id"]), "header": bytes(row["header"])}
    values |= {"audience": bytes(row["audience"]), "school_ids": tuple(row["school_ids"])}
    return Schedule(**values, timing=timing, state=ScheduleState(row["state"]))
