"""What students wrote, page by page, as screening read it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import transaction
from services.kit.errors import NotFound
from services.queue.questions import texts_to_read
from services.queue.store import written

_MOST, _MOST_BYTES = 100, 1024 * 1024
"""Of a page; the message with which the bytes are reached is its last."""


class Asked(NamedTuple):
    """Messages since a time, of senders of these schools ("*": of every one)."""

    since: datetime
    schools: tuple[str, ...]
    after: str
    """The last message of the page before; empty: from the newest on."""


class Read(NamedTuple):
    """A message's texts, subject and body first."""

    message_id: str
    texts: list[str]
    language: str


async def page_of(engine: AsyncEngine, asked: Asked) -> list[Read]:
    """Return the next messages about which screening has decided, newest first; NotFound for an unknown last one."""
    async with transaction(engine) as connection:
        place = await written.place_of(connection, asked.after) if asked.after else None
        if asked.after and place is None:
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        found = await written.newest(connection, written.Wanted(asked.since, asked.schools, place), _MOST)
    return list(_up_to(_MOST_BYTES, found))


def _up_to(most_bytes: int, found: Iterable[written.Written]) -> Iterator[Read]:
    size = 0
    for each in found:
        if size >= most_bytes:
            return
        texts = texts_to_read(each.subject, each.body, each.of_channels)
        size += sum(len(text.encode()) for text in texts)
        yield Read(each.message_id, texts, each.language)
