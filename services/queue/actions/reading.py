"""Answering questions: messages, deliveries, inboxes, and whether the counters are right."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller, require_viewer
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound
from services.queue.actions.seeing import is_told, may_read, sight, visible_schools
from services.queue.domain import MAX_BODY, MAX_SUBJECT, MAX_TEXT, Screening
from services.queue.failures import explained
from services.queue.merging import about, by_number, fill
from services.queue.records import KIND_ATTENDANCE, Entry, Message, Snapshot
from services.queue.store import absences, counts, deliveries, inbox, messages, reach, received, translations
from services.queue.store.deliveries import Seen
from services.queue.store.reach import Listing, Reach
from services.queue.store.received import Asked
from services.queue.translating import WHY_NO_BODY, WHY_ORIGINAL, Wording, cut, told_in

Window = Callable[[int], tuple[int, int]]
"""From the number of rows: how many to answer and how many to skip."""
_BROKEN_SHOWN = 100
_MOST_EXPORTED = 50_000
_SHOWN = frozenset({"subject", "preview", "body", "original_subject", "original_body"})
_TEXTS = frozenset({"text", "subject", "original_text", "original_subject"})
_PREVIEWED = 160
"""Characters of a message in the list of an inbox."""


@dataclass(frozen=True)
class Paging:
    """In which order, and which part."""

    sort: str
    descending: bool
    window: Window


async def message(engine: AsyncEngine, caller: Caller, message_id: str) -> tuple[Snapshot, bool]:
    """Return a message that the caller may read, and whether what screening did is kept from them."""
    async with transaction(engine) as connection:
        found = await messages.find(connection, message_id)
        snapshot = await messages.snapshot(connection, found) if found else None
    if found is None or snapshot is None or not may_read(caller, found, _schools(snapshot)):
        raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
    is_stopped = found.screening in {Screening.WAITING, Screening.WITHHELD}
    return snapshot, is_stopped and not is_told(caller)


def _schools(snapshot: Snapshot) -> set[str]:
    return {school_id for each in snapshot.counts.values() for school_id in each.by_school}


async def deliveries_of(
    engine: AsyncEngine, caller: Caller, entry_id: str, seen: Seen, paging: Paging
) -> tuple[list[dict[str, Any]], int]:
    """Return a page of an entry's recipients in the caller's scope, and how many there are in all."""
    async with transaction(engine) as connection:
        entry, its_message, scoped, total = await _scoped(connection, caller, entry_id, seen, paging.sort)
        limit, offset = paging.window(total)
        rows = await deliveries.page(
            connection, entry, scoped, sort=paging.sort, descending=paging.descending, limit=limit, offset=offset
        )
        for row in rows:
            row["preferred"], row["language"] = row["language"], ""
        # A threat, in whatever language, is read in Threat Messages: each reading there is logged (statement 309).
        if its_message.is_translated and its_message.screening is not Screening.WITHHELD:
            await _add_translations(connection, its_message, entry, rows)
        if its_message.kind == KIND_ATTENDANCE:
            await _add_names(connection, its_message, entry, rows)
    return rows, total


async def export_deliveries(
    engine: AsyncEngine, caller: Caller, entry_id: str, seen: Seen, sort: str, *, descending: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield all of those recipients as they stand at one moment. InvalidArgument when they are more than 50,000."""
    async with transaction(engine) as connection:
        entry, _, scoped, total = await _scoped(connection, caller, entry_id, seen, sort)
        if total > _MOST_EXPORTED:
            raise InvalidArgument("EXPORT_TOO_LARGE", f"A workbook holds {_MOST_EXPORTED:,} rows. Narrow the search.")
        async for rows in deliveries.every(connection, entry, scoped, sort=sort, descending=descending):
            yield rows


async def _scoped(
    connection: AsyncConnection, caller: Caller, entry_id: str, seen: Seen, sort: str
) -> tuple[Entry, Message, Seen, int]:
    """Return an entry, its message, what is asked for in the caller's scope, and how many rows that is."""
    found = await messages.find_entry(connection, entry_id)
    if found is None:
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    entry, its_message = found
    scoped = replace(seen, schools=visible_schools(caller, its_message))
    if "error" in {sort, *(rule.column for rule in seen.rules)}:
        failed = await deliveries.errors(connection, entry)
        scoped = replace(scoped, errors={" ".join(each): explained(*each) for each in failed})
    total = await deliveries.count(connection, entry, scoped)
    is_partial = scoped.schools is not None
    if not total and is_partial and not await deliveries.count(connection, entry, Seen(scoped.schools)):
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    return entry, its_message, scoped, total


async def reach_of(
    engine: AsyncEngine, caller: Caller, message_id: str, listing: Listing, window: Window
) -> tuple[Reach, list[dict[str, Any]], int]:
    """Return how many families a message has reached, a page of those that it has not, and how many of them are listed.

    NotFound out of the caller's scope.
    """
    async with transaction(engine) as connection:
        found = await messages.find(connection, message_id)
        if found is None:
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        schools = visible_schools(caller, found)
        counted = await reach.counted(connection, found, schools)
        if not counted.families and schools is not None:
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        total = counted.families - counted.reached
        if listing.rules:
            total = await reach.listed(connection, found, schools, listing)
        return counted, await reach.unreached(connection, found, schools, listing, window(total)), total


