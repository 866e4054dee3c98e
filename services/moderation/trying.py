"""Trying a policy's phrases on what students wrote: the texts are handed in, read in small pieces, and not kept.

Blocked phrases are found as screening finds them. Where an allowed phrase that comes or goes stands in a message, the
embedded model judges what each policy would let it read, and the scores that the message has move by the difference:
they may be a vendor's, or those of a message among others. Each piece waits until no student's message is judged.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from unicodedata import normalize

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from protos.types.v1 import types_pb2 as types
from services.kit.db import transaction
from services.kit.errors import ResourceExhausted
from services.moderation import store
from services.moderation.domain import Policy
from services.moderation.judging import Judge
from services.moderation.precedence import Precedence
from services.moderation.reading import phrases_of, said_in, texts_of

MOST_TRIED = 5_000
"""Messages; the newest."""
MOST_JUDGED_AGAIN = 100
"""Messages with an allowed phrase; the newest. Each takes the model as long as several that were just written."""
_SHARE_OF_JUDGING = 1 / 3
"""Of the time, when there is anything to judge."""
_AT_ONCE, _CHARACTERS_AT_ONCE = 20, 10_000
"""Of a piece, which takes about as long as a text that is judged; a longer message is one by itself."""


class _Sender(NamedTuple):
    """What both policies say to a sender."""

    blocked: tuple[str, ...]
    """By either."""
    current: Policy
    wanted: Policy


class _Message(NamedTuple):
    row: store.Row
    request: requests.ScreeningRequested

    @property
    def characters(self) -> int:
        return sum(map(len, self.request.texts))


class _Found(NamedTuple):
    """What a message's texts say."""

    message: _Message
    phrases: list[str]
    said: tuple[list[str], list[str]] | None
    """What is read of it under either policy; None where that is the same."""


@dataclass
class Trial:
    """One try: reads texts until there are enough, time is over, or students' messages leave it none."""

    current: Policy
    wanted: Policy
    judge: Judge
    precedence: Precedence
    seconds: float
    """In all, from the beginning of reading on."""
    with_allowed: int = 0
    """Messages so far that hold an allowed phrase which comes or goes."""
    judged_again: int = 0
    """Those of them whose scores were moved."""
    _until: float = 0.0
    _to_judge: list[_Found] = field(default_factory=list)
    _senders: dict[tuple[str, str], _Sender] = field(default_factory=dict)

    async def read(
        self, engine: AsyncEngine, past: store.Past, pages: AsyncIterable[Sequence[types.WrittenTexts]]
    ) -> AsyncIterator[list[store.Row]]:
        """Yield the first verdicts on these messages with what their texts say; last those that are judged again.

        `phrases` are also those found now, and `scores_after`, where it is set, are the scores under the policy wanted.
        """
        self._until = time.monotonic() + self.seconds
        try:
            async for piece in self._pieces(engine, past, pages):
                yield [row for each in await self._read(piece) if (row := self._row(each))]
        except ResourceExhausted:
            # Students' messages went on for all of the time.
            pass
        for each in self._to_judge:
            yield [await self._judged_again(each)]

    async def _pieces(
        self, engine: AsyncEngine, past: store.Past, pages: AsyncIterable[Sequence[types.WrittenTexts]]
    ) -> AsyncIterator[list[_Message]]:
        left = MOST_TRIED
        async for page in pages:
            async with transaction(engine) as connection:
                rows = await store.first_verdicts(connection, past, [each.message_id for each in page])
            for piece in _cut(_messages(rows, page)):
                if left <= 0 or self._seconds_left <= (self.seconds * _SHARE_OF_JUDGING if self._to_judge else 0):
                    return
                yield piece[:left]
                left -= len(piece)

    @property
    def _seconds_left(self) -> float:
        return self._until - time.monotonic()

    async def _read(self, piece: Sequence[_Message]) -> list[_Found]:
        async with self.precedence.of_others(self._seconds_left):
            return await asyncio.to_thread(lambda: [self._find(each) for each in piece])

    def _find(self, message: _Message) -> _Found:
        request, sender = message.request, self._sender(message.row)
        phrases = [*message.row["phrases"], *phrases_of(request.texts, sender.blocked)]
        if sender.current.allowed_phrases == sender.wanted.allowed_phrases:
            return _Found(message, phrases, None)
        said = said_in(request, sender.current), said_in(request, sender.wanted)
        # Nothing but the width of letters changes where there is a list and no phrase of it.
        before, after = ([normalize("NFKC", text) for text in texts] for texts in said)
        return _Found(message, phrases, None if before == after else said)

    def _sender(self, row: store.Row) -> _Sender:
        key = row["school_id"], row["grade"]
        if key not in self._senders:
            current, wanted = self.current.of(*key), self.wanted.of(*key)
            blocked = tuple(dict.fromkeys((*current.blocked_phrases, *wanted.blocked_phrases)))
            self._senders[key] = _Sender(blocked, current, wanted)
        return self._senders[key]

    def _row(self, found: _Found) -> store.Row | None:
        """Return the verdict with the phrases; None when its message is to be judged again at the end."""
        if found.said:
            self.with_allowed += 1
            if len(self._to_judge) < MOST_JUDGED_AGAIN:
                self._to_judge.append(found)
                return None
        return found.message.row | {"phrases": found.phrases}

    async def _judged_again(self, found: _Found) -> store.Row:
        row = found.message.row | {"phrases": found.phrases}
        if self._seconds_left <= 0:
            return row
        try:
            was, now = [await self._scores(found.message.request, said) for said in found.said or ()]
        except ResourceExhausted:
            return row
        self.judged_again += 1
        return row | {"scores_after": {name: _moved(score, was, now, name) for name, score in row["scores"].items()}}

    async def _scores(self, request: requests.ScreeningRequested, said: Sequence[str]) -> dict[str, float]:
        async with self.precedence.of_others(self._seconds_left):
            judgement = await self.judge.judge_alone(texts_of(request, said))
        return {name.value: score for name, score in judgement.scores.items()}


def _moved(score: float, was: dict[str, float], now: dict[str, float], name: str) -> float:
    return round(min(1.0, max(0.0, score + now.get(name, 0.0) - was.get(name, 0.0))), 6)


def _messages(rows: Iterable[store.Row], page: Iterable[types.WrittenTexts]) -> Iterator[_Message]:
    """Yield the messages of a page on which there is a verdict."""
    by_message = {row["message_id"]: row for row in rows}
    for each in page:
        if row := by_message.pop(each.message_id, None):
            request = requests.ScreeningRequested(
                message_id=each.message_id,
                texts=each.texts,
                school_id=row["school_id"],
                grade=row["grade"],
                language=each.language,
            )
            yield _Message(row, request)


def _cut(messages: Iterable[_Message]) -> Iterator[list[_Message]]:
    piece: list[_Message] = []
    characters = 0
    for each in messages:
        if piece and (len(piece) == _AT_ONCE or characters + each.characters > _CHARACTERS_AT_ONCE):
            yield piece
            piece, characters = [], 0
        piece.append(each)
        characters += each.characters
    if piece:
        yield piece
