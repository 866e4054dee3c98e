"""What staff are told of besides threats, by e-mail and push: once for each event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as directory
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.kit.outbox import first_time
from services.notify import metrics
from services.notify.actions import WARNED, Source, ToTell, submit_later
from services.notify.clients import Directory
from services.notify.domain import Occasion, Telling

_log = get_logger(__name__)
_FOLLOWERS = ("flag_messages", "threat_alerts")
"""Permissions of which one opens referrals."""


@dataclass(frozen=True)
class Notice:
    """What somebody is told about, and in which words."""

    about_id: str
    occasion: Occasion
    words: Telling


async def find_followers(known: Directory, person_ids: Sequence[str]) -> list[directory.Recipient]:
    """Return those of the people who may still open referrals."""
    found = {each.person_id: each for name in _FOLLOWERS for each in await known.holders(name)}
    return [found[each] for each in person_ids if each in found]


async def find_administrators(known: Directory) -> list[directory.Recipient]:
    """Return who is told when nobody else is there to be told."""
    return await known.holders(WARNED)


async def tell(
    engine: AsyncEngine, now: datetime, source: Source, people: Sequence[directory.Recipient], notice: Notice
) -> None:
    """Write the submission that tells these people; a second time changes nothing."""
    async with transaction(engine) as connection:
        if not await first_time(connection, source.durable, source.event_id):
            return
        to_tell = ToTell(notice.occasion, list(people))
        await submit_later(connection, notice.about_id, to_tell, notice.words, now)
    if not people:
        metrics.nobody_told.add(1)
        _log.error("nobody_to_tell", occasion=notice.occasion, about_id=notice.about_id)
