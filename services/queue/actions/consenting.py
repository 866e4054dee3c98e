"""Inbound texts: STOP, START and HELP change the consent ledger (statement 306), and so does what providers know of."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.queue import contacts
from services.queue.domain import Channel, travels_as
from services.queue.settings_out import OWNER, PROVIDER, Done, tell_consent
from services.queue.store import consent, exemptions

_WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "stopped": {
        "": ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        "es": ("alto", "parar", "pare", "cancelar", "baja", "detener"),
        "ht": ("sispann", "kanpe", "rete"),
        "pt": ("sair",),
        "fr": ("arret", "arreter", "desabonner"),
    },
    "started": {
        "": ("start", "yes", "unstop"),
        "es": ("iniciar", "empezar"),
        "ht": ("komanse",),
        "pt": ("comecar",),
        "fr": ("commencer", "demarrer"),
    },
    "help": {"": ("help", "info"), "es": ("ayuda",), "ht": ("ed",), "pt": ("ajuda",), "fr": ("aide",)},
}
"""By action and language, without accents. Those of no language are Twilio's own, on which its platform acts and which
it answers; of the others the queue alone knows."""


@dataclass(frozen=True)
class Heard:
    """What a text asks for."""

    action: str
    """stopped, started, help or ignored."""
    language: str = ""
    """In which it is to be answered; empty where the provider answers, and where nobody does."""


def heard(body: str) -> Heard:
    """Return what a text asks for; only a single word is one of ours."""
    plain = unicodedata.normalize("NFKD", body.strip(" \t\r\n.!¡").casefold())
    word = "".join(each for each in plain if not unicodedata.combining(each))
    for action, by_language in _WORDS.items():
        for language, words in by_language.items():
            if word in words:
                return Heard(action, language)
    return Heard("ignored")


async def emergencies_come(engine: AsyncEngine) -> bool:
    """Tell whether emergencies reach also those who stopped texts."""
    async with transaction(engine) as connection:
        return await exemptions.is_on(connection)


async def record_inbound(engine: AsyncEngine, clock: Clock, identity: str, sender: str, body: str) -> str:
    """Record an inbound text and return its action. The same text again changes nothing."""
    number = contacts.normal_number(sender)
    if not number:
        wrong = [("/from", "E.164 is needed.")]
        raise InvalidArgument("NUMBER_INVALID", "The sender is not a number.", violations=wrong)
    action = heard(body).action
    async with transaction(engine) as connection:
        is_new = await consent.record(
            connection, Channel.SMS, number, action, origin="inbound", now=clock(), provider_message_id=identity
        )
        if is_new and action in {"stopped", "started"}:
            await tell_consent(connection, Done(OWNER, clock()), Channel.SMS, number, [f"{action}=every"])
        return action if is_new else await consent.action_of(connection, identity)


async def record_provider_stops(
    connection: AsyncConnection, deliveries: Mapping[tuple[str, int], datetime | None], now: datetime
) -> None:
    """Record that a provider says of deliveries (entry and number) that their recipients want no more.

    With each goes when it left, where that is known. A START that came later is the last word.
    Their outcomes must still stand as they were when the messages left, or just have been written.
    """
    for channel, destination in await consent.not_started_since(connection, deliveries):
        way = travels_as(channel)
        if await consent.record(connection, way, destination, "stopped", origin="provider", now=now):
            await tell_consent(connection, Done(PROVIDER, now), way, destination, ["stopped=every"])