async def received_by(
    engine: AsyncEngine, caller: Caller, asked: Asked, paging: Paging
) -> tuple[list[dict[str, Any]], int]:
    """Return a page of what people received, in the caller's scope, and how many deliveries there are in all."""
    scope = sight(caller)
    async with transaction(engine) as connection:
        await connection.execute(received.BY_INDEX)
        if "error" in {paging.sort, *(rule.column for rule in asked.seen.rules)}:
            failed = await received.errors(connection, asked, scope)
            told = {" ".join(each): explained(*each) for each in failed}
            asked = replace(asked, seen=replace(asked.seen, errors=told))
        total = await received.count(connection, asked, scope)
        limit, offset = paging.window(total)
        rows = await received.page(
            connection, asked, scope, sort=paging.sort, descending=paging.descending, limit=limit, offset=offset
        )
    return rows, total


async def _add_translations(
    connection: AsyncConnection, its_message: Message, entry: Entry, rows: list[dict[str, Any]]
) -> None:
    """Add to each row what its recipient was told in their language, and what was written."""
    message_id, stages = its_message.message_id, await translations.stages(connection, its_message.message_id)
    wordings = await translations.wordings(connection, [(message_id, language) for language in stages])
    waiting = await translations.asked_again(connection, message_id)
    for row in rows:
        language = told_in(entry.channel, row["preferred"], its_message.language)
        wording = wordings.get((message_id, language), Wording()).told_by(entry.entry_id)
        if wording.by_digest and wording.has(entry.text):
            row["text"] = cut(wording.of(entry.text), MAX_TEXT[entry.channel])
            row["subject"] = cut(wording.of(its_message.subject), MAX_SUBJECT)
            row |= {"language": language, "original_text": entry.text, "original_subject": its_message.subject}
        elif wording.by_digest:
            row["untranslated"] = "" if language in waiting else WHY_NO_BODY
        elif language in stages:
            row["untranslated"] = WHY_ORIGINAL.get(stages[language][1], "")


async def _add_names(
    connection: AsyncConnection, its_message: Message, entry: Entry, rows: list[dict[str, Any]]
) -> None:
    """Put into each row the names that its recipient was told."""
    told, once = await absences.told(connection, its_message.message_id), its_message.once_per_family
    written = its_message.language
    values = {
        language: by_number(told, entry.entry_id, language, once_per_family=once)
        for language in {written, *(row["language"] or written for row in rows)}
    }
    for row in rows:
        row.setdefault("text", entry.text)
        row.setdefault("subject", its_message.subject)
        for name in _TEXTS & row.keys():
            longest = MAX_SUBJECT if name.endswith("subject") else MAX_TEXT[entry.channel]
            language = written if name.startswith("original") else row["language"] or written
            row[name] = fill(row[name], values[language][row["number"]], longest)


async def inbox_of(
    engine: AsyncEngine, now: datetime, query: str, window: Window, *, is_unread: bool
) -> tuple[list[dict[str, Any]], int, int]:
    """Return a page of the caller's inbox, how many match, and how many of all were not opened."""
    person_id = require_viewer().person_id
    async with transaction(engine) as connection:
        total, unread = await inbox.count(connection, person_id, now, query, is_unread=is_unread)
        limit, offset = window(total)
        rows = await inbox.page(connection, person_id, now, query, is_unread=is_unread, limit=limit, offset=offset)
        for row in rows:
            await _fill_in(connection, person_id, row)
    return rows, total, unread


async def _fill_in(connection: AsyncConnection, person_id: str, row: dict[str, Any]) -> None:
    """Put into a row of an inbox what this person is told: in their language, with the names of their own students."""
    for name in ("subject", "preview", "body"):
        if name in row and row[f"told_{name}"] is not None:
            row |= {f"original_{name}": row[name], name: row[f"told_{name}"], "language": row["translated_into"]}
    if row["kind"] == KIND_ATTENDANCE:
        told = await absences.told(connection, str(row["message_id"]), person_id)
        students = [(each.name, each.codes) for each in told]
        for name in _SHOWN & row.keys():
            language = row.get("language", "") if not name.startswith("original") else ""
            row[name] = fill(row[name], about(students, language or row["written_in"]), MAX_BODY)
    row["preview"] = row["preview"][:_PREVIEWED]


async def inbox_message(engine: AsyncEngine, now: datetime, message_id: str) -> dict[str, Any]:
    """Return a message of the caller's inbox, marking it read, or of their sent box; NotFound otherwise."""
    person_id = require_viewer().person_id
    async with transaction(engine) as connection:
        row = await inbox.open_message(connection, person_id, message_id, now)
        if row:
            await _fill_in(connection, person_id, row)
        row = row or await inbox.open_sent(connection, person_id, message_id)
    if row is None:
        raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
    return row


async def sent_box(engine: AsyncEngine, window: Window) -> tuple[list[dict[str, Any]], int]:
    """Return a page of what the caller sent, and how many there are."""
    person_id = require_viewer().person_id
    async with transaction(engine) as connection:
        total = await inbox.count_sent(connection, person_id)
        limit, offset = window(total)
        rows = await inbox.sent_page(connection, person_id, limit=limit, offset=offset)
        for row in rows:
            row["preview"] = row["preview"][:_PREVIEWED]
    return rows, total


async def check_invariant(
    engine: AsyncEngine, since: datetime | None, until: datetime | None
) -> tuple[int, list[tuple[str, dict[str, Any], dict[str, Any]]]]:
    """Compare every counter of messages that were written in between with the rows behind it (statement 62)."""
    async with transaction(engine) as connection:
        return await counts.broken(connection, _BROKEN_SHOWN, since=since or counts.EVER, until=until or counts.NEVER)
