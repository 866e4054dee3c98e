"""Reminding of threats that somebody acknowledged and nobody decided (statement 302): each day, three times.

By e-mail and push, to those who were alerted; the portal's alert stays dismissed, since an acknowledgement is for ever.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import queue_pb2 as queue
from services.kit.clock import Clock
from services.kit.db import transaction
from services.notify.actions import Place, ToTell, submit_later
from services.notify.domain import REMINDERS, Occasion, link_to, reminder_words
from services.notify.store import telling, undecided


async def remind_one(engine: AsyncEngine, clock: Clock, place: Place, pause: timedelta) -> bool:
    """Write the next reminder that is due; False when none is. Two replicas take different threats."""
    now = clock()
    async with transaction(engine) as connection:
        due = await undecided.next_due(connection, now, pause)
        if due is None:
            return False
        message_id, sent = due
        earlier = await telling.recipients_of(connection, message_id, Occasion.ALERT)
        earlier = earlier or await telling.recipients_of(connection, message_id, Occasion.WARNING)
        people = [row.recipient for row in queue.RecipientRows.FromString(earlier or b"").rows]
        words = reminder_words(link_to(place.portal_url, message_id))
        await submit_later(connection, message_id, ToTell(REMINDERS[sent], people), words, now)
    return True
