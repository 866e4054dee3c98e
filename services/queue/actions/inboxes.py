"""What the portal's inboxes show: released messages, to those with an account."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import MAILED
from services.queue.records import Snapshot
from services.queue.store import inbox, surveys


async def fill(connection: AsyncConnection, snapshot: Snapshot, visible_at: datetime, only_school_id: str = "") -> None:
    """Show a message that may be delivered in the inboxes of those whom its e-mail addresses, or one sent again.

    `only_school_id` leaves out people of all other schools.
    """
    for entry in snapshot.entries:
        if entry.channel in MAILED:
            await inbox.deliver(connection, snapshot.message, entry, visible_at, only_school_id=only_school_id)
            if entry.survey_id and entry.resend_of is None:
                await surveys.note_respondents(connection, snapshot.message, entry)
