"""What is read of a message: each of its texts, and subject and body as one, for a threat may begin in the subject."""

import asyncio
from collections.abc import Sequence

from protos.events.v1 import queue_pb2 as requests
from services.moderation.domain import Policy
from services.moderation.phrases import phrases_in, without_phrases
from services.moderation.providers.base import Text

_LONGEST_OPENING = 2_000
"""Characters of a body that are read as one with its subject; what is farther off does not go on with it."""


def said_in(request: requests.ScreeningRequested, policy: Policy) -> list[str]:
    """Return the texts of a request, in its order, without the phrases that are allowed to the sender."""
    allowed = policy.of(request.school_id, request.grade).allowed_phrases
    return [without_phrases(text, allowed) for text in request.texts]


def texts_of(request: requests.ScreeningRequested, said: Sequence[str]) -> list[Text]:
    """Return the texts to judge of what is said in a request; there is always one."""
    # Of texts that score alike the last one explains the verdict: what was written by itself.
    found = dict.fromkeys(text for text in (as_one(said), *said) if text.strip())
    return [text_of(request, text) for text in found or [" "]]


def text_of(request: requests.ScreeningRequested, text: str) -> Text:
    """Return a text of a request as it is judged."""
    return Text(text, request.language, request.message_id, request.author_key, request.conversation_key)


async def blocked_in(request: requests.ScreeningRequested, policy: Policy) -> tuple[str, ...]:
    """Return the phrases in a request that are blocked to its sender."""
    blocked = policy.of(request.school_id, request.grade).blocked_phrases
    if not blocked:
        return ()
    # Beside the loop: heartbeats go on while a long text is normalised.
    return await asyncio.to_thread(phrases_of, request.texts, blocked)


def phrases_of(texts: Sequence[str], phrases: Sequence[str]) -> tuple[str, ...]:
    """Return those phrases that stand in a message's texts, or across its subject and body."""
    return phrases_in([*texts, as_one(texts)], phrases)


def subject_and_body(said: Sequence[str]) -> tuple[str, str]:
    """Return what comes first in a request, which has both or, where another system asks, one text alone."""
    return (said[0], said[1]) if len(said) > 1 else ("", "".join(said))


def as_one(said: Sequence[str]) -> str:
    """Return the subject and the beginning of the body in two lines; nothing where one of them is empty."""
    # Without the white space that they begin with, of which there may be more than is read.
    subject, body = (each.strip() for each in subject_and_body(said))
    if len(body) > _LONGEST_OPENING:
        # Half a word would be another word.
        body = body[:_LONGEST_OPENING].rsplit(maxsplit=1)[0]
    return f"{subject}\n{body}" if subject and body else ""
