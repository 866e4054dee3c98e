"""Showing what the link of an e-mail unsubscribes from, and doing it (statement 306)."""

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.queue.contacts import masked
from services.queue.domain import Channel
from services.queue.links import Links, unknown_link
from services.queue.message_types import LISTED, MessageType
from services.queue.settings_out import OWNER, Done, tell_consent
from services.queue.store import consent
from services.queue.store.consent import TypeChange


@dataclass(frozen=True)
class Subscription:
    """One type of messages to one address."""

    address: str
    message_type: MessageType
    is_wanted: bool
    language: str
    """The recipient's when it was sent, as a BCP 47 tag; empty: none was known."""

    @property
    def masked(self) -> str:
        """The address as a page may show it to whoever holds the link: its first letter and its domain."""
        return masked(self.address)


@dataclass(frozen=True)
class Unsubscribing:
    """What showing and changing take."""

    engine: AsyncEngine
    clock: Clock
    links: Links | None
    """None where links are not set up."""

    async def show(self, link: str) -> Subscription:
        """Return what a link is about. NotFound for one that is none, or too old."""
        async with transaction(self.engine) as connection:
            return await self._find(connection, link)

    async def change(self, link: str, *, is_wanted: bool) -> Subscription:
        """Unsubscribe, or subscribe again; what stands so already stays. NotFound as in `show`."""
        async with transaction(self.engine) as connection:
            found = await self._find(connection, link)
            change = TypeChange(Channel.EMAIL, found.address, found.message_type, is_wanted, "unsubscribe")
            if await consent.set_type(connection, change, self.clock()):
                word = f"{'started' if is_wanted else 'stopped'}={found.message_type.value}"
                done = Done(OWNER, self.clock())
                await tell_consent(connection, done, Channel.EMAIL, found.address, [word])
        return replace(found, is_wanted=is_wanted)

    async def _find(self, connection: AsyncConnection, text: str) -> Subscription:
        if self.links is None:
            raise unknown_link()
        link = self.links.read(text, self.clock())
        row = await consent.subscription(connection, link.subject_id, link.number)
        if row is None or row[1] not in LISTED:
            raise unknown_link()
        return Subscription(row[0], MessageType(row[1]), row[2], row[3])
