"""What the reports answer: pages, entries, threats, the audit log. Readings of threats and exports are logged."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound
from services.reports.decisions import Decision
from services.reports.domain import Order, Page, Report, Search, Sight, page_of
from services.reports.store import auditing, review, rows, searching
from services.reports.store.auditing import Actor, Asked

Row = dict[str, Any]
HISTORY_SHOWN = 200
"""Records of what people did that are shown with one message."""
_MOST_EXPORTED, _AT_ONCE = 50_000, 500


@dataclass(frozen=True)
class Found:
    """A page of a search."""

    rows: list[Row]
    page: Page
    open_threats: int = 0
    undecided: int = 0


@dataclass(frozen=True)
class Threat:
    """A threat with everything known about it."""

    rows: list[Row]
    history: list[Row]
    conversation: list[Row]
    decisions: list[Decision]


async def search(engine: AsyncEngine, sight: Sight, wanted: Search, order: Order, number: int, size: int) -> Found:
    """Return one page of a report. Counting, page and rows are of one moment."""
    finding = searching.Finding(sight, wanted, order)
    async with transaction(engine) as connection:
        await _freeze(connection)
        page = page_of(number, size, await finding.count(connection))
        found = await rows.entry_rows(connection, sight, await finding.page(connection, page))
        is_threats = wanted.report is Report.THREATS
        waiting = await searching.count_open_threats(connection, sight) if is_threats else (0, 0)
    return Found(found, page, *waiting)


async def export(engine: AsyncEngine, sight: Sight, wanted: Search, order: Order) -> AsyncIterator[list[Row]]:
    """Yield every row of a report in order, as they are at one moment. InvalidArgument for more than 50,000."""
    finding = searching.Finding(sight, wanted, order)
    async with transaction(engine) as connection:
        await _freeze(connection)
        total = await finding.count(connection)
        if total > _MOST_EXPORTED:
            raise InvalidArgument("EXPORT_TOO_LARGE", f"A workbook holds {_MOST_EXPORTED:,} rows. Narrow the search.")
        found = await finding.page(connection, Page(1, total, total))
        for start in range(0, total, _AT_ONCE):
            yield await rows.entry_rows(connection, sight, found[start : start + _AT_ONCE])


async def _freeze(connection: AsyncConnection) -> None:
    # The total and the rows must agree while counts move (statement 69).
    await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


async def log(engine: AsyncEngine, clock: Clock, actor: Actor, action: str, detail: str) -> None:
    """Log that somebody read or exported a list (statement 244)."""
    async with transaction(engine) as connection:
        await auditing.record(connection, clock(), actor, action, None, detail)


async def log_export(engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, entry_id: str, detail: str) -> None:
    """Log that somebody exports the recipients of an entry. NotFound outside the viewer's sight."""
    async with transaction(engine) as connection:
        found = await rows.entry_rows(connection, sight, [entry_id])
        if not found:
            raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
        message_id = str(found[0]["message_id"])
        await auditing.record(connection, clock(), actor, "recipients.exported", message_id, detail)


async def get_entry(
    engine: AsyncEngine, sight: Sight, entry_id: str, wanted: Search | None, order: Order
) -> tuple[Row, str, str]:
    """Return an entry with its neighbours under a search. NotFound outside the viewer's sight."""
    async with transaction(engine) as connection:
        await _freeze(connection)
        found = await rows.entry_rows(connection, sight, [entry_id])
        if not found:
            raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
        if wanted is None:
            return found[0], "", ""
        return found[0], *await searching.Finding(sight, wanted, order).neighbours(connection, entry_id)


async def read_rows(engine: AsyncEngine, sight: Sight, entry_ids: list[str]) -> list[Row]:
    """Return those of the entries that the viewer sees."""
    async with transaction(engine) as connection:
        return await rows.entry_rows(connection, sight, entry_ids)


async def get_threat(engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, message_id: str) -> Threat:
    """Return a threat and log the reading (statement 244). NotFound outside the viewer's schools."""
    async with transaction(engine) as connection:
        found = await rows.message_rows(connection, sight, message_id)
        if not found or not rows.is_threat(found[0]):
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        await auditing.record(connection, clock(), actor, "threat.viewed", message_id)
        whole = await auditing.of_message(connection, message_id, HISTORY_SHOWN)
        near = await rows.conversation(connection, sight, message_id)
        decided = await review.decisions_of(connection, message_id)
    return Threat(found, whole, near, decided)


async def list_senders(engine: AsyncEngine, sight: Sight, query: str) -> list[tuple[str, str]]:
    """Return those whom the viewer may choose as senders, the latest first."""
    async with transaction(engine) as connection:
        return await rows.senders(connection, sight, query)


async def list_audit(engine: AsyncEngine, sight: Sight, asked: Asked, number: int, size: int) -> tuple[list[Row], Page]:
    """Return a page of the audit log, newest first."""
    async with transaction(engine) as connection:
        page = page_of(number, size, await auditing.count(connection, sight, asked))
        return await auditing.page_of(connection, sight, asked, page), page
