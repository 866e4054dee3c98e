"""What may call itself an answer: answers are personal, so they reach those who want no announcements (statement 306).

Without a check any message to a whole district could name another one, and would ignore who unsubscribed.
"""

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue.records import ROLE_PARENT, ROLE_STUDENT, Addressees, Draft, Sender
from services.queue.store import inbox

_POINTER = "/in_reply_to"


async def checked(
    connection: AsyncConnection, draft: Draft, sender: Sender, pieces: AsyncIterator[Addressees], now: datetime
) -> AsyncIterator[Addressees]:
    """Return the recipients; those of an answer of staff raise InvalidArgument unless they are whom it answers.

    InvalidArgument at once when what it answers is not in its sender's inbox. What students and parents write is
    personal, whatever it answers.
    """
    if not draft.in_reply_to:
        return pieces
    author_id = await inbox.author_of(connection, sender.person_id, draft.in_reply_to, now)
    if author_id is None:
        wrong = [(_POINTER, "There is no such message in the sender's inbox.")]
        sentence = "What this answers is not in your inbox. Write a new message."
        raise InvalidArgument("ANSWERED_UNKNOWN", sentence, violations=wrong)
    return pieces if sender.role in {ROLE_STUDENT, ROLE_PARENT} else _only(author_id, pieces)


async def check(
    engine: AsyncEngine, draft: Draft, sender: Sender, pieces: AsyncIterator[Addressees], now: datetime
) -> None:
    """Raise what `checked` raises, now, of a message that is sent later."""
    if draft.in_reply_to:
        async with transaction(engine) as connection:
            people = await checked(connection, draft, sender, pieces, now)
            # What comes back as it was given may go to anybody.
            if people is not pieces:
                async for _ in people:
                    pass


async def _only(person_id: str, pieces: AsyncIterator[Addressees]) -> AsyncIterator[Addressees]:
    async for piece in pieces:
        # Nobody answers what no person wrote, such as a rule's message: rows of an uploaded list have no id either.
        if not person_id or any(each != person_id for each in piece.person_ids):
            wrong = [(_POINTER, "Somebody else is among the recipients.")]
            sentence = "An answer goes to the person who wrote to you alone. Write a new message to others."
            raise InvalidArgument("ANSWER_TO_OTHERS", sentence, violations=wrong)
        yield piece
