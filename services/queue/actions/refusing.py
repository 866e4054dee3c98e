"""Destinations that a channel may not write to: consent withdrawn, or suppressed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel, State, travels_as
from services.queue.message_types import MessageType
from services.queue.records import Entry, Outcome
from services.queue.store import consent, exemptions, suppressions
from services.queue.suppressing import ERROR_CODES
from services.queue.work import Work

STOPPED = "STOPPED"
_MOST_LISTED = 5_000


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


async def every_refused(
    connection: AsyncConnection, channel: Channel, message_type: MessageType
) -> dict[str, str] | None:
    """Return all destinations that `refused` could answer, with the code of why not; None when they are many."""
    channel = travels_as(channel)
    suppressed = await suppressions.every(connection, channel, _MOST_LISTED)
    stopped: Sequence[str] = ()
    if message_type is not MessageType.EMERGENCY or not await exemptions.is_on(connection):
        stopped = await consent.every_stopped(connection, channel, message_type, _MOST_LISTED)
    if max(len(suppressed), len(stopped)) == _MOST_LISTED:
        return None
    return {each: ERROR_CODES[reason] for each, reason in suppressed.items()} | dict.fromkeys(stopped, STOPPED)


class Refusals:
    """What is refused among the destinations of some entries, which come in lots.

    A long message asks for the whole list once, unless that is long too: each lot would wait for an answer.
    """

    def __init__(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        """Nothing is known yet, unless there are no entries."""
        self._connection, self._entries = connection, entries
        self._every: dict[str, Mapping[str, str]] = {}

    @property
    def is_known(self) -> bool:
        """Tell whether `of` asks for nothing any more."""
        return len(self._every) == len(self._entries)

    async def learn(self) -> None:
        """Ask for all that is refused."""
        for each in self._entries:
            found = await every_refused(self._connection, each.channel, each.message_type)
            if found is None:
                return
            self._every[each.entry_id] = found

    async def of(self, entry: Entry, destinations: Sequence[str]) -> Mapping[str, str]:
        """Return the code of why not by destination, of these at least; nothing for other entries."""
        if self.is_known:
            return self._every.get(entry.entry_id, {})
        return await refused(self._connection, entry.channel, entry.message_type, destinations)


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
