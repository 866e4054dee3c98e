"""Destinations that a channel may not write to: consent withdrawn, or suppressed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel, State, travels_as
from services.queue.message_types import MessageType
from services.queue.records import Entry, Outcome
from services.queue.store import exemptions, refusals
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
    asks_consent = await _asks_consent(connection, message_type)
    found = refusals.among(connection, travels_as(channel), message_type, destinations, asks_consent=asks_consent)
    return _codes(await found)


async def every_refused(
    connection: AsyncConnection, channel: Channel, message_type: MessageType
) -> dict[str, str] | None:
    """Return all destinations that `refused` could answer, with the code of why not; None when they are many."""
    asks_consent = await _asks_consent(connection, message_type)
    most = _MOST_LISTED
    found = await refusals.every(connection, travels_as(channel), message_type, most, asks_consent=asks_consent)
    return None if found is None else _codes(found)


async def _asks_consent(connection: AsyncConnection, message_type: MessageType) -> bool:
    return message_type is not MessageType.EMERGENCY or not await exemptions.is_on(connection)


def _codes(found: refusals.Refused) -> dict[str, str]:
    suppressed, stopped = found
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
        codes = await refused(connection, channel, message_type, destinations)
        found |= dict.fromkeys((work.batch.batch_id for work in several), codes)
    return [replace(each, refusals=found[each.batch.batch_id]) for each in works]


def outcome_of(number: int, attempt: int, code: str) -> Outcome:
    """Return what becomes of a delivery to a destination that may not be written to."""
    state = State.OPTED_OUT if code == STOPPED else State.ERROR
    return Outcome(number, state, attempt, "lantern", "", code)
