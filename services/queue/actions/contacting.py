"""How a destination stands, for operators: consent, suppression, who changed what; and lifting a suppression."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.queue.contacts import normal_email, normal_number
from services.queue.domain import Channel
from services.queue.store import suppressions
from services.queue.store.suppressions import ContactStanding

_CHANGES_SHOWN = 50
_LONGEST = 254


def normal(text: str) -> str:
    """Return an address or number as deliveries hold it. InvalidArgument when it is neither."""
    found = (normal_email(text) if "@" in text else normal_number(text)) if len(text) <= _LONGEST else ""
    if not found:
        wrong = [("/destination", "Enter an e-mail address or a phone number.")]
        raise InvalidArgument("DESTINATION_INVALID", "This is no address and no number.", violations=wrong)
    return found


async def standing(engine: AsyncEngine, caller: Caller, destination: str) -> ContactStanding:
    """Return how a destination stands. PermissionDenied for all but the district's operators."""
    check_operator(caller)
    async with transaction(engine) as connection:
        return await suppressions.standing(connection, normal(destination), _CHANGES_SHOWN)


async def lift(engine: AsyncEngine, clock: Clock, caller: Caller, channel: Channel, destination: str) -> None:
    """Write to a destination again. NotFound when it is not suppressed; PermissionDenied as in `standing`."""
    by = check_operator(caller)
    async with transaction(engine) as connection:
        if not await suppressions.lift(connection, channel, normal(destination), by, clock()):
            raise NotFound("SUPPRESSION_UNKNOWN", "This destination is not suppressed.")


def check_operator(caller: Caller) -> tuple[str, str]:
    """Return id and name of an operator: a contact is of several schools, so the right to every school is needed.

    PermissionDenied for anybody else.
    """
    viewer = caller.viewer
    if viewer is None:
        return caller.subject, caller.subject
    if "manage_directory" not in viewer.permissions or "*" not in viewer.schools:
        raise PermissionDenied("OPERATORS_ONLY", "This is for those who manage the whole district's directory.")
    return viewer.person_id, viewer.name
