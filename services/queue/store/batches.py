"""The queue itself: batches are held, due, claimed with a lease, given back and removed when they are settled."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.ids import new_id
from services.queue.domain import Channel, Lane, State
from services.queue.records import Batch, Content, Recipient, Work

_COLUMNS = (
    "batch_id, entry_id::text AS entry_id, message_id::text AS message_id, created_at, school_id, channel,"
    " lane, numbers,"
    " attempt, expires_at, claim_id::text AS claim_id, claimed_at, calling_at, begun"
)
# Ordinary e-mail waits while the brake is on (statement 311); alerts and emergencies, the first two lanes, pass.
_NOT_BRAKED = (
    " AND (lane <= 2 OR channel NOT IN ('email', 'poll', 'signup')"
    " OR NOT EXISTS (SELECT 1 FROM brakes WHERE released_at IS NULL))"
)
_CLAIM = sa.text(
    "UPDATE batches SET state = 'claimed', claim_id = :claim_id, claimed_at = :now, lease_until = :until,"
    " changed_at = :now WHERE batch_id = (SELECT batch_id FROM batches WHERE state = 'pending' AND lane = ANY(:lanes)"
    f" AND channel = ANY(:channels) AND due_at <= :now AND expires_at > :now{_NOT_BRAKED}"
    f" ORDER BY lane, due_at, batch_id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}"
)
_IS_DUE = sa.text(
    "SELECT EXISTS (SELECT 1 FROM batches WHERE state = 'pending' AND lane = ANY(:lanes) AND channel = ANY(:channels)"
    f" AND due_at <= :now AND expires_at > :now{_NOT_BRAKED})"
)
_TAKE_OVER = sa.text(
    "UPDATE batches SET claim_id = :claim_id, lease_until = :until WHERE batch_id = ("
    " SELECT batch_id FROM batches WHERE state = 'claimed' AND lease_until <= :now"
    f" ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}"
)
_RENEW = sa.text(
    "UPDATE batches SET lease_until = greatest(lease_until, :until)"
    " WHERE batch_id = :batch_id AND claim_id = :claim_id RETURNING batch_id"
)
_BEGUN = sa.text(
    "UPDATE batches SET begun = greatest(begun, :begun), calling_at = coalesce(calling_at, :now),"
    " lease_until = greatest(lease_until, :until)"
    " WHERE batch_id = :batch_id AND claim_id = :claim_id RETURNING batch_id"
)
_REMOVE = sa.text("DELETE FROM batches WHERE batch_id = :batch_id AND claim_id = :claim_id RETURNING batch_id")
_GIVE_BACK = sa.text(
    "UPDATE batches SET state = 'pending', claim_id = NULL, claimed_at = NULL, lease_until = NULL, calling_at = NULL,"
    " begun = 0, due_at = :due_at, changed_at = :now WHERE batch_id = :batch_id AND claim_id = :claim_id"
)
_ADD = sa.text(
    "INSERT INTO batches (entry_id, message_id, created_at, school_id, channel, lane, state, numbers, attempt, due_at,"
    " expires_at, claim_id, claimed_at, lease_until, calling_at, begun, changed_at) VALUES (:entry_id, :message_id,"
    " :created_at,"
    " :school_id, :channel, :lane, :state, :numbers, :attempt, :due_at, :expires_at, :claim_id, :claimed_at,"
    " :lease_until,"
    " :calling_at, :begun, :now)"
)
_RECIPIENTS = sa.text(
    "SELECT r.number, r.person_id, r.name, r.role, r.school_id, r.staff_id, r.regarding_student_id,"
    " r.regarding_student_name, r.student_number, r.language, r.destination, r.problem, r.has_account, r.type"
    " FROM recipients r WHERE r.entry_id = :entry_id AND r.created_at = :created_at"
    " AND r.number = ANY(CAST(:numbers AS integer[]))"
    " AND (SELECT o.number FROM outcomes o WHERE o.entry_id = r.entry_id AND o.number = r.number"
    " AND o.created_at = r.created_at) IS NULL ORDER BY r.number"
)
# A scalar subquery stays one look into the index for each recipient. NOT EXISTS became a join that read every outcome
# of the entry for every recipient of the batch, as long as the tables had not been analysed: seconds for each batch.
_CONTENT = sa.text(
    "SELECT m.subject, e.text, m.from_title, m.language, m.is_emergency, m.kind,"
    " m.screening = 'withheld' AS is_withheld,"
    " e.recording_id::text AS recording_id, e.survey_id::text AS survey_id, s.closes_at FROM entries e"
    " JOIN messages m ON m.message_id = e.message_id LEFT JOIN surveys s ON s.survey_id = e.survey_id"
    " WHERE e.entry_id = :entry_id"
)


async def claim(
    connection: AsyncConnection, lanes: Sequence[Lane], channels: Sequence[Channel], now: datetime, lease: timedelta
) -> Batch | None:
    """Claim the first due batch, in lane order, that nobody else is claiming."""
    values = {"claim_id": new_id(), "now": now, "until": now + lease, **_chosen(lanes, channels)}
    return _batch((await connection.execute(_CLAIM, values)).mappings().one_or_none())


async def is_due(
    connection: AsyncConnection, lanes: Sequence[Lane], channels: Sequence[Channel], now: datetime
) -> bool:
    """Tell whether a batch could be claimed."""
    return bool((await connection.execute(_IS_DUE, {"now": now, **_chosen(lanes, channels)})).scalar_one())


async def take_over(connection: AsyncConnection, now: datetime, lease: timedelta) -> Batch | None:
    """Claim a batch whose lease has ended: its dispatcher died, or could not tell what the provider did."""
    values = {"claim_id": new_id(), "now": now, "until": now + lease}
    return _batch((await connection.execute(_TAKE_OVER, values)).mappings().one_or_none())


async def renew(connection: AsyncConnection, batch: Batch, until: datetime) -> bool:
    """Prolong the lease; False when the batch is somebody else's by now."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id, "until": until}
    return (await connection.execute(_RENEW, values)).scalar_one_or_none() is not None


