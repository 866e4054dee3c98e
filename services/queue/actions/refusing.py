"""Destinations that a channel may not write to: consent withdrawn, or suppressed."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel, State, travels_as
from services.queue.message_types import MessageType
from services.queue.records import Outcome
from services.queue.store import consent, exemptions, suppressions
from services.queue.suppressing import ERROR_CODES
from services.queue.work import Work

STOPPED = "STOPPED"


async def refused(
    connection: AsyncConnection,
    channel: Channel,
    message_type: MessageType,
    destinations: Sequence[str],
) -> dict[str, str]:
    """Return the code of why not, by destination, for those that may not be written to.

    Where the district says so, emergencies ask nobody's consent; what is suppressed is never written to.
    """
    if not destinations:
        return {}
    channel = travels_as(channel)
    found = {
        each: ERROR_CODES[reason]
        for each, reason in (await suppressions.among(connection, channel, destinations)).items()
    }
    if message_type is not MessageType.EMERGENCY or not await exemptions.is_on(connection):
        found |= dict.fromkeys(await consent.stopped(connection, channel, message_type, destinations), STOPPED)
    return found


async def with_refusals(connection: AsyncConnection, works: Sequence[Work]) -> list[Work]:
    """Return claimed batches with what is refused now among their destinations."""
    alike: dict[tuple[Channel, MessageType], list[Work]] = {}
    for each in works:
        alike.setdefault((each.batch.channel, each.content.message_type), []).append(each)
    found: dict[int, dict[str, str]] = {}
    for (channel, message_type), several in alike.items():
        destinations = [one.destination for work in several for one in work.recipients if one.destination]
        refusals = await refused(connection, channel, message_type, destinations)
        found |= dict.fromkeys((work.batch.batch_id for work in several), refusals)
    return [replace(each, refusals=found[each.batch.batch_id]) for each in works]


def outcome_of(number: int, attempt: int, code: str) -> Outcome:
    """Return what becomes of a delivery to a destination that may not be written to."""
    state = State.OPTED_OUT if code == STOPPED else State.ERROR
    return Outcome(number, state, attempt, "lantern", "", code)
