"""Submissions to queue, the entries that came of them, and whether each holder was reached."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.listening import tell_listeners
from services.notify.domain import LEASE_SECONDS, Holder, Occasion, Submitting, Way, retry_seconds
from services.notify.tables import entries, submissions, told

Row = dict[str, Any]
CHANNEL = "work_due"
"""It is told on it that there is something to submit, or progress to read."""
_LEASE = timedelta(seconds=LEASE_SECONDS)


async def add_submission(connection: AsyncConnection, values: Mapping[str, Any], now: datetime) -> bool:
    """Write a submission to be made; False when there is one of this occasion already."""
    fixed = {"created_at": now, "due_at": now, "state": Submitting.PENDING, "attempts": 0, "problem": ""}
    statement = insert(submissions).values(**values, **fixed).on_conflict_do_nothing()
    is_new = (await connection.execute(statement.returning(submissions.c.message_id))).first() is not None
    if is_new:
        await tell_listeners(connection, CHANNEL)
    return is_new


async def recipients_of(connection: AsyncConnection, message_id: str, occasion: Occasion) -> bytes | None:
    """Return the recipients of an earlier submission."""
    found = sa.select(submissions.c.recipients).where(
        submissions.c.message_id == message_id, submissions.c.occasion == occasion
    )
    value: bytes | None = (await connection.execute(found)).scalar()
    return value


async def add_told(
    connection: AsyncConnection, message_id: str, occasion: Occasion, ways: Mapping[Way, Sequence[Holder]], at: datetime
) -> None:
    """Write who is told by which way: on the portal at once, by the others when queue says so."""
    values = [
        {
            "message_id": message_id,
            "occasion": occasion,
            "person_id": holder.person_id,
            "way": way,
            "name": holder.name,
            "at": at,
            "state": "sent" if way is Way.PORTAL else "pending",
            "error": "",
        }
        for way, holders in ways.items()
        for holder in holders
    ]
    if values:
        await connection.execute(insert(told).values(values).on_conflict_do_nothing())


async def claim_submission(connection: AsyncConnection, now: datetime) -> Row | None:
    """Return a submission that is due and keep other replicas from it for the lease."""
    due = (
        sa.select(submissions.c.message_id, submissions.c.occasion)
        .where(submissions.c.state == Submitting.PENDING, submissions.c.due_at <= now)
        .order_by(submissions.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    change = (
        sa.update(submissions)
        .where(submissions.c.message_id == due.c.message_id, submissions.c.occasion == due.c.occasion)
        .values(due_at=now + _LEASE, attempts=submissions.c.attempts + 1)
        .returning(submissions)
    )
    row = (await connection.execute(change)).mappings().first()
    return dict(row) if row else None


async def _change(connection: AsyncConnection, claimed: Row, **values: object) -> None:
    statement = sa.update(submissions).where(
        submissions.c.message_id == claimed["message_id"],
        submissions.c.occasion == claimed["occasion"],
        submissions.c.state == Submitting.PENDING,
    )
    await connection.execute(statement.values(**values))


async def record_taken(connection: AsyncConnection, claimed: Row, ways: Mapping[str, Way], now: datetime) -> None:
    """Write that queue took a submission, and which entries it made; their state is read next."""
    await _change(connection, claimed, state=Submitting.DONE, problem="")
    values = [
        {
            "entry_id": entry_id,
            "message_id": claimed["message_id"],
            "occasion": claimed["occasion"],
            "way": way,
            "heard_version": 0,
            "read_version": -1,
            "due_at": now,
        }
        for entry_id, way in ways.items()
    ]
    await connection.execute(insert(entries).values(values).on_conflict_do_nothing())
    await tell_listeners(connection, CHANNEL)


async def record_failed(connection: AsyncConnection, claimed: Row, problem: str, now: datetime) -> None:
    """Write why a submission failed for now, and try it again later."""
    due_at = now + timedelta(seconds=retry_seconds(claimed["attempts"]))
    await _change(connection, claimed, due_at=due_at, problem=problem)


async def record_refused(connection: AsyncConnection, claimed: Row, problem: str) -> None:
    """Write that queue refuses a submission: nobody is reached by it (statement 182)."""
    await _change(connection, claimed, state=Submitting.REFUSED, problem=problem)
    failed = sa.update(told).where(
        told.c.message_id == claimed["message_id"], told.c.occasion == claimed["occasion"], told.c.way != Way.PORTAL
    )
    await connection.execute(failed.values(state="error", error="The message could not be queued."))


async def hear_progress(connection: AsyncConnection, versions: Mapping[str, int], now: datetime) -> int:
    """Remember newer versions of entries that are ours; return how many there were."""
    heard = 0
    for entry_id, version in sorted(versions.items()):
        change = sa.update(entries).where(entries.c.entry_id == entry_id, entries.c.heard_version < version)
        heard += (await connection.execute(change.values(heard_version=version, due_at=now))).rowcount
    if heard:
        await tell_listeners(connection, CHANNEL)
    return heard


async def ours(connection: AsyncConnection, entry_ids: Sequence[str]) -> set[str]:
    """Return those of the entries that came of our submissions."""
    found = sa.select(entries.c.entry_id).where(entries.c.entry_id.in_(entry_ids))
    return {str(each) for each in (await connection.execute(found)).scalars()}


async def claim_entry(connection: AsyncConnection, now: datetime) -> Row | None:
    """Return an entry whose deliveries moved since they were read, and keep other replicas from it for the lease."""
    due = (
        sa.select(entries.c.entry_id)
        .where(entries.c.heard_version > entries.c.read_version, entries.c.due_at <= now)
        .order_by(entries.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    change = (
        sa.update(entries).where(entries.c.entry_id == due.c.entry_id).values(due_at=now + _LEASE).returning(entries)
    )
    row = (await connection.execute(change)).mappings().first()
    return dict(row) if row else None


async def record_read(
    connection: AsyncConnection, claimed: Row, states: Mapping[str, tuple[str, str]], now: datetime
) -> None:
    """Write the state and error of each person's delivery, by person; who has no delivery has nowhere to get one."""
    mine = sa.and_(
        told.c.message_id == claimed["message_id"],
        told.c.occasion == claimed["occasion"],
        told.c.way == claimed["way"],
    )
    for person_id, (state, error) in sorted(states.items()):
        change = sa.update(told).where(mine, told.c.person_id == person_id)
        await connection.execute(change.values(state=state, error=error))
    nowhere = sa.update(told).where(mine, told.c.person_id.not_in(list(states)))
    await connection.execute(nowhere.values(state="error", error="No address or device is on record."))
    done = sa.update(entries).where(entries.c.entry_id == claimed["entry_id"])
    await connection.execute(done.values(read_version=claimed["heard_version"], due_at=now))


async def postpone_entry(connection: AsyncConnection, claimed: Row, until: datetime) -> None:
    """Read an entry again later."""
    change = sa.update(entries).where(entries.c.entry_id == claimed["entry_id"])
    await connection.execute(change.values(due_at=until))


async def told_of(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return who was told about a threat, in the order of occasion, name and way."""
    order = (told.c.at, told.c.occasion, told.c.name, told.c.person_id, told.c.way)
    statement = sa.select(told).where(told.c.message_id == message_id).order_by(*order)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
