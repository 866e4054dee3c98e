"""What messages were translated into, as it was sent, and what waits for that.

A language of a message is decided once, translated or original for good; the texts are written with the decision. Only
a body that nobody read then may come later, with a resend that says it: `since` names the first that did.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import MAX_SUBJECT, MAX_TEXT
from services.queue.translating import TOO_LATE, Stage, Wording, cut, digest
from services.queue.work import Batch, Work

_ADD = sa.text(
    "INSERT INTO translations (message_id, language, stage, deadline_at, next_try_at)"
    " VALUES (:message_id, :language, :stage, :deadline_at, :next_try_at)"
)
_IS_DUE = "(w.stage = 'wanted' OR w.again_for IS NOT NULL)"
_BEGIN = sa.text(
    "UPDATE translations SET stage = 'wanted', deadline_at = :deadline_at, next_try_at = :now"
    " WHERE message_id = :message_id AND stage = 'waiting' RETURNING language"
)
_PAUSE = sa.text("UPDATE translations SET stage = 'waiting' WHERE message_id = :message_id AND stage = 'wanted'")
_CLAIM = sa.text(
    "UPDATE translations t SET next_try_at = :until, tries = t.tries + 1 FROM (SELECT w.message_id, w.language"
    f" FROM translations w JOIN messages m USING (message_id) WHERE {_IS_DUE} AND w.next_try_at <= :now"
    " AND (m.lane <= 2) = :is_urgent ORDER BY w.next_try_at LIMIT :most FOR UPDATE OF w SKIP LOCKED) due"
    " WHERE t.message_id = due.message_id AND t.language = due.language"
    " RETURNING t.message_id::text, t.language, t.tries, t.deadline_at, coalesce(t.again_for::text, '')"
)
_TRY_AGAIN = sa.text(
    f"UPDATE translations w SET next_try_at = :at WHERE message_id = :message_id AND language = :language AND {_IS_DUE}"
)
_DECIDE = sa.text(
    "UPDATE translations SET stage = :stage, reason = :reason, provider = :provider, decided_at = :now"
    " WHERE message_id = :message_id AND language = :language AND stage = 'wanted' RETURNING language"
)
_END_WAITING = sa.text(
    "UPDATE translations SET stage = 'original', reason = :reason, decided_at = :now FROM ("
    " SELECT t.message_id, t.language FROM translations t JOIN unnest(CAST(:message_ids AS uuid[]),"
    " CAST(:languages AS text[])) AS k (message_id, language) USING (message_id, language) WHERE t.stage = 'wanted'"
    " ORDER BY t.message_id, t.language FOR UPDATE OF t) late"
    " WHERE translations.message_id = late.message_id AND translations.language = late.language"
)
_LACKING = sa.text(
    "SELECT language FROM translations t WHERE message_id = :message_id AND language = ANY(:languages)"
    " AND stage = 'translated' AND NOT EXISTS (SELECT 1 FROM translated_texts x WHERE x.message_id = t.message_id"
    " AND x.language = t.language AND x.digest = :digest)"
)
_ASK_AGAIN = sa.text(
    "UPDATE translations SET again_for = :entry_id, deadline_at = :deadline_at, next_try_at = :now, tries = 0"
    " WHERE message_id = :message_id AND language = ANY(:languages) AND again_for IS NULL"
)
_END_AGAIN = sa.text(
    "UPDATE translations SET again_for = NULL WHERE message_id = :message_id AND language = :language"
    " AND again_for = :again_for RETURNING language"
)
_END_AGAIN_OF_CLAIMED = sa.text(
    "UPDATE translations SET again_for = NULL FROM (SELECT t.message_id, t.language FROM translations t"
    " JOIN unnest(CAST(:entry_ids AS uuid[]), CAST(:languages AS text[])) AS k (entry_id, language)"
    " ON t.again_for = k.entry_id AND t.language = k.language WHERE t.message_id = ANY(CAST(:message_ids AS uuid[]))"
    " ORDER BY t.message_id, t.language FOR UPDATE OF t) late"
    " WHERE translations.message_id = late.message_id AND translations.language = late.language"
)
# What is there stays: it was sent.
_ADD_TEXT = sa.text(
    "INSERT INTO translated_texts (message_id, language, digest, text, since)"
    " VALUES (:message_id, :language, :digest, :text, :since) ON CONFLICT DO NOTHING"
)
_TEXTS = sa.text(
    "SELECT message_id::text, language, digest, text, since::text FROM translated_texts"
    " JOIN unnest(CAST(:message_ids AS uuid[]), CAST(:languages AS text[])) AS k (message_id, language)"
    " USING (message_id, language)"
)
# A batch that a dispatcher is claiming just now is left to it: it sees the decision, since it waits for this row.
# One of a resend, or of a message that a reviewer released, waits since that alone: its first sending may be weeks old.
_HURRY = sa.text(
    "UPDATE batches SET due_at = least(due_at, greatest(:due_at, changed_at)), changed_at = :now"
    " WHERE batch_id IN (SELECT batch_id FROM batches"
    " WHERE message_id = :message_id AND translated_into = :language AND state = 'pending' AND attempt = 1"
    " AND due_at > :due_at AND due_at <= :deadline_at FOR UPDATE SKIP LOCKED)"
)
_HOLD_BACK = sa.text(
    "UPDATE batches SET due_at = greatest(due_at, :deadline_at) WHERE message_id = :message_id AND state = 'pending'"
    " AND translated_into = ANY(:languages)"
)
_SCREENED = sa.text(
    "UPDATE translations SET is_screened = true WHERE message_id = :message_id AND language = :language"
    " AND stage = 'translated'"
)
_UNDECIDED = sa.text(
    "SELECT EXISTS (SELECT 1 FROM translations WHERE message_id = :message_id AND (stage IN ('waiting', 'wanted')"
    " OR stage = 'translated' AND NOT is_screened))"
)
_STAGES = sa.text("SELECT language, stage, reason FROM translations WHERE message_id = :message_id")


class Claimed(NamedTuple):
    """A language of a message that this process translates now."""

    message_id: str
    language: str
    tries: int
    deadline_at: datetime
    again_for: str = ""
    """The resend that waits for the body alone; empty: the language is not decided."""


async def add(
    connection: AsyncConnection, message_id: str, languages: Iterable[str], now: datetime, deadline_at: datetime | None
) -> None:
    """Want a message in these languages; without a deadline it waits for its first verdict."""
    stage = Stage.WAITING if deadline_at is None else Stage.WANTED
    same = {"message_id": message_id, "stage": stage.value, "deadline_at": deadline_at}
    rows = [{**same, "language": each, "next_try_at": now if deadline_at else None} for each in sorted(languages)]
    if rows:
        await connection.execute(_ADD, rows)


async def begin(connection: AsyncConnection, message_id: str, now: datetime, deadline_at: datetime) -> list[str]:
    """Translate what waited for its verdict; return the languages."""
    values = {"message_id": message_id, "now": now, "deadline_at": deadline_at}
    return list((await connection.execute(_BEGIN, values)).scalars())


async def pause(connection: AsyncConnection, message_id: str) -> None:
    """Translate no more of a message, until `begin`."""
    await connection.execute(_PAUSE, {"message_id": message_id})


async def claim(
    connection: AsyncConnection, now: datetime, most: int, lease: timedelta, *, is_urgent: bool
) -> list[Claimed]:
    """Take what is due of the urgent lanes, or of the others; after the lease another process tries it."""
    values = {"now": now, "until": now + lease, "most": most, "is_urgent": is_urgent}
    return [Claimed(*row) for row in await connection.execute(_CLAIM, values)]


async def try_again(connection: AsyncConnection, claimed: Claimed, at: datetime) -> None:
    """Set when it is tried again."""
    await connection.execute(_TRY_AGAIN, {"message_id": claimed.message_id, "language": claimed.language, "at": at})


async def translated(
    connection: AsyncConnection, claimed: Claimed, provider: str, texts: Mapping[str, str], now: datetime
) -> bool:
    """Write the translations by their originals; False, and nothing is written, when it was decided before."""
    if not await _decide(connection, claimed, Stage.TRANSLATED, now, provider=provider):
        return False
    await add_texts(connection, claimed, texts)
    return True


async def add_texts(connection: AsyncConnection, claimed: Claimed, texts: Mapping[str, str]) -> None:
    """Write translations, by their originals, of a language that is decided."""
    same = {"message_id": claimed.message_id, "language": claimed.language, "since": claimed.again_for or None}
    rows = [{**same, "digest": digest(original), "text": text} for original, text in texts.items()]
    await connection.execute(_ADD_TEXT, rows)


async def lacking(connection: AsyncConnection, message_id: str, languages: Iterable[str], text: str) -> set[str]:
    """Return those of the languages into which a message was translated, and this text of it was not."""
    values = {"message_id": message_id, "languages": list(languages), "digest": digest(text)}
    return set((await connection.execute(_LACKING, values)).scalars())


async def ask_again(
    connection: AsyncConnection,
    message_id: str,
    languages: Iterable[str],
    entry_id: str,
    now: datetime,
    deadline_at: datetime,
) -> None:
    """Want the body in these languages for a resend; where another one waits for it, it comes for both."""
    values = {"message_id": message_id, "languages": list(languages), "entry_id": entry_id}
    await connection.execute(_ASK_AGAIN, {**values, "now": now, "deadline_at": deadline_at})


async def end_again(connection: AsyncConnection, claimed: Claimed) -> bool:
    """Ask no more for a body; False when its resend leaves without it already."""
    values = {"message_id": claimed.message_id, "language": claimed.language, "again_for": claimed.again_for}
    return (await connection.execute(_END_AGAIN, values)).scalar_one_or_none() is not None


async def asked_again(connection: AsyncConnection, message_id: str) -> set[str]:
    """Return the languages in which a resend waits for the body."""
    query = sa.text("SELECT language FROM translations WHERE message_id = :message_id AND again_for IS NOT NULL")
    return set((await connection.execute(query, {"message_id": message_id})).scalars())


async def left_original(connection: AsyncConnection, claimed: Claimed, reason: str, now: datetime) -> bool:
    """Decide that it is sent as it was written; False when it was decided before."""
    return await _decide(connection, claimed, Stage.ORIGINAL, now, reason=reason)


async def _decide(
    connection: AsyncConnection, claimed: Claimed, stage: Stage, now: datetime, *, reason: str = "", provider: str = ""
) -> bool:
    values = {"message_id": claimed.message_id, "language": claimed.language, "stage": stage.value, "now": now}
    found = await connection.execute(_DECIDE, {**values, "reason": reason, "provider": provider})
    return found.scalar_one_or_none() is not None


async def hurry(connection: AsyncConnection, claimed: Claimed, due_at: datetime, now: datetime) -> None:
    """Let the batches go that waited for this language, as if they had been due since they came, or since `due_at`.

    Whoever waited is not put behind all who did not. Quiet hours are asked when they are claimed.
    """
    values = {"message_id": claimed.message_id, "language": claimed.language, "due_at": due_at, "now": now}
    await connection.execute(_HURRY, {**values, "deadline_at": claimed.deadline_at})


async def hold_back(
    connection: AsyncConnection, message_id: str, languages: Sequence[str], deadline_at: datetime
) -> None:
    """Let a message's batches in these languages wait for their translations until the deadline."""
    values = {"message_id": message_id, "languages": list(languages), "deadline_at": deadline_at}
    await connection.execute(_HOLD_BACK, values)


