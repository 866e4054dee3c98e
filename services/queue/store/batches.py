"""The queue itself: batches are held, due, claimed with a lease, given back and removed when they are settled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.ids import new_id
from services.queue.domain import Channel, Lane, State, batch_size
from services.queue.message_types import MessageType
from services.queue.quiet import QuietHours
from services.queue.store import budgets
from services.queue.work import Batch, Content, Wanted

_CLAIMED = (
    " SELECT c.batch_id, c.entry_id::text AS entry_id, c.message_id::text AS message_id, c.created_at, c.school_id,"
    " c.channel, c.lane, c.numbers, c.attempt, c.expires_at, c.claim_id::text AS claim_id, c.claimed_at, c.calling_at,"
    " c.begun, c.translated_into, coalesce(c.waits_since, c.due_at) AS waits_since,"
    " m.subject, e.text, m.from_title, m.language, m.is_emergency, m.kind,"
    " e.recording_id::text AS recording_id, m.screening = 'withheld' AS is_withheld,"
    " m.cancelled_at IS NOT NULL AS is_cancelled, m.once_per_family,"
    " v.survey_id::text AS survey_id, e.message_type, e.from_address, e.from_name, v.closes_at,"
    " q.time_zone, q.begins, q.ends"
    " FROM claimed c JOIN entries e ON e.entry_id = c.entry_id JOIN messages m ON m.message_id = e.message_id"
    " LEFT JOIN surveys v ON v.message_id = m.message_id"
    " LEFT JOIN quiet_hours q ON q.school_id = coalesce(nullif(c.school_id, ''), m.sender_school_id)"
    " ORDER BY c.lane, c.due_at, c.batch_id"
)
# Ordinary e-mail waits while the brake is on (statement 311); alerts and emergencies, the first two lanes, pass.
_NOT_BRAKED = (
    " AND (lane <= 2 OR channel NOT IN ('email', 'poll', 'signup')"
    " OR NOT EXISTS (SELECT 1 FROM brakes WHERE released_at IS NULL))"
)
# Channels whose provider has enough to do wait, urgent batches by themselves and ordinary ones by themselves.
_NOT_FULL = " AND channel <> ALL(CASE WHEN lane <= 2 THEN CAST(:full_urgent AS text[]) ELSE CAST(:full AS text[]) END)"
# So do ordinary ones of a provider that urgent calls fill, for as long as these last: they would only hold a worker.
_NOT_FILLED = f" AND (lane <= 2 OR channel <> ALL(ARRAY({budgets.FILLED_BY_URGENT})))"
_CLAIM = sa.text(
    "WITH due AS MATERIALIZED (SELECT batch_id FROM batches WHERE state = 'pending' AND lane = ANY(:lanes)"
    f" AND channel = ANY(:channels) AND due_at <= :now AND expires_at > :now{_NOT_BRAKED}{_NOT_FULL}{_NOT_FILLED}"
    " ORDER BY lane, due_at, batch_id LIMIT :most FOR UPDATE SKIP LOCKED),"
    " claimed AS (UPDATE batches b SET state = 'claimed', claim_id = :claim_id, claimed_at = :now,"
    " lease_until = :until, calling_at = :now, changed_at = :now, begun = least(cardinality(b.numbers),"
    " (CAST(:slices AS integer[]))[array_position(CAST(:channels AS text[]), b.channel)])"
    f" FROM due WHERE b.batch_id = due.batch_id RETURNING b.*){_CLAIMED}"
)
_NEXT_DUE = sa.text(
    "SELECT min(due_at) FROM batches WHERE state = 'pending' AND lane = ANY(:lanes) AND channel = ANY(:channels)"
    f" AND due_at <= :until AND expires_at > :now{_NOT_BRAKED}{_NOT_FULL}{_NOT_FILLED}"
)
_TAKE_OVER = sa.text(
    "WITH claimed AS (UPDATE batches SET claim_id = :claim_id, lease_until = :until WHERE batch_id = ("
    " SELECT batch_id FROM batches WHERE state = 'claimed' AND lease_until <= :now"
    f" ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *){_CLAIMED}"
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
_REMOVE = sa.text(
    "WITH gone AS (DELETE FROM batches b"
    " USING unnest(CAST(:batch_ids AS bigint[]), CAST(:claim_ids AS uuid[])) AS k (batch_id, claim_id)"
    " WHERE b.batch_id = k.batch_id AND b.claim_id = k.claim_id RETURNING b.batch_id)"
    " SELECT ARRAY(SELECT batch_id FROM gone), EXISTS (SELECT 1 FROM receipts_unmatched"
    ' WHERE "left"(delivery_key, 36) = ANY(:entry_ids))'
)
_GIVE_BACK = sa.text(
    "UPDATE batches SET state = 'pending', claim_id = NULL, claimed_at = NULL, lease_until = NULL, calling_at = NULL,"
    " begun = 0, due_at = coalesce(:due_at, due_at), changed_at = :now,"
    " waits_since = CASE WHEN CAST(:due_at AS timestamptz) IS NULL THEN waits_since END"
    " WHERE batch_id = :batch_id AND claim_id = :claim_id"
)
_ADD = sa.text(
    "INSERT INTO batches (entry_id, message_id, created_at, school_id, channel, lane, state, numbers, attempt, due_at,"
    " expires_at, claim_id, claimed_at, lease_until, calling_at, begun, translated_into, waits_since, changed_at)"
    " VALUES (:entry_id, :message_id, :created_at, :school_id, :channel, :lane, :state, :numbers, :attempt, :due_at,"
    " :expires_at, :claim_id, :claimed_at, :lease_until, :calling_at, :begun, :translated_into, :waits_since, :now)"
)


_CONTENT = [each.name for each in fields(Content)]
_OWN = [each.name for each in fields(Batch) if each.name not in {"content", "quiet"}]


@dataclass(frozen=True)
class Again:
    """Recipients of a claimed batch, or of several of the same entry and school, that are tried again."""

    batch: Batch
    """One of them."""
    attempt: int
    due_at: datetime
    numbers: list[int]


async def claim(connection: AsyncConnection, wanted: Wanted, now: datetime, lease: timedelta) -> list[Batch]:
    """Claim the first due batches, in lane order, that nobody else is claiming.

    The claim says of each that the calls of its first slice may have begun.
    """
    values = {
        "claim_id": new_id(),
        "now": now,
        "until": now + lease,
        "most": wanted.most,
        "slices": list(wanted.slices.values()),
        **_chosen(wanted),
    }
    return [_batch(row) for row in (await connection.execute(_CLAIM, values)).mappings()]


async def next_due(connection: AsyncConnection, wanted: Wanted, now: datetime, until: datetime) -> datetime | None:
    """Return when the first batch is or was due that could be claimed; None when that is later than `until`."""
    values = {"now": now, "until": until, **_chosen(wanted)}
    found: datetime | None = (await connection.execute(_NEXT_DUE, values)).scalar_one()
    return found


async def take_over(connection: AsyncConnection, now: datetime, lease: timedelta) -> Batch | None:
    """Claim a batch whose lease has ended: its dispatcher died, or could not tell what the provider did."""
    values = {"claim_id": new_id(), "now": now, "until": now + lease}
    row = (await connection.execute(_TAKE_OVER, values)).mappings().one_or_none()
    return _batch(row) if row else None


async def renew(connection: AsyncConnection, batch: Batch, until: datetime) -> bool:
    """Prolong the lease; False when the batch is somebody else's by now."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id, "until": until}
    return (await connection.execute(_RENEW, values)).scalar_one_or_none() is not None


