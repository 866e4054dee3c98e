"""All SQL of moderation."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.moderation.tables import opinions, outage_notices, outages, policies, recent_texts, verdicts, waiting

Row = dict[str, Any]
_READ_AT_ONCE = 500
_PREVIEWED = ("message_id", "school_id", "grade", "scores", "phrases", "is_uncertain", "reached_at")
_OPINION = ["event_id", "message_id", "kind", "said_at"]


class Waiting(NamedTuple):
    """A request that waits for its verdict."""

    screening_id: str
    payload: bytes
    requested_at: datetime


async def newest_policy(connection: AsyncConnection, version: int = 0) -> Row | None:
    """Return the policy in force, or the version asked for; None when there is none."""
    query = sa.select(policies).order_by(policies.c.version.desc()).limit(1)
    if version:
        query = query.where(policies.c.version == version)
    row = (await connection.execute(query)).mappings().first()
    return dict(row) if row else None


async def policies_before(connection: AsyncConnection, version: int, most: int) -> list[Row]:
    """Return versions without their bodies, newest first; those before `version`, 0 meaning all."""
    columns = [column for column in policies.c if column.name != "body"]
    query = sa.select(*columns).order_by(policies.c.version.desc()).limit(most)
    if version:
        query = query.where(policies.c.version < version)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


class NewPolicy(NamedTuple):
    """A version to store."""

    version: int
    body: Mapping[str, Any]
    author_id: str
    author_name: str
    note: str
    created_at: datetime


async def add_policy(connection: AsyncConnection, new: NewPolicy) -> bool:
    """Store a version; False when somebody stored it first."""
    row = new._asdict()
    statement = insert(policies).values(row).on_conflict_do_nothing().returning(policies.c.version)
    return (await connection.execute(statement)).first() is not None


async def judged(connection: AsyncConnection, screening_ids: Sequence[str]) -> set[str]:
    """Return which of these requests have a verdict already."""
    query = sa.select(verdicts.c.screening_id).where(verdicts.c.screening_id.in_(screening_ids))
    return set((await connection.execute(query)).scalars())


async def verdicts_on(connection: AsyncConnection, screening_ids: Sequence[str]) -> list[Row]:
    """Return the verdicts on these requests that have one already."""
    query = sa.select(verdicts).where(verdicts.c.screening_id.in_(screening_ids))
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def add_verdicts(connection: AsyncConnection, rows: Sequence[Row]) -> set[str]:
    """Store verdicts and end their waits; return the ids of those whose request had none yet."""
    statement = insert(verdicts).on_conflict_do_nothing().returning(verdicts.c.verdict_id)
    added = set((await connection.execute(statement, rows)).scalars())
    answered = [row["screening_id"] for row in rows]
    await connection.execute(sa.delete(waiting).where(waiting.c.screening_id.in_(answered)))
    return added


async def verdicts_of(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return a message's verdicts, newest first."""
    query = sa.select(verdicts).where(verdicts.c.message_id == message_id).order_by(verdicts.c.reached_at.desc())
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def add_opinion(connection: AsyncConnection, row: Row) -> bool:
    """Keep an opinion about a message that has a verdict; False when the event is known or the message is not."""
    values = sa.select(*(sa.literal(row[name], opinions.c[name].type) for name in _OPINION))
    known = sa.select(1).where(verdicts.c.message_id == row["message_id"]).exists()
    statement = insert(opinions).from_select(_OPINION, values.where(known))
    kept = statement.on_conflict_do_nothing().returning(opinions.c.event_id)
    return (await connection.execute(kept)).first() is not None


async def opinions_of(connection: AsyncConnection, message_id: str) -> list[Row]:
    """Return what reviewers at the vendor said about a message, newest first."""
    query = sa.select(opinions).where(opinions.c.message_id == message_id).order_by(opinions.c.said_at.desc())
    return [dict(row) for row in (await connection.execute(query)).mappings()]


