"""What the queue tells of who set what, and stopped or sent again which message, for the audit log (statement 309).

Families' addresses are masked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from protos.events.v1 import settings_pb2 as settings
from services.kit.auth import Caller
from services.kit.outbox import add_event
from services.queue.attending import Rule
from services.queue.contacts import masked
from services.queue.domain import Channel, State
from services.queue.records import Entry
from services.queue.senders import Identity

SETTING_CHANGED = "queue.setting.changed.v1"
OWNER = ("", "Its owner")
"""Who changed what is wanted at an address or number, by a link or a text."""
PROVIDER = ("", "The provider")
"""Whose word it is that the owner wants no more."""
_LONGEST = 1_000


@dataclass(frozen=True)
class Done:
    """Who did something, and when."""

    by: tuple[str, str]
    """Id and name."""
    at: datetime

    @classmethod
    def of(cls, caller: Caller, at: datetime) -> "Done":
        """Return that a caller did it: a person, or a service by its token's subject."""
        return cls((caller.subject, caller.name), at)


async def tell_rule(connection: AsyncConnection, rule: Rule, what: str) -> None:
    """Tell what was done to an attendance rule."""
    done = Done((rule.changed_by, rule.changed_by_name), rule.changed_at)
    await _tell(connection, done, "attendance_rule.changed", f"rule={rule.name} {what}")


async def tell_consent(
    connection: AsyncConnection, done: Done, channel: Channel, destination: str, changes: Iterable[str]
) -> None:
    """Tell which types of messages a destination gets no more, or again: "stopped=survey", say; nothing of none."""
    if words := " ".join(changes):
        await _tell(connection, done, "consent.changed", f"{channel.value} {masked(destination)} {words}")


async def tell_lifted(connection: AsyncConnection, done: Done, channel: Channel, destination: str) -> None:
    """Tell that a destination is written to again although it had failed."""
    await _tell(connection, done, "suppression.lifted", f"{channel.value} {masked(destination)}")


async def tell_exemption(connection: AsyncConnection, done: Done, *, is_on: bool) -> None:
    """Tell whether emergencies ask nobody's consent from now on."""
    await _tell(connection, done, "emergency_exemption.changed", f"emergencies {'reach all' if is_on else 'ask'}")


async def tell_sender(connection: AsyncConnection, done: Done, identity: Identity, what: str) -> None:
    """Tell that a sender identity was set or removed."""
    parts = {
        "school": identity.school_id or "district",
        "type": identity.message_type.value if identity.message_type else "every",
        "way": identity.way.value,
        "address": identity.address,
        "name": identity.name,
    }
    detail = " ".join(f"{name}={value}" for name, value in parts.items() if value)
    await _tell(connection, done, "sender.changed", f"{what} {detail}")


async def tell_cancelled(connection: AsyncConnection, done: Done, message_id: str, stopped: int) -> None:
    """Tell that a message was stopped, and how many deliveries had not left."""
    await _tell(connection, done, "message.cancelled", f"deliveries={stopped}", message_id)


async def tell_resent(
    connection: AsyncConnection, done: Done, entry: Entry, states: Iterable[State], resent: int
) -> None:
    """Tell that a message was sent again by a new entry, to how many of those in which states."""
    parts = f"channel={entry.channel.value} states={','.join(states)} recipients={resent} of={entry.resend_of}"
    await _tell(connection, done, "message.resent", f"{parts} entry={entry.entry_id}", entry.message_id)


async def _tell(connection: AsyncConnection, done: Done, action: str, detail: str, message_id: str = "") -> None:
    event = settings.SettingChanged(
        changed_by_id=done.by[0],
        changed_by_name=done.by[1],
        action=action,
        detail=detail[:_LONGEST],
        message_id=message_id,
    )
    event.changed_at.FromDatetime(done.at)
    await add_event(connection, SETTING_CHANGED, event)