async def mark_begun(connection: AsyncConnection, batch: Batch, begun: int, now: datetime, until: datetime) -> bool:
    """Record that calls for the first `begun` of its numbers begin; False when the batch is somebody else's by now."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id, "begun": begun, "now": now, "until": until}
    return (await connection.execute(_BEGUN, values)).scalar_one_or_none() is not None


async def remove(connection: AsyncConnection, every: Sequence[Batch]) -> tuple[set[int], bool]:
    """Delete settled batches; those that are somebody else's by now stay, and are not settled.

    Return the ids, and whether receipts of their entries came too early.
    """
    values = {
        "batch_ids": [each.batch_id for each in every],
        "claim_ids": [each.claim_id for each in every],
        "entry_ids": sorted({each.entry_id for each in every}),
    }
    row = (await connection.execute(_REMOVE, values)).one()
    return set(row[0]), row[1]


async def give_back(connection: AsyncConnection, batch: Batch, due_at: datetime | None, now: datetime) -> None:
    """Return a batch of which certainly nothing was handed over; without `due_at` it keeps its place and its age."""
    values = {"batch_id": batch.batch_id, "claim_id": batch.claim_id, "due_at": due_at, "now": now}
    await connection.execute(_GIVE_BACK, values)


async def add_again(connection: AsyncConnection, every: Iterable[Again], now: datetime) -> None:
    """Queue recipients of claimed batches again, in batches of the usual size."""
    rows = []
    for each in every:
        size = batch_size(each.batch.channel)
        for start in range(0, len(each.numbers), size):
            row = _like(each.batch, each.numbers[start : start + size], now)
            rows.append(row | {"attempt": each.attempt, "due_at": each.due_at})
    if rows:
        await connection.execute(_ADD, rows)


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


async def release(connection: AsyncConnection, message_id: str, now: datetime) -> list[tuple[str, str, int]]:
    """Let a message's held batches go, with its entries' deadlines; return entry, school and how many recipients."""
    statement = sa.text(
        "UPDATE batches b SET state = 'pending', expires_at = e.expires_at, changed_at = :now FROM entries e"
        " WHERE b.message_id = :message_id AND b.state = 'held' AND e.entry_id = b.entry_id"
        " RETURNING b.entry_id::text, b.school_id, cardinality(b.numbers)"
    )
    return _moved(await connection.execute(statement, {"message_id": message_id, "now": now}))


async def withhold(
    connection: AsyncConnection, message_id: str, now: datetime, state: State = State.HELD
) -> list[tuple[str, str, int]]:
    """Stop a message's batches of the state for good; return entry, school and how many recipients."""
    statement = sa.text(
        "UPDATE batches SET state = 'withheld', changed_at = :now"
        f" WHERE message_id = :message_id AND state = '{state.value}'"
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
    """Return by lane how many recipients are or were due and how long the oldest has been, in seconds.

    What waits to be tried again counts: a provider that cannot be reached must not make it young.
    """
    statement = sa.text(
        "SELECT lane, sum(cardinality(numbers)), extract(epoch FROM :now - min(coalesce(waits_since, due_at)))"
        " FROM batches WHERE state = 'pending' AND coalesce(waits_since, due_at) <= :now GROUP BY lane"
    )
    rows = await connection.execute(statement, {"now": now})
    return {Lane(row[0]): (int(row[1]), float(row[2])) for row in rows}


def _chosen(wanted: Wanted) -> dict[str, Any]:
    return {
        "lanes": [int(each) for each in wanted.lanes],
        "channels": [each.value for each in wanted.slices],
        "full_urgent": [each.value for each in wanted.full.urgent],
        "full": [each.value for each in wanted.full.ordinary],
        **budgets.filled(wanted.paced),
    }


def _like(batch: Batch, numbers: Sequence[int], now: datetime) -> dict[str, Any]:
    names = ("entry_id", "message_id", "created_at", "school_id", "attempt", "expires_at", "translated_into")
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
            "waits_since": batch.waits_since,
            "now": now,
        }
    )


def _batch(row: Any) -> Batch:
    content = Content(**{name: row[name] for name in _CONTENT} | {"message_type": MessageType(row["message_type"])})
    quiet = QuietHours(row["time_zone"], row["begins"], row["ends"]) if row["time_zone"] else None
    own = {name: row[name] for name in _OWN} | {"channel": Channel(row["channel"]), "lane": Lane(row["lane"])}
    return Batch(**own, content=content, quiet=quiet)


def _moved(rows: Iterable[Any]) -> list[tuple[str, str, int]]:
    return [(row[0], row[1], row[2]) for row in rows]
