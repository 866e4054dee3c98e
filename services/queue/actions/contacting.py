"""How a destination stands, for operators: consent, suppression, who changed what; and changing both."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.queue import settings_out
from services.queue.contacts import normal_email, normal_number
from services.queue.domain import Channel
from services.queue.message_types import CHOOSABLE, MessageType
from services.queue.reasons import LONGEST_REASON, check_reason, is_reason
from services.queue.settings_out import Done
from services.queue.store import consent, exemptions, suppressions
from services.queue.store.consent import TypeChange
from services.queue.store.exemptions import ExemptionChange
from services.queue.store.suppressions import ContactStanding, Key, Sought, Suppression

MOST_LIFTED = 500
"""Destinations that are lifted at once."""
_CHANGES_SHOWN = 50
_LONGEST = 254
_CONSENTING = frozenset({Channel.EMAIL, Channel.SMS})


@dataclass(frozen=True)
class Wish:
    """What the owner of a destination told staff."""

    channel: Channel | None
    destination: str
    stop: Sequence[MessageType]
    """Not wanted any more."""
    start: Sequence[MessageType]
    """Wanted again."""
    reason: str
    """Who asked, and how."""


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


async def suppressed(
    engine: AsyncEngine, caller: Caller, sought: Sought, after: Key, size: int
) -> tuple[list[Suppression], int]:
    """Return the next suppressions, newest first, and how many there are in all; PermissionDenied as in `standing`."""
    check_operator(caller)
    async with transaction(engine) as connection:
        found = await suppressions.listed(connection, sought, after, size)
        return found, await suppressions.how_many(connection, sought)


async def lift(engine: AsyncEngine, clock: Clock, caller: Caller, destinations: Sequence[str]) -> int:
    """Write to destinations again; return how many were suppressed.

    NotFound when none is; InvalidArgument for too many or what is no destination; PermissionDenied as in `standing`.
    """
    by = check_operator(caller)
    if not 1 <= len(destinations) <= MOST_LIFTED:
        wrong = [("/destinations", f"Name 1 to {MOST_LIFTED} addresses and numbers.")]
        raise InvalidArgument("DESTINATIONS_INVALID", "Too few or too many destinations are named.", violations=wrong)
    # In one order, so that two who lift the same wait for each other and not for good.
    wanted = sorted({normal(each) for each in destinations})
    lifted, done = 0, Done(by, clock())
    async with transaction(engine) as connection:
        for each in wanted:
            channel = Channel.EMAIL if "@" in each else Channel.SMS
            if await suppressions.lift(connection, channel, each, by, done.at):
                await settings_out.tell_lifted(connection, done, channel, each)
                lifted += 1
        if not lifted:
            raise NotFound("SUPPRESSION_UNKNOWN", "None of these destinations is suppressed.")
    return lifted


async def set_consent(engine: AsyncEngine, clock: Clock, caller: Caller, wish: Wish) -> None:
    """Stop and start types of messages; what stands so already stays as it is.

    InvalidArgument with every violation; FailedPrecondition when the owner texted STOP, which they alone can take back;
    PermissionDenied as in `standing`.
    """
    by, destination = check_operator(caller), normal(wish.destination)
    if wrong := _problems(wish):
        raise InvalidArgument("CONSENT_INVALID", "The change is not in order.", violations=wrong)
    async with transaction(engine) as connection:
        if wish.channel in await consent.stopped_by_owner(connection, destination):
            raise FailedPrecondition(
                "STOPPED_BY_OWNER", "The owner texted STOP. Only they can take it back, by texting START to our number."
            )
        channel, said = wish.channel or Channel.EMAIL, wish.reason.strip()
        changed = []
        for types, is_wanted in ((wish.stop, False), (wish.start, True)):
            for each in sorted(types):
                change = TypeChange(channel, destination, each, is_wanted, "staff", by, said)
                if await consent.set_type(connection, change, clock()):
                    changed.append(f"{'started' if is_wanted else 'stopped'}={each.value}")
        await settings_out.tell_consent(connection, Done(by, clock()), channel, destination, changed)


async def exemption(engine: AsyncEngine, caller: Caller) -> list[ExemptionChange]:
    """Return who said when that emergencies ask nobody's consent or do, newest first. PermissionDenied as above."""
    check_operator(caller)
    async with transaction(engine) as connection:
        return await exemptions.latest(connection, _CHANGES_SHOWN)


async def set_exemption(engine: AsyncEngine, clock: Clock, caller: Caller, *, to: bool, reason: str) -> None:
    """Let emergencies ask nobody's consent, or again. InvalidArgument without a reason; PermissionDenied as above."""
    by = check_operator(caller)
    said = check_reason(reason)
    async with transaction(engine) as connection:
        await exemptions.change(connection, to=to, reason=said, by=by, now=clock())
        await settings_out.tell_exemption(connection, Done(by, clock()), is_on=to)


def _problems(wish: Wish) -> list[tuple[str, str]]:
    found = []
    if wish.channel not in _CONSENTING or (wish.channel is Channel.EMAIL) != ("@" in wish.destination):
        found.append(("/channel", "EMAIL is for an address, SMS for a number."))
    if not (wish.stop or wish.start):
        found.append(("/types", "Change at least one type of messages."))
    if set(wish.stop) & set(wish.start) or not {*wish.stop, *wish.start} <= CHOOSABLE:
        found.append(("/types", "A type may be named once; alerts cannot be chosen."))
    if not is_reason(wish.reason):
        found.append(("/reason", f"Say who asked, and how, in 1 to {LONGEST_REASON} characters."))
    return found


def check_operator(caller: Caller) -> tuple[str, str]:
    """Return id and name of an operator: a contact is of several schools, so the right to every school is needed.

    PermissionDenied for anybody else.
    """
    viewer = caller.viewer
    if viewer and not ("manage_directory" in viewer.permissions and viewer.is_district_wide):
        raise PermissionDenied("OPERATORS_ONLY", "This is for those who manage the whole district's directory.")
    return caller.subject, caller.name
