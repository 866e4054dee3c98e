"""Telling administrators that the embedded model decides in the vendor's place: once when it begins, once when it ends.

It has ended when the vendor judges again and the embedded model has not decided in its place for five minutes, so that
a vendor which fails now and then is told of once. One that fails again and again is told of every four hours at most:
of what ended before it was told, its end is not told either.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.events.v1 import moderation_pb2 as events
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.kit.outbox import add_event
from services.moderation import store
from services.moderation.domain import Trouble

PROVIDER_CHANGED = "moderation.provider.changed.v1"
QUIET = timedelta(minutes=5)
PAUSE = timedelta(hours=4)
FORGOTTEN_AFTER = timedelta(days=1)
_TROUBLES = {
    Trouble.SILENT: events.ProviderChanged.TROUBLE_SILENT,
    Trouble.QUOTA: events.ProviderChanged.TROUBLE_QUOTA,
    Trouble.REFUSED: events.ProviderChanged.TROUBLE_REFUSED,
}
_log = get_logger(__name__)


async def note_replaced(connection: AsyncConnection, trouble: Trouble, now: datetime) -> None:
    """Note that the embedded model has decided in the vendor's place, and tell it once, not too soon after the last."""
    began_at = await store.note_outage(connection, trouble, now, now - PAUSE)
    if began_at is None:
        return
    event = events.ProviderChanged(is_out=True, trouble=_TROUBLES[trouble])
    event.began_at.FromDatetime(began_at)
    await add_event(connection, PROVIDER_CHANGED, event)
    _log.error("provider_replaced", trouble=trouble)


async def note_back(engine: AsyncEngine, answered_at: datetime, now: datetime) -> None:
    """Tell that it is over, if it was told of and the vendor, which answered then, needed no replacement of late."""
    async with transaction(engine) as connection:
        ended = await store.end_outage(connection, min(answered_at, now - QUIET))
        if ended is None or not ended.is_told:
            return
        event = events.ProviderChanged(trouble=_TROUBLES[Trouble(ended.trouble)])
        event.began_at.FromDatetime(ended.began_at)
        event.ended_at.FromDatetime(ended.last_at)
        await add_event(connection, PROVIDER_CHANGED, event)
    _log.info("provider_back", trouble=ended.trouble)


async def note_given_up(engine: AsyncEngine, now: datetime) -> None:
    """Forget the outage of a vendor that is not asked any more: its end never comes.

    Others may still ask it, and tell of it: only what no replica has noted again for a day is forgotten.
    """
    async with transaction(engine) as connection:
        await store.end_outage(connection, now - FORGOTTEN_AFTER)
