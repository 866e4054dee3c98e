"""Destinations that a channel may not write to: consent withdrawn, or suppressed."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel, State, travels_as
from services.queue.records import Outcome
from services.queue.store import consent, suppressions
from services.queue.suppressing import ERROR_CODES

STOPPED = "STOPPED"


async def refused(
    connection: AsyncConnection, channel: Channel, destinations: Sequence[str], *, ignores_stop: bool
) -> dict[str, str]:
    """Return the code of why not, by destination, for those that may not be written to.

    `ignores_stop` is for emergencies where the district says so; what is suppressed is never written to.
    """
    if not destinations:
        return {}
    channel = travels_as(channel)
    found = {
        each: ERROR_CODES[reason]
        for each, reason in (await suppressions.among(connection, channel, destinations)).items()
    }
    if not ignores_stop:
        found |= dict.fromkeys(await consent.stopped(connection, channel, destinations), STOPPED)
    return found


def outcome_of(number: int, attempt: int, destination: str, refusals: Mapping[str, str]) -> Outcome | None:
    """Return what becomes of a delivery to a destination that may not be written to; None when it may."""
    code = refusals.get(destination)
    if code is None:
        return None
    state = State.OPTED_OUT if code == STOPPED else State.ERROR
    return Outcome(number, state, attempt, "lantern", "", code)
