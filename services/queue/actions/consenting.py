"""Inbound texts: STOP, START and HELP change the consent ledger (statement 306)."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue import contacts
from services.queue.domain import Channel
from services.queue.store import consent

# Twilio's own lists: its platform acts on the same words.
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START = frozenset({"start", "yes", "unstop"})
_HELP = frozenset({"help", "info"})


def action_for(body: str) -> str:
    """Return what the text asks for: stopped, started, help or ignored."""
    word = body.strip().casefold()
    for words, action in ((_STOP, "stopped"), (_START, "started"), (_HELP, "help")):
        if word in words:
            return action
    return "ignored"


async def record_inbound(engine: AsyncEngine, clock: Clock, identity: str, sender: str, body: str) -> str:
    """Record an inbound text and return its action. The same text again changes nothing."""
    number = contacts.normal_number(sender)
    if not number:
        wrong = [("/from", "E.164 is needed.")]
        raise InvalidArgument("NUMBER_INVALID", "The sender is not a number.", violations=wrong)
    action = action_for(body)
    async with transaction(engine) as connection:
        is_new = await consent.record(
            connection, Channel.SMS, number, action, origin="inbound", now=clock(), provider_message_id=identity
        )
        return action if is_new else await consent.action_of(connection, identity)
