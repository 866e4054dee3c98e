"""What reports does, one function each, for one viewer at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, NotFound
from services.reports.domain import Order, Origin, Page, Report, Search, Sight, check_flag, page_of
from services.reports.events import tell_review
from services.reports.metrics import acknowledge_delay, reviews
from services.reports.store import intake, review, rows, searching
from services.reports.store.review import Acknowledgement, Actor, Standing

Row = dict[str, Any]
_HISTORY_SHOWN = 200


@dataclass(frozen=True)
class Found:
    """A page of a search."""

    rows: list[Row]
    page: Page
    open_threats: int = 0


@dataclass(frozen=True)
class Threat:
    """A threat with everything known about it."""

    rows: list[Row]
    history: list[Row]
    conversation: list[Row]


@dataclass(frozen=True)
class Acknowledged:
    """Who acknowledged a threat first, and whether that was before this call."""

    by: Acknowledgement
    is_repeat: bool


def _unknown() -> NotFound:
    return NotFound("MESSAGE_NOT_FOUND", "There is no such message.")


async def search(engine: AsyncEngine, sight: Sight, wanted: Search, order: Order, number: int, size: int) -> Found:
    """Return one page of a report. Counting, page and rows are of one moment."""
    finding = searching.Finding(sight, wanted, order)
    async with transaction(engine) as connection:
        await _freeze(connection)
        page = page_of(number, size, await finding.count(connection))
        found = await rows.entry_rows(connection, sight, await finding.page(connection, page))
        is_threats = wanted.report is Report.THREATS
        open_threats = await searching.count_open_threats(connection, sight) if is_threats else 0
    return Found(found, page, open_threats)


async def _freeze(connection: AsyncConnection) -> None:
    # The total and the rows must agree while counts move (statement 69).
    await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


async def audit_search(engine: AsyncEngine, clock: Clock, actor: Actor, action: str, detail: str) -> None:
    """Log that somebody read a list (statement 244)."""
    async with transaction(engine) as connection:
        await review.record(connection, clock(), actor, action, None, detail)


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
        if not found or not rows.is_withheld(found[0]):
            raise _unknown()
        await review.record(connection, clock(), actor, "threat.viewed", message_id)
        whole = await rows.audit(connection, sight, message_id, limit=_HISTORY_SHOWN, oldest_first=True)
        near = await rows.conversation(connection, sight, message_id)
    return Threat(found, whole, near)


async def set_flag(
    engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, message_id: str, origin: Origin, is_flagged: bool
) -> list[Row]:
    """Set or clear a flag of a message, and so of all its entries (statements 103 to 106); setting it again is nothing.

    NotFound outside the viewer's sight; FailedPrecondition as check_flag says.
    """
    async with transaction(engine) as connection:
        standing = await _locked(connection, sight, message_id)
        check_flag(
            origin,
            has_referral=bool(standing.referral_id),
            is_threat=standing.is_threat,
            teacher_set_at=standing.set_at[Origin.TEACHER],
            admin_set_at=standing.set_at[Origin.ADMIN],
        )
        if (standing.set_at[origin] is not None) != is_flagged:
            action = "flag.set" if is_flagged else "flag.cleared"
            set_at = clock() if is_flagged else None
            await review.write_flag(connection, message_id, origin, set_at)
            await review.record(connection, clock(), actor, action, message_id, f"origin={origin}")
            standing.set_at[origin] = set_at
            await _tell(connection, message_id, standing)
            reviews.add(1, {"action": action})
        return await rows.message_rows(connection, sight, message_id)


async def acknowledge(engine: AsyncEngine, clock: Clock, sight: Sight, actor: Actor, message_id: str) -> Acknowledged:
    """Acknowledge a threat for everybody, once (statement 208); a second call answers who did it first.

    NotFound outside the viewer's schools; FailedPrecondition when screening did not withhold the message.
    """
    async with transaction(engine) as connection:
        standing = await _locked(connection, sight, message_id)
        if not standing.is_threat:
            raise FailedPrecondition("NOT_A_THREAT", "Screening did not withhold this message.")
        by = Acknowledgement(actor.person_id, actor.name, clock())
        if not await review.acknowledge(connection, message_id, by):
            first = await review.acknowledgement(connection, message_id)
            return Acknowledged(first or by, is_repeat=True)
        await review.record(connection, by.at, actor, "threat.acknowledged", message_id)
        await _tell(connection, message_id, standing)
    reviews.add(1, {"action": "threat.acknowledged"})
    if standing.withheld_at:
        acknowledge_delay.record(max(0.0, (by.at - standing.withheld_at).total_seconds()))
    return Acknowledged(by, is_repeat=False)


async def _locked(connection: AsyncConnection, sight: Sight, message_id: str) -> Standing:
    standing = await review.lock(connection, sight, message_id)
    if standing is None:
        raise _unknown()
    return standing


async def _tell(connection: AsyncConnection, message_id: str, standing: Standing) -> None:
    """Tell the other services, and whoever watches the rows."""
    version = await review.next_version(connection, message_id)
    by = await review.acknowledgement(connection, message_id)
    await tell_review(connection, message_id, version, standing, by)
    await intake.tell_moved(connection, await intake.entries_of(connection, [message_id]))


async def list_senders(engine: AsyncEngine, sight: Sight, query: str) -> list[tuple[str, str]]:
    """Return those whom the viewer may choose as senders, the latest first."""
    async with transaction(engine) as connection:
        return await rows.senders(connection, sight, query)


async def list_audit(
    engine: AsyncEngine, sight: Sight, message_id: str, number: int, size: int
) -> tuple[list[Row], Page]:
    """Return a page of the audit log, newest first."""
    async with transaction(engine) as connection:
        page = page_of(number, size, await rows.count_audit(connection, sight, message_id))
        return await rows.audit(connection, sight, message_id, limit=page.size, offset=page.offset), page
