"""What screening noted and let go, as those who may see threats read and close it. Readings and closings are logged."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import NotFound
from services.reports.domain import Page, Sight, page_of
from services.reports.store import auditing, noting
from services.reports.store.auditing import Actor
from services.reports.store.noting import Closing, Wanted

Row = dict[str, Any]
_COUNTED = timedelta(days=7)
_CLOSED_SHOWN = timedelta(days=30)


@dataclass(frozen=True)
class Found:
    """A page of noted messages, or of students of whom there are several."""

    rows: list[Row]
    page: Page
    would_hold: int = 0
    closed: list[Row] = field(default_factory=list)


async def search(
    engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, wanted: Wanted, asked: tuple[int, int]
) -> Found:
    """Return a page of noted messages; `asked` is number and size of the page."""
    async with transaction(engine) as connection:
        page = page_of(*asked, await noting.count(connection, sight, wanted))
        rows = await noting.page_of(connection, sight, wanted, page)
        would_hold = await noting.count(connection, sight, Wanted(True, wanted.sender_id))
        if rows:
            detail = f"messages={len(rows)}" + (f" sender={wanted.sender_id}" if wanted.sender_id else "")
            await auditing.record(connection, clock(), actor, "noted.searched", None, detail)
    return Found(rows, page, would_hold)


async def count(engine: AsyncEngine, clock: Clock, sight: Sight) -> int:
    """Return of how many students in sight several messages were noted lately, and nobody closed that."""
    async with transaction(engine) as connection:
        return await noting.count_senders(connection, sight, clock() - _COUNTED)


async def senders(engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, asked: tuple[int, int]) -> Found:
    """Return a page of those students, and what was closed lately."""
    now = clock()
    async with transaction(engine) as connection:
        page = page_of(*asked, await noting.count_senders(connection, sight, now - _COUNTED))
        rows = await noting.senders_of(connection, sight, now - _COUNTED, page)
        closed = await noting.closed_since(connection, sight, now - _CLOSED_SHOWN)
        if rows:
            await auditing.record(connection, now, actor, "noted.viewed", None, f"students={len(rows)}")
    return Found(rows, page, closed=closed)


async def close(engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, wanted: Closing) -> bool:
    """Close what was noted of a student; True when that was done before. NotFound outside the viewer's schools."""
    now = clock()
    async with transaction(engine) as connection:
        newest = await noting.newest_of(connection, sight, wanted.sender_id, wanted.school_id)
        if newest is None:
            raise NotFound("NOTED_NOT_FOUND", "Nothing was noted of this student.")
        row = {
            **vars(wanted),
            "through": min(wanted.through, now),
            "sender_name": newest["sender_name"],
            "person_id": actor.person_id,
            "name": actor.name,
            "closed_at": now,
        }
        if not await noting.close(connection, row):
            return True
        # With a message, so that whoever reads the log of that school finds it.
        detail = f"sender={wanted.sender_id}"
        await auditing.record(connection, now, actor, "noted.closed", str(newest["message_id"]), detail)
    return False
