"""Unsubscribing by the link of an e-mail (statement 306): RFC 2369's and RFC 8058's headers, and a line in the text."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.kit.dates import spoken
from services.queue.links import Link, Links
from services.queue.message_types import LISTED, MessageType
from services.queue.work import Delivery, Work

PURPOSE: Final = "unsubscribe"
_KEPT: Final = timedelta(days=400)
"""A link works for this long after the message was made; the law asks for thirty days after it was sent."""
_ORDER: Final = (MessageType.ATTENDANCE, MessageType.ANNOUNCEMENT, MessageType.SURVEY)
_LINES: Final = {
    "en": ("To get no more {} by e-mail:", "attendance notices", "announcements", "polls and sign-ups"),
    "es": (
        "Para no recibir más {} por correo electrónico:",
        *("avisos de asistencia", "anuncios", "encuestas e inscripciones"),
    ),
    "fr": (
        "Pour ne plus recevoir {} par e-mail :",
        *("les avis d'absence", "les annonces", "les sondages et les inscriptions"),
    ),
    "ht": ("Pou w pa resevwa {} ankò pa imèl:", "avi sou prezans", "anons", "sondaj ak enskripsyon"),
    "pt": ("Para não receber mais {} por e-mail:", "avisos de frequência", "comunicados", "enquetes e inscrições"),
}
"""By language: the line, and the types in their order. Another language has the English line."""


@dataclass(frozen=True)
class Leaving:
    """Makes the links."""

    url: str
    """The gateway's /unsubscribe, as families reach it."""
    links: Links

    def address(self, work: Work, recipient: Delivery) -> str:
        """Return where this recipient unsubscribes; empty for messages that are no list's. The same at each attempt."""
        batch = work.batch
        if work.content.message_type not in LISTED:
            return ""
        link = Link(batch.entry_id, recipient.number, batch.created_at + _KEPT)
        return f"{self.url}/{self.links.sign(link)}"


def headers(address: str) -> list[tuple[str, str]]:
    """Return the headers of an e-mail that can be unsubscribed at this address; a mail program may POST to it."""
    return [("List-Unsubscribe", f"<{address}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]


def line(message_type: MessageType, address: str, language: str) -> str:
    """Return what the end of a text in this language says."""
    words, *types = _LINES[spoken(language)]
    return f"\n\n{words.format(types[_ORDER.index(message_type)])}\n{address}"
