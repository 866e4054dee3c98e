"""Reminding of threats that somebody acknowledged and nobody decided (statement 302): each day, three times.

By e-mail and push, to those who were alerted and may still see it, else to whom the alert would go today; the portal's
alert stays dismissed, since an acknowledgement is for ever.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from services.kit.clock import Clock
from services.kit.db import transaction
from services.notify.actions import Place, ToTell, find_people, find_still, submit_later
from services.notify.clients import Directory
from services.notify.domain import REMINDERS, Occasion, link_to, reminder_words
from services.notify.store import telling, undecided


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
        earlier = alerted or await _told(connection, due.message_id, Occasion.WARNING)
    people = await find_still(known, alerted) or await _today(known, due.school_id) or earlier
    async with transaction(engine) as connection:
        # While directory was asked, somebody may have decided, or another replica reminded.
        if await undecided.next_due(connection, now, pause) == due:
            words = reminder_words(link_to(place.portal_url, due.message_id))
            await submit_later(connection, due.message_id, ToTell(REMINDERS[due.sent], people), words, now)
    return True


async def _told(connection: AsyncConnection, message_id: str, occasion: Occasion) -> list[directory.Recipient]:
    earlier = await telling.recipients_of(connection, message_id, occasion)
    return [row.recipient for row in queue.RecipientRows.FromString(earlier or b"").rows]


async def _today(known: Directory, school_id: str) -> list[directory.Recipient]:
    """Return whom the alert would go to now: holders before administrators."""
    return next((each.people for each in await find_people(known, school_id) if each.people), [])