async def end_waiting(connection: AsyncConnection, every: Sequence[Batch], now: datetime) -> None:
    """Send claimed batches as they were written where there is no translation by now: their time is over."""
    keys = sorted({(each.message_id, each.translated_into) for each in every if each.translated_into})
    if keys:
        await connection.execute(_END_WAITING, {**_keys(keys), "reason": TOO_LATE, "now": now})
        told = [(each.message_id, each.translated_into, each.entry_id) for each in every if each.translated_into]
        values = {**_keys(told), "entry_ids": [each[2] for each in told]}
        await connection.execute(_END_AGAIN_OF_CLAIMED, values)


async def waits_until(connection: AsyncConnection, message_id: str) -> datetime | None:
    """Return when what waits for a translation of a message leaves without it; None when nothing waits."""
    query = sa.text(f"SELECT max(deadline_at) FROM translations w WHERE message_id = :message_id AND {_IS_DUE}")
    found: datetime | None = (await connection.execute(query, {"message_id": message_id})).scalar_one()
    return found


async def mark_screened(connection: AsyncConnection, message_id: str, language: str) -> None:
    """Note that screening let a translation go."""
    await connection.execute(_SCREENED, {"message_id": message_id, "language": language})


async def is_undecided(connection: AsyncConnection, message_id: str) -> bool:
    """Tell whether a held message still waits for a translation, or for the verdict on one."""
    return bool((await connection.execute(_UNDECIDED, {"message_id": message_id})).scalar_one())


