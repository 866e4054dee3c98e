"""Recordings of calls: kept when uploaded, played to those who may see their entry, removed when their time ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied, ResourceExhausted, ServiceError
from services.kit.ids import new_id
from services.kit.logs import get_logger
from services.queue.actions.seeing import visible_schools
from services.queue.audio import MOST_BYTES, inspect
from services.queue.domain import Channel
from services.queue.providers.recordings import RecordingStore
from services.queue.records import Draft
from services.queue.store import deliveries, messages, recordings
from services.queue.store.deliveries import Seen
from services.queue.store.recordings import Recording
from services.queue.tickets import Purpose, Ticket, Tickets

_log = get_logger(__name__)
LISTENING = timedelta(minutes=15)
"""How long an address to listen at is good for."""
UNUSED_KEPT = timedelta(days=1)
"""How long a recording is kept that is not sent."""
_MOST_UNUSED = 50
_PIECE_BYTES = 256 * 1024
_REMOVED_AT_ONCE = 20


@dataclass(frozen=True)
class Recordings:
    """What it takes to keep and to play recordings."""

    engine: AsyncEngine
    clock: Clock
    store: RecordingStore
    tickets: Tickets

    async def keep(self, caller: Caller, pieces: AsyncIterator[bytes]) -> Recording:
        """Keep an uploaded recording. InvalidArgument for what cannot be played; ResourceExhausted for too many."""
        content = await _whole(pieces)
        audio = await asyncio.to_thread(inspect, content)
        now = self.clock()
        made = Recording(new_id(), caller.subject, audio.content_type, len(content), audio.duration_seconds, now)
        # The row comes first: audio without a row would never be removed.
        async with transaction(self.engine) as connection:
            if await recordings.count_unused(connection, made.owner_id) >= _MOST_UNUSED:
                raise ResourceExhausted("TOO_MANY_RECORDINGS", "Send some of your recordings first.")
            await recordings.insert(connection, made)
        await self.store.put(made.recording_id, content, made.content_type)
        async with transaction(self.engine) as connection:
            await recordings.mark_stored(connection, made.recording_id, self.clock())
        return made

    async def open_entry(self, caller: Caller, entry_id: str) -> tuple[Ticket, Recording]:
        """Return a ticket to listen to what an entry plays. NotFound for who cannot see the entry (statement 89)."""
        async with transaction(self.engine) as connection:
            found = await _of_entry(connection, caller, entry_id)
        return self._ticket(Purpose.ENTRY, entry_id, caller), found

    async def open_draft(self, caller: Caller, recording_id: str) -> tuple[Ticket, Recording]:
        """Return a ticket to listen to one's own upload."""
        async with transaction(self.engine) as connection:
            found = await _own(connection, caller, recording_id)
        return self._ticket(Purpose.DRAFT, recording_id, caller), found

    def _ticket(self, purpose: Purpose, subject_id: str, caller: Caller) -> Ticket:
        return Ticket(purpose, subject_id, caller.subject, self.clock() + LISTENING)

    async def find(self, caller: Caller, text: str) -> Recording:
        """Return the recording of a ticket, asking again whether its holder may hear it."""
        ticket = self.tickets.read(text, self.clock())
        if ticket.purpose is not Purpose.CALL and ticket.person_id != caller.subject:
            raise _unknown()
        async with transaction(self.engine) as connection:
            if ticket.purpose is Purpose.ENTRY:
                return await _of_entry(connection, caller, ticket.subject_id)
            if ticket.purpose is Purpose.DRAFT:
                return await _own(connection, caller, ticket.subject_id)
            return _known(await recordings.find(connection, ticket.subject_id))

    async def read(self, recording: Recording, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield a part of the audio in pieces."""
        end = min(recording.size_bytes, start + length)
        for at in range(start, end, _PIECE_BYTES):
            yield await self.store.read(recording.recording_id, at, min(_PIECE_BYTES, end - at))

    async def sweep(self, kept: timedelta) -> int:
        """Remove audio that was never sent, or not for so long; return how many recordings went.

        One that cannot be removed is logged and tried again at a later sweep, behind the others.
        """
        now = self.clock()
        async with transaction(self.engine) as connection:
            old = await recordings.take_old(connection, now, now - UNUSED_KEPT, now - kept, _REMOVED_AT_ONCE)
        return sum([await self._remove(recording_id, now) for recording_id in old])

    async def _remove(self, recording_id: str, now: datetime) -> bool:
        try:
            await self.store.remove(recording_id)
        except ServiceError as problem:
            _log.warning("recording_not_removed", recording_id=recording_id, reason=problem.reason)
            return False
        async with transaction(self.engine) as connection:
            await recordings.mark_removed(connection, recording_id, now)
        return True


async def use(connection: AsyncConnection, draft: Draft, caller: str, sent_at: datetime) -> None:
    """Note that a draft's recording is sent then, in the transaction that takes the message.

    Retention counts from there. InvalidArgument without a recording.
    """
    position = next((n for n, (name, _) in enumerate(draft.channels) if name == Channel.RECORDED), None)
    if position is None:
        return
    owners = [draft.sender.person_id, caller]
    if not (draft.recording_id and await recordings.use(connection, draft.recording_id, owners, sent_at)):
        wrong = [(f"/channels/{position}/recording_id", "Upload a recording.")]
        raise InvalidArgument("RECORDING_MISSING", "A recorded call needs a recording of its sender.", violations=wrong)


async def _whole(pieces: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > MOST_BYTES:
            break
    return bytes(content)


async def _of_entry(connection: AsyncConnection, caller: Caller, entry_id: str) -> Recording:
    found = await messages.find_entry(connection, entry_id)
    if found is None:
        raise _unknown()
    entry, its_message = found
    try:
        schools = visible_schools(caller, its_message)
    except PermissionDenied as problem:
        raise _unknown() from problem
    if schools is not None and not await deliveries.count(connection, entry, Seen(schools)):
        raise _unknown()
    return _known(await recordings.find(connection, entry.recording_id) if entry.recording_id else None)


async def _own(connection: AsyncConnection, caller: Caller, recording_id: str) -> Recording:
    found = _known(await recordings.find(connection, recording_id))
    if found.owner_id != caller.subject:
        raise _unknown()
    return found


def _known(found: Recording | None) -> Recording:
    if found is None:
        raise _unknown()
    return found


def _unknown() -> NotFound:
    return NotFound("RECORDING_NOT_FOUND", "There is no such recording, or it is no longer kept.")