async def mark_begun(connection: AsyncConnection, batch: Batch, begun: int, now: datetime, until: datetime) -> bool:
    """Record that calls for the first `begun` of its numbers begin; False when the batch is somebody else's by now."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id, "begun": begun, "now": now, "until": until}
    return (await connection.execute(_BEGUN, values)).scalar_one_or_none() is not None


async def remove(connection: AsyncConnection, batch: Batch) -> bool:
    """Delete a settled batch; False when it is somebody else's by now, and then nothing may be settled."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id}
    return (await connection.execute(_REMOVE, values)).scalar_one_or_none() is not None


async def give_back(connection: AsyncConnection, batch: Batch, due_at: datetime, now: datetime) -> None:
    """Return a batch of which certainly nothing was handed over."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id, "due_at": due_at, "now": now}
    await connection.execute(_GIVE_BACK, values)


async def add_retry(
    connection: AsyncConnection, batch: Batch, numbers: Sequence[int], *, attempt: int, due_at: datetime, now: datetime
) -> None:
    """Queue some recipients of a claimed batch again."""
    await connection.execute(_ADD, _like(batch, numbers, now) | {"attempt": attempt, "due_at": due_at})


async def add_unsure(
    connection: AsyncConnection, batch: Batch, numbers: Sequence[int], *, ask_at: datetime, now: datetime
) -> None:
    """Keep recipients whose message the provider may have taken: claimed by nobody who works, until asked about."""
    values = _like(batch, numbers, now) | {
        "state": State.CLAIMED.value,
        "claim_id": new_id(),
        "claimed_at": batch.claimed_at,
        "lease_until": ask_at,
        "calling_at": batch.calling_at or now,
        "begun": len(numbers),
    }
    await connection.execute(_ADD, values)


async def load(connection: AsyncConnection, batch: Batch) -> Work:
    """Return what it takes to send a claimed batch, without the recipients that have an outcome."""
    row = (await connection.execute(_CONTENT, {"entry_id": batch.entry_id})).mappings().one()
    values = {"entry_id": batch.entry_id, "created_at": batch.created_at, "numbers": list(batch.numbers)}
    rows = await connection.execute(_RECIPIENTS, values)
    return Work(batch, Content(**row), [Recipient(*each) for each in rows])


async def release(connection: AsyncConnection, message_id: str, now: datetime) -> list[tuple[str, str, int]]:
    """Let the held batches of a message go; return entry, school and how many recipients."""
    statement = sa.text(
        "UPDATE batches SET state = 'pending', changed_at = :now WHERE message_id = :message_id AND state = 'held'"
        " RETURNING entry_id::text, school_id, cardinality(numbers)"
    )
    return _moved(await connection.execute(statement, {"message_id": message_id, "now": now}))


async def withhold(connection: AsyncConnection, message_id: str, now: datetime) -> list[tuple[str, str, int]]:
    """Stop the held batches of a message for good; return entry, school and how many recipients."""
    statement = sa.text(
        "UPDATE batches SET state = 'withheld', changed_at = :now WHERE message_id = :message_id AND state = 'held'"
        " RETURNING entry_id::text, school_id, cardinality(numbers)"
    )
    return _moved(await connection.execute(statement, {"message_id": message_id, "now": now}))


async def withhold_pending(connection: AsyncConnection, message_id: str, now: datetime) -> list[tuple[str, str, int]]:
    """Stop the waiting batches of a message that was released; return entry, school and how many recipients."""
    statement = sa.text(
        "UPDATE batches SET state = 'withheld', changed_at = :now WHERE message_id = :message_id AND state = 'pending'"
        " RETURNING entry_id::text, school_id, cardinality(numbers)"
    )
    return _moved(await connection.execute(statement, {"message_id": message_id, "now": now}))


async def remove_unsent(
    connection: AsyncConnection, message_id: str
) -> list[tuple[str, datetime, str, State, Sequence[int]]]:
    """Delete what waits of a message; return entry, created_at, school, state and numbers of each batch."""
    statement = sa.text(
        "DELETE FROM batches WHERE message_id = :message_id AND state IN ('held', 'pending')"
        " RETURNING entry_id::text, created_at, school_id, state, numbers"
    )
    rows = await connection.execute(statement, {"message_id": message_id})
    return [(row[0], row[1], row[2], State(row[3]), row[4]) for row in rows]


async def remove_expired(
    connection: AsyncConnection, now: datetime, limit: int
) -> list[tuple[str, datetime, str, State, Sequence[int]]]:
    """Delete pending batches past their time; return entry, created_at, school, state and numbers of each."""
    statement = sa.text(
        "DELETE FROM batches WHERE batch_id IN (SELECT batch_id FROM batches WHERE state = 'pending'"
        " AND expires_at <= :now ORDER BY batch_id LIMIT :limit FOR UPDATE SKIP LOCKED)"
        " RETURNING entry_id::text, created_at, school_id, state, numbers"
    )
    rows = await connection.execute(statement, {"now": now, "limit": limit})
    return [(row[0], row[1], row[2], State(row[3]), row[4]) for row in rows]


async def ages(connection: AsyncConnection, now: datetime) -> dict[Lane, tuple[int, float]]:
    """Return by lane how many recipients are due and how long the oldest has been, in seconds."""
    statement = sa.text(
        "SELECT lane, sum(cardinality(numbers)), extract(epoch FROM :now - min(due_at)) FROM batches"
        " WHERE state = 'pending' AND due_at <= :now GROUP BY lane"
    )
    rows = await connection.execute(statement, {"now": now})
    return {Lane(row[0]): (int(row[1]), float(row[2])) for row in rows}


def _chosen(lanes: Sequence[Lane], channels: Sequence[Channel]) -> dict[str, Any]:
    return {"lanes": [int(each) for each in lanes], "channels": [each.value for each in channels]}


def _like(batch: Batch, numbers: Sequence[int], now: datetime) -> dict[str, Any]:
    names = ("entry_id", "message_id", "created_at", "school_id", "attempt", "expires_at")
    nothing = dict.fromkeys(("claim_id", "claimed_at", "lease_until", "calling_at"))
    return (
        {name: getattr(batch, name) for name in names}
        | nothing
        | {
            "channel": batch.channel.value,
            "lane": int(batch.lane),
            "state": State.PENDING.value,
            "numbers": sorted(numbers),
            "begun": 0,
            "due_at": now,
            "now": now,
        }
    )


def _batch(row: Any) -> Batch | None:
    return Batch(**{**row, "channel": Channel(row["channel"]), "lane": Lane(row["lane"])}) if row else None


def _moved(rows: Iterable[Any]) -> list[tuple[str, str, int]]:
    return [(row[0], row[1], row[2]) for row in rows]