async def stages(connection: AsyncConnection, message_id: str) -> dict[str, tuple[Stage, str]]:
    """Return where a message stands in each language, and why it was left as it was written."""
    rows = await connection.execute(_STAGES, {"message_id": message_id})
    return {row[0]: (Stage(row[1]), row[2]) for row in rows}


async def wordings(connection: AsyncConnection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Wording]:
    """Return the texts by message and language, of those that were translated."""
    found: dict[tuple[str, str], tuple[dict[bytes, str], dict[bytes, str]]] = {}
    for message_id, language, key, text, since in await connection.execute(_TEXTS, _keys(sorted(set(keys)))):
        texts, first = found.setdefault((message_id, language), ({}, {}))
        texts[bytes(key)] = text
        if since:
            first[bytes(key)] = since
    return {key: Wording(*each) for key, each in found.items()}


async def put_into_words(connection: AsyncConnection, works: list[Work]) -> list[Work]:
    """Return the works with their content in their language, where it was translated."""
    keys = {(each.batch.message_id, each.batch.translated_into) for each in works if each.batch.translated_into}
    if not keys:
        return works
    found = await wordings(connection, keys)
    return [_worded(each, found.get((each.batch.message_id, each.batch.translated_into))) for each in works]


def _worded(work: Work, wording: Wording | None) -> Work:
    batch, content = work.batch, work.content
    wording = wording.told_by(batch.entry_id) if wording else None
    if wording is None or not wording.has(content.text):
        # No translated subject above it, and no voice of another language for it.
        return work
    told = replace(
        content,
        subject=cut(wording.of(content.subject), MAX_SUBJECT),
        text=cut(wording.of(content.text), MAX_TEXT[batch.channel]),
        language=batch.translated_into,
    )
    return replace(work, batch=replace(batch, content=told), wording=wording)


def _keys(keys: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    return {"message_ids": [each[0] for each in keys], "languages": [each[1] for each in keys]}