class Past(NamedTuple):
    """First verdicts since a time, of students of some schools ("*": of every one)."""

    since: datetime
    schools: frozenset[str]

    def holds(self) -> sa.ColumnElement[bool]:
        """Return the condition on verdicts."""
        theirs = sa.true() if "*" in self.schools else verdicts.c.school_id.in_(sorted(self.schools))
        return sa.and_(verdicts.c.reached_at >= self.since, ~verdicts.c.is_rescreening, theirs)


async def count_screened(connection: AsyncConnection, past: Past) -> int:
    """Return how many messages were judged for the first time then."""
    query = sa.select(sa.func.count()).where(past.holds())
    return int((await connection.execute(query)).scalar_one())


async def first_verdicts(connection: AsyncConnection, past: Past, message_ids: Sequence[str]) -> list[Row]:
    """Return the first verdicts then on these messages, as `notable_verdicts` does."""
    query = sa.select(*verdicts.c[_PREVIEWED]).where(past.holds(), verdicts.c.message_id.in_(message_ids))
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def scores_between(
    connection: AsyncConnection, provider: str, since: datetime, until: datetime, most: int
) -> list[Mapping[str, float]]:
    """Return the scores that a provider gave to messages judged for the first time in this time, the latest first."""
    query = (
        sa.select(verdicts.c.scores)
        .where(verdicts.c.reached_at.between(since, until), ~verdicts.c.is_rescreening, verdicts.c.provider == provider)
        .order_by(verdicts.c.reached_at.desc())
        .limit(most)
    )
    return list((await connection.execute(query)).scalars())


async def notable_verdicts(
    connection: AsyncConnection, past: Past, floors: Mapping[str, float]
) -> AsyncIterator[Sequence[Row]]:
    """Yield batches of first verdicts, newest first: those that are clean under every policy are left out.

    `floors` is the lowest threshold of each category. A statement may take 20 seconds here: a month is much to read.
    """
    await connection.execute(sa.text("SET LOCAL statement_timeout = '20s'"))
    is_notable = sa.or_(
        verdicts.c.is_uncertain,
        sa.func.cardinality(verdicts.c.phrases) > 0,
        *(verdicts.c.scores[name].as_float() >= floor for name, floor in floors.items()),
    )
    query = sa.select(*verdicts.c[_PREVIEWED]).where(past.holds(), is_notable).order_by(verdicts.c.reached_at.desc())
    async with connection.stream(query) as found:
        async for batch in found.mappings().partitions(_READ_AT_ONCE):
            yield [dict(row) for row in batch]


async def wait(connection: AsyncConnection, request: Waiting, next_try_at: datetime) -> None:
    """Keep a request until the provider answers; nothing when it waits already."""
    statement = insert(waiting).values({**request._asdict(), "next_try_at": next_try_at})
    await connection.execute(statement.on_conflict_do_nothing())


