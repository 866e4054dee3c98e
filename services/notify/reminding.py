"""Reminding of threats that somebody acknowledged and nobody decided (statement 302): each day, three times.

By e-mail and push, to those who were alerted and may still see it, else to whom the alert would go today, who may then
review it, too; the portal's alert stays dismissed, since an acknowledgement is for ever.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from services.kit.clock import Clock
from services.kit.db import transaction
from services.notify.actions import Place, ToTell, find_people, find_still, let_review, submit_later
from services.notify.clients import Directory
from services.notify.domain import REMINDERS, Occasion, Telling, link_to, reminder_words, warning_words
from services.notify.store import telling, undecided
from services.notify.store.undecided import Due


async def remind_one(engine: AsyncEngine, clock: Clock, known: Directory, place: Place, pause: timedelta) -> bool:
    """Write the next reminder that is due; False when none is. Two replicas take different threats.

    Raises Unavailable when directory does not say who may still see the threat.
    """
    now = clock()
    async with transaction(engine) as connection:
        due = await undecided.next_due(connection, now, pause)
        if due is None:
            return False
        alerted = await _told(connection, due.message_id, Occasion.ALERT)
        warned = await _told(connection, due.message_id, Occasion.WARNING)
    still = await find_still(known, alerted)
    today = [] if still else [each for each in await find_people(known, due.school_id) if each.people]
    async with transaction(engine) as connection:
        # While directory was asked, somebody may have decided, or another replica reminded.
        if await undecided.next_due(connection, now, pause) == due:
            link = link_to(place.portal_url, due.message_id)
            if today:
                await _tell_others(connection, due, today, link, now, is_warned=bool(warned))
            else:
                await _remind(connection, due, still or alerted or warned, reminder_words(link), now)
    return True


async def _tell_others(
    connection: AsyncConnection, due: Due, today: Sequence[ToTell], link: str, now: datetime, *, is_warned: bool
) -> None:
    """Remind those who take the place of those who were alerted, and warn administrators once that they do."""
    first, *others = today
    if first.occasion is Occasion.WARNING:
        await _remind(connection, due, first.people, warning_words(link, is_alerted=False), now)
        return
    await let_review(connection, due.message_id, first.people, due.acknowledged_at)
    await _remind(connection, due, first.people, reminder_words(link), now)
    for each in others if not is_warned else ():
        await submit_later(connection, due.message_id, each, warning_words(link, is_alerted=True), now)


async def _remind(
    connection: AsyncConnection, due: Due, people: list[directory.Recipient], words: Telling, now: datetime
) -> None:
    await submit_later(connection, due.message_id, ToTell(REMINDERS[due.sent], people), words, now)


async def _told(connection: AsyncConnection, message_id: str, occasion: Occasion) -> list[directory.Recipient]:
    earlier = await telling.recipients_of(connection, message_id, occasion)
    return [row.recipient for row in queue.RecipientRows.FromString(earlier or b"").rows]
