"""Sending again in QueueService: proto to action to proto."""

from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import queue_pb2 as pb
from services.kit.auth import Caller, current_caller
from services.kit.clock import Clock
from services.kit.ids import check_id
from services.queue import keys, preview_words, words
from services.queue.actions import control, previewing, resendable, resending
from services.queue.actions.resendable import FromDirectory, Resend
from services.queue.clients import Directory
from services.queue.inviting import Invitations


class Resending:
    """The part of QueueService that sends again (statement 305)."""

    _engine: AsyncEngine
    _clock: Clock
    _directory: Directory
    _prices: preview_words.Prices
    _invitations: Invitations | None

    async def ListResendWays(self, request: pb.ListResendWaysRequest, context: Any) -> pb.ListResendWaysResponse:
        """Answer by which channels an entry may be sent again."""
        caller, told = await self._told()
        entry_id = check_id("entry_id", request.entry_id)
        found = await resendable.ways_of(self._engine, self._clock, caller, entry_id, told)
        ways = [pb.ResendWay(channel=words.channel_number(channel), refusal=refusal) for channel, refusal in found]
        return pb.ListResendWaysResponse(ways=ways)

    async def PreviewResend(self, request: pb.PreviewResendRequest, context: Any) -> pb.PreviewResendResponse:
        """Say what ResendEntry would do."""
        caller, told = await self._told()
        wanted, invitations = _wanted(request), self._invitations
        found = await previewing.preview_resend(self._engine, self._clock, caller, wanted, told, invitations)
        return pb.PreviewResendResponse(channel=preview_words.channel_preview(found, self._prices))

    async def ResendEntry(self, request: pb.ResendEntryRequest, context: Any) -> pb.ResendEntryResponse:
        """Send again to those in Error or Expired."""
        wanted = _wanted(request, keys.read(request))
        caller, told = await self._told()
        entry_id, resent = await resending.resend(self._engine, self._clock, caller, wanted, told)
        return pb.ResendEntryResponse(entry_id=entry_id, resent=resent)

    async def _told(self) -> tuple[Caller, FromDirectory]:
        """Return the caller, who must be staff or a service, and what directory says of them."""
        caller = current_caller()
        control.check_manager(caller)
        person_id = caller.viewer.person_id if caller.viewer else ""
        known = await self._directory.known(person_id)
        return caller, FromDirectory(known, partial(self._directory.contacts_of, person_id))


def _wanted(request: pb.PreviewResendRequest | pb.ResendEntryRequest, key: keys.Key = keys.Key("", b"")) -> Resend:
    return Resend(
        key=key.key,
        header_hash=key.request_hash,
        entry_id=check_id("entry_id", request.entry_id),
        states=words.states(request.states),
        channel=words.channel(request.channel),
    )
