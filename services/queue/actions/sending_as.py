"""Who may say from where messages go, and what an entry of a message goes out with."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.queue import senders as rules
from services.queue.actions.standing import KnownSchool
from services.queue.domain import Channel, Source
from services.queue.message_types import MessageType
from services.queue.records import Message
from services.queue.senders import MAX_NAME, From, Identity, Way
from services.queue.settings_out import Done, tell_sender
from services.queue.store import senders
from services.queue.store.senders import Change

_CHANGES_SHOWN = 50
_EXAMPLES = {
    Way.EMAIL: "Enter an e-mail address.",
    Way.SMS: "Enter a phone number, or a messaging service: MG and 32 digits or letters a to f.",
    Way.CALL: "Enter a phone number.",
}


async def senders_of(connection: AsyncConnection, message: Message) -> Callable[[Channel, MessageType], From]:
    """Return what finds the sender of each of a message's entries, as it stands now."""
    school_id = message.sender.school_id if message.source is Source.SCHOOL else ""
    identities = await senders.of_school(connection, school_id)
    return lambda channel, message_type: rules.chosen(identities, channel, message_type, school_id)


async def listed(engine: AsyncEngine, caller: Caller) -> tuple[list[Identity], list[Change]]:
    """Return the identities that the caller may see, the district's among them, and their latest changes."""
    seen = _managed(caller)
    async with transaction(engine) as connection:
        every = await senders.every(connection)
        changes = await senders.changes(connection, seen and ["", *seen], _CHANGES_SHOWN)
    return [each for each in every if seen is None or each.school_id in {"", *seen}], changes


@dataclass(frozen=True)
class Senders:
    """What changing identities takes."""

    engine: AsyncEngine
    clock: Clock
    domains: Collection[str]
    """Domains that e-mails may come from."""

    async def put(self, caller: Caller, identity: Identity, schools: Mapping[str, KnownSchool]) -> None:
        """Set an identity.

        PermissionDenied for a school that the caller does not manage, and for the district but for who manages all;
        InvalidArgument with every violation.
        """
        by = _check_manages(caller, identity.school_id)
        address = rules.normal(identity.way, identity.address)
        wrong = self._problems(identity, address)
        if identity.school_id and identity.school_id not in schools:
            wrong.append(("/school_id", "There is no such school."))
        if wrong:
            raise InvalidArgument("SENDER_INVALID", "The sender is not in order.", violations=wrong)
        name = " ".join(identity.name.split())
        async with transaction(self.engine) as connection:
            fresh, now = replace(identity, address=address, name=name), self.clock()
            if await senders.put(connection, fresh, by, now):
                await tell_sender(connection, Done(by, now), fresh, "set")

    async def remove(self, caller: Caller, identity: Identity) -> None:
        """Remove the identity of this school, type and way. NotFound without one; PermissionDenied as in `put`."""
        by = _check_manages(caller, identity.school_id)
        async with transaction(self.engine) as connection:
            if (removed := await senders.remove(connection, identity, by, self.clock())) is None:
                raise NotFound("SENDER_NOT_FOUND", "There is no such sender.")
            await tell_sender(connection, Done(by, self.clock()), removed, "removed")

    def _problems(self, identity: Identity, address: str) -> list[tuple[str, str]]:
        found, is_mail = [], identity.way is Way.EMAIL
        domain = address.rpartition("@")[2]
        if not address and (identity.address.strip() or not (is_mail and identity.name.strip())):
            found.append(("/address", _EXAMPLES[identity.way]))
        elif is_mail and address and domain not in self.domains:
            allowed = ", ".join(sorted(self.domains)) or "none yet: SENDER_DOMAINS is empty"
            found.append(("/address", f"E-mails cannot come from {domain}. Domains that are set up: {allowed}."))
        if identity.name.strip() and not is_mail:
            found.append(("/name", "Only e-mails show a name."))
        if len(identity.name) > MAX_NAME or not identity.name.replace("\n", " ").isprintable():
            found.append(("/name", f"At most {MAX_NAME} characters, without signs that cannot be seen."))
        return found


def _managed(caller: Caller) -> Sequence[str] | None:
    """Return the schools whose senders the caller manages; None: all, and the district's. Raises PermissionDenied."""
    viewer = caller.viewer
    if viewer is None:
        return None
    if "manage_directory" not in viewer.permissions:
        raise PermissionDenied("OPERATORS_ONLY", "This is for those who manage the directory.")
    return None if viewer.is_district_wide else sorted(viewer.schools)


def _check_manages(caller: Caller, school_id: str) -> tuple[str, str]:
    managed = _managed(caller)
    if managed is not None and (not school_id or school_id not in managed):
        raise PermissionDenied("SCHOOL_NOT_YOURS", "You manage the senders of your own schools alone.")
    return caller.subject, caller.name
