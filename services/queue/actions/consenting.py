"""Inbound texts: STOP, START and HELP change the consent ledger (statement 306)."""

import unicodedata

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue import contacts
from services.queue.domain import Channel
from services.queue.settings_out import OWNER, Done, tell_consent
from services.queue.store import consent

# Twilio's own lists, on which its platform acts too, and then the words of Spanish, Haitian Creole, Portuguese and
# French, on which the queue alone acts; all without accents.
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"}) | {
    *("alto", "parar", "pare", "cancelar", "baja", "detener"),
    *("sispann", "kanpe", "rete"),
    "sair",
    *("arret", "arreter", "desabonner"),
}
_START = frozenset({"start", "yes", "unstop"}) | {
    *("iniciar", "empezar", "komanse", "comecar", "commencer", "demarrer")
}
_HELP = frozenset({"help", "info"}) | {"ayuda", "ed", "ajuda", "aide"}


def action_for(body: str) -> str:
    """Return what the text asks for: stopped, started, help or ignored."""
    plain = unicodedata.normalize("NFKD", body.strip(" \t\r\n.!¡").casefold())
    word = "".join(each for each in plain if not unicodedata.combining(each))
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
        if is_new and action in {"stopped", "started"}:
            await tell_consent(connection, Done(OWNER, clock()), Channel.SMS, number, [f"{action}=every"])
        return action if is_new else await consent.action_of(connection, identity)
