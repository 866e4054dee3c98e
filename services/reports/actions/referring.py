"""Referrals: a student is referred once for a flagged message, which locks its flags (statements 106 to 115)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import NotFound
from services.kit.ids import new_id
from services.reports.actions.reading import HISTORY_SHOWN
from services.reports.actions.reviewing import locked, tell
from services.reports.domain import NewReferral, Origin, Page, Referring, check_referral, page_of
from services.reports.events import tell_referral
from services.reports.metrics import reviews
from services.reports.store import auditing, referrals, review, rows
from services.reports.store.auditing import Actor
from services.reports.store.referrals import Asked
from services.reports.store.sight import Condition, followable, referable

Row = dict[str, Any]


@dataclass(frozen=True)
class Opened:
    """A referral as somebody reads it."""

    referral: Row
    history: list[Row]
    """What people did about its message."""
    text: str
    """What the message says; empty while it is withheld."""
    sees_message: bool
    """False for whoever is only told of the referral."""


async def add(
    engine: AsyncEngine, clock: Clock, referring: Referring, actor: Actor, wanted: NewReferral
) -> tuple[Row, bool]:
    """Add a referral; return it, and whether it was there before (statement 114).

    NotFound outside what the caller may refer; FailedPrecondition as check_referral says.
    """
    seen = referable(referring)
    async with transaction(engine) as connection:
        standing = await locked(connection, seen, wanted.message_id)
        if standing.referral_id:
            return await _known(connection, seen, standing.referral_id), True
        now = clock()
        if referring.is_district and not any(standing.set_at.values()):
            await review.write_flag(connection, wanted.message_id, Origin.ADMIN, now)
            await auditing.record(connection, now, actor, "flag.set", wanted.message_id, f"origin={Origin.ADMIN}")
            standing.set_at[Origin.ADMIN] = now
        check_referral(standing.sender.role, is_flagged=any(standing.set_at.values()))
        referral_id = new_id()
        row = {
            "referral_id": referral_id,
            "message_id": wanted.message_id,
            "student_id": standing.sender.person_id,
            "student_name": standing.sender.name,
            "school_id": standing.sender.school_id,
            "reason": wanted.reason,
            "notes": wanted.notes,
            "told": wanted.told,
            "created_at": now,
            "created_by_id": actor.person_id,
            "created_by_name": actor.name,
        }
        await referrals.insert(connection, row)
        await auditing.record(connection, now, actor, "referral.added", wanted.message_id, referral_id)
        await tell(connection, wanted.message_id, standing)
        await tell_referral(connection, row)
        added = await _known(connection, seen, referral_id)
    reviews.add(1, {"action": "referral.added"})
    return added, False


async def _known(connection: AsyncConnection, seen: Condition, referral_id: str) -> Row:
    found = await referrals.find(connection, seen, referral_id)
    if found is None:
        raise NotFound("REFERRAL_NOT_FOUND", "There is no such referral.")
    return found


async def schools(engine: AsyncEngine, referring: Referring, message_id: str) -> list[str]:
    """Return the schools whose staff may follow up a referral for the message. NotFound when it is not seen."""
    async with transaction(engine) as connection:
        found = await referrals.schools_of(connection, referable(referring), message_id)
    if found is None:
        raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
    return found


async def get(engine: AsyncEngine, clock: Clock, referring: Referring, actor: Actor, referral_id: str) -> Opened:
    """Return a referral and log the reading. NotFound when it is neither seen nor told."""
    async with transaction(engine) as connection:
        found = await _known(connection, followable(referring), referral_id)
        sees_message = await referrals.find(connection, referable(referring), referral_id) is not None
        message_id = str(found["message_id"])
        await auditing.record(connection, clock(), actor, "referral.viewed", message_id, referral_id)
        history = await auditing.of_message(connection, message_id, HISTORY_SHOWN)
        return Opened(found, history, await rows.words_of(connection, message_id), sees_message)


async def listed(
    engine: AsyncEngine, referring: Referring, asked: Asked, number: int, size: int
) -> tuple[list[Row], Page]:
    """Return a page of the referrals that are asked for and seen, or told to whoever asks."""
    seen = followable(referring)
    async with transaction(engine) as connection:
        page = page_of(number, size, await referrals.count(connection, seen, asked))
        return await referrals.page_of(connection, seen, asked, page), page


async def delete(engine: AsyncEngine, clock: Clock, referring: Referring, actor: Actor, referral_id: str) -> None:
    """Delete a referral, after which the flags can be changed again (statement 115). NotFound when it is not seen."""
    seen = referable(referring)
    async with transaction(engine) as connection:
        message_id = str((await _known(connection, seen, referral_id))["message_id"])
        standing = await locked(connection, seen, message_id)
        if not await referrals.delete(connection, referral_id):
            raise NotFound("REFERRAL_NOT_FOUND", "There is no such referral.")
        await auditing.record(connection, clock(), actor, "referral.deleted", message_id, referral_id)
        await tell(connection, message_id, standing)
    reviews.add(1, {"action": "referral.deleted"})
