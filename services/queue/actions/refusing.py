"""Destinations that a channel may not write to: consent withdrawn, or suppressed."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import Channel, State, travels_as
from services.queue.message_types import MessageType
from services.queue.records import Outcome
from services.queue.store import consent, suppressions
from services.queue.suppressing import ERROR_CODES
from services.queue.work import Delivery

STOPPED = "STOPPED"


async def refused(
    connection: AsyncConnection,
    channel: Channel,
    message_type: MessageType,
    destinations: Sequence[str],
    *,
    ignores_stop: bool,
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
        found |= dict.fromkeys(await consent.stopped(connection, channel, message_type, destinations), STOPPED)
    return found


def outcome_of(number: int, attempt: int, code: str) -> Outcome:
    """Return what becomes of a delivery to a destination that may not be written to."""
    state = State.OPTED_OUT if code == STOPPED else State.ERROR
    return Outcome(number, state, attempt, "lantern", "", code)


def refusal_of(delivery: Delivery, *, ignores_stop: bool) -> str:
    """Return the code of why a delivery's destination may not be written to; empty when it may."""
    if delivery.is_stopped and not ignores_stop:
        return STOPPED
    return ERROR_CODES[delivery.suppressed] if delivery.suppressed else ""