async def claim_waiting(connection: AsyncConnection, now: datetime, most: int, until: datetime) -> list[Waiting]:
    """Take due requests, oldest first, until then; another replica gets them after that, if this one dies."""
    due = (
        sa.select(waiting.c.screening_id)
        .where(waiting.c.next_try_at <= now)
        .order_by(waiting.c.requested_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(waiting)
        .where(waiting.c.screening_id.in_(due.scalar_subquery()))
        .values(next_try_at=until)
        .returning(waiting.c.screening_id, waiting.c.payload, waiting.c.requested_at)
    )
    return [Waiting(*row) for row in await connection.execute(statement)]


async def try_again_at(connection: AsyncConnection, screening_ids: Sequence[str], at: datetime) -> None:
    """Set when these requests are tried again."""
    await connection.execute(sa.update(waiting).where(waiting.c.screening_id.in_(screening_ids)).values(next_try_at=at))


async def extend_leases(
    connection: AsyncConnection, screening_ids: Sequence[str], until: datetime, longer: datetime
) -> None:
    """Keep those of the requests longer that are leased until then: others were put off, or taken, meanwhile."""
    is_leased = sa.and_(waiting.c.screening_id.in_(screening_ids), waiting.c.next_try_at == until)
    await connection.execute(sa.update(waiting).where(is_leased).values(next_try_at=longer))


async def backlog(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """Return how many requests wait for the provider, and since when the oldest does."""
    row = (await connection.execute(sa.select(sa.func.count(), sa.func.min(waiting.c.requested_at)))).one()
    return row[0], row[1]


class EndedOutage(NamedTuple):
    """A time in which the embedded model decided in the vendor's place."""

    trouble: str
    began_at: datetime
    last_at: datetime
    """When it last did."""
    is_told: bool
    """Whether it was to be told."""


async def note_outage(
    connection: AsyncConnection, trouble: str, now: datetime, told_before: datetime
) -> datetime | None:
    """Note that the embedded model decided in the vendor's place.

    Return since when, once, when it is to be told: not while the last time that one was told is `told_before` or later.
    """
    row = {"trouble": trouble, "began_at": now, "last_at": now, "is_told": False}
    noted = insert(outages).values(row)
    # In one statement: between two of them another replica may end the outage.
    later = noted.on_conflict_do_update(
        index_elements=[outages.c.is_open],
        set_={"last_at": sa.func.greatest(outages.c.last_at, noted.excluded.last_at)},
    )
    is_told, began_at = (await connection.execute(later.returning(outages.c.is_told, outages.c.began_at))).one()
    if is_told or not await _take_notice(connection, now, told_before):
        return None
    await connection.execute(sa.update(outages).values(is_told=True))
    return cast("datetime", began_at)


async def _take_notice(connection: AsyncConnection, now: datetime, told_before: datetime) -> bool:
    latest = insert(outage_notices).values(told_at=now)
    taken = latest.on_conflict_do_update(
        index_elements=[outage_notices.c.is_latest],
        set_={"told_at": now},
        where=outage_notices.c.told_at < told_before,
    )
    return (await connection.execute(taken.returning(outage_notices.c.told_at))).first() is not None


async def end_outage(connection: AsyncConnection, before: datetime) -> EndedOutage | None:
    """Forget the outage in which the embedded model decided last before then; None when there is none."""
    columns = (outages.c.trouble, outages.c.began_at, outages.c.last_at, outages.c.is_told)
    ended = sa.delete(outages).where(outages.c.last_at < before).returning(*columns)
    row = (await connection.execute(ended)).first()
    return EndedOutage(*row) if row else None


class Said(NamedTuple):
    """What a student wrote, kept for a short while."""

    message_id: str
    conversation_key: str
    said: str
    said_at: datetime
    kept_until: datetime


async def keep_said(connection: AsyncConnection, said: Said) -> None:
    """Keep a text for the messages around it; nothing when it is kept already."""
    await connection.execute(insert(recent_texts).values(said._asdict()).on_conflict_do_nothing())


async def said_around(connection: AsyncConnection, said: Said, window: timedelta, most: int) -> list[tuple[str, str]]:
    """Return (message, text) of a conversation around a text, itself among them, in the order they were written.

    Texts that were withheld for themselves are left out. Replicas write before they read, so of two texts that are
    judged at the same time at least one is read together with the other.
    """
    columns = (recent_texts.c.message_id, recent_texts.c.said, recent_texts.c.said_at)
    near = (
        sa.select(*columns)
        .where(
            recent_texts.c.conversation_key == said.conversation_key,
            recent_texts.c.said_at.between(said.said_at - window, said.said_at + window),
            sa.or_(~recent_texts.c.is_held, recent_texts.c.message_id == said.message_id),
        )
        .order_by(sa.func.abs(sa.extract("epoch", recent_texts.c.said_at - said.said_at)), recent_texts.c.message_id)
        .limit(most)
        .subquery()
    )
    query = sa.select(near.c.message_id, near.c.said).order_by(near.c.said_at, near.c.message_id)
    return [(row[0], row[1]) for row in await connection.execute(query)]


async def mark_held(connection: AsyncConnection, message_ids: Sequence[str]) -> None:
    """Leave kept texts out of what others are read with."""
    await connection.execute(
        sa.update(recent_texts).where(recent_texts.c.message_id.in_(message_ids)).values(is_held=True)
    )


async def forget_said(connection: AsyncConnection, now: datetime) -> int:
    """Delete the texts whose time is over; return how many."""
    return (await connection.execute(sa.delete(recent_texts).where(recent_texts.c.kept_until <= now))).rowcount
