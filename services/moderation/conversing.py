"""Reading a message together with the sender's others to the same people, so that a split one is caught.

Texts are kept under pseudonyms, and only as long as messages are read together (CONVERSATION_MINUTES).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from services.kit.clock import Clock
from services.kit.db import transaction
from services.moderation import store
from services.moderation.domain import Judgement
from services.moderation.providers.base import Text
from services.moderation.reading import subject_and_body, text_of

MOST_TOGETHER = 5
"""Messages that are read together, the judged one among them."""
_KEPT_OF_AN_END = 1_000
"""Characters kept of a body's beginning and of its end: a part of what was split is short and stands at either."""


@dataclass(frozen=True)
class Together:
    """A message among its neighbours."""

    own: Text
    """The message, as it is kept."""
    parts: tuple[tuple[str, str], ...]
    """(message, its subject and its body in two lines) of all, itself among them, in the order they were written."""

    @property
    def texts(self) -> list[Text]:
        """All of them as one: their bodies, and where the subjects differ these too, alone and before each body."""
        said = [text.partition("\n") for _, text in self.parts]
        read = [" ".join(body for _, _, body in said)]
        # A subject says the same in message after message, unless it is a part of what was split.
        subjects = {subject.casefold(): subject for subject, _, _ in said if subject}
        if len(subjects) > 1:
            read += [" ".join(subjects.values()), " ".join(f"{subject} {body}" for subject, _, body in said)]
        return [replace(self.own, text=text) for text in read]

    @property
    def others(self) -> list[Text]:
        """The other messages, each by itself."""
        return [
            replace(self.own, text=text, content_id=name) for name, text in self.parts if name != self.own.content_id
        ]

    def without(self, names: Collection[str]) -> "Together | None":
        """Return the same without some messages; None when nothing is left to read it with."""
        left = tuple(part for part in self.parts if part[0] not in names)
        return replace(self, parts=left) if len(left) > 1 else None


class Conversations:
    """Knows what was lately said in each conversation."""

    def __init__(self, engine: AsyncEngine, clock: Clock, window: timedelta) -> None:
        """Texts are kept and read together for the window; nothing is kept when it is zero."""
        self._engine, self._clock, self._window = engine, clock, window

    async def together(self, request: requests.ScreeningRequested, said: Sequence[str]) -> Together | None:
        """Keep what was said and return it among what was said around it; None when there is nothing around it."""
        if not self._window or not request.conversation_key:
            return None
        now = self._clock()
        subject, body = subject_and_body(said)
        said_at = request.requested_at.ToDatetime(now.tzinfo)
        kept = store.Said(
            request.message_id,
            request.conversation_key,
            kept_of(subject, body),
            said_at,
            max(now, said_at) + self._window,
        )
        async with transaction(self._engine) as connection:
            await store.keep_said(connection, kept)
        async with transaction(self._engine) as connection:
            around = await store.said_around(connection, kept, self._window, MOST_TOGETHER)
        if len(around) < 2:
            return None
        return Together(text_of(request, kept.said), tuple(around))

    async def forget(self, now: datetime) -> int:
        """Delete the texts whose time is over; return how many."""
        async with transaction(self._engine) as connection:
            return await store.forget_said(connection, now)


def kept_of(subject: str, body: str) -> str:
    """Return what is kept: the subject in one line, then the body, of a long one its beginning and its end."""
    if len(body) > 2 * _KEPT_OF_AN_END:
        body = f"{body[:_KEPT_OF_AN_END]}\n{body[-_KEPT_OF_AN_END:]}"
    return f"{' '.join(subject.split())}\n{body}"


def merged(alone: Judgement, together: Judgement) -> Judgement:
    """Return the stronger scores of a message read alone and together.

    What explains them is the message's own: others were written to be forgotten with their time.
    """
    scores = {name: max(score, alone.scores.get(name, 0.0)) for name, score in together.scores.items()}
    is_uncertain, doubts = alone.is_uncertain or together.is_uncertain, alone.doubts | together.doubts
    found = replace(together, scores=scores, explanations=alone.explanations)
    return replace(found, is_uncertain=is_uncertain, doubts=doubts)


def told_together(others: int, explanation: str) -> str:
    """Return why a message got its verdict among so many others."""
    what = "the message before or after it" if others == 1 else f"{others} messages around it"
    return f"Read together with {what}: {explanation}" if explanation else f"Read together with {what}."
