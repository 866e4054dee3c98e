"""What the e-mail of a poll or a sign-up says, and texts and push beside it: the text, and the recipient's own link.

The words around the link are ours. They stand in the language of the text where we speak it, else they are translated
from English with it, or stay English.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.kit.dates import is_spoken, spoken, written, zone_name
from services.queue.domain import MAX_TEXT, Channel
from services.queue.links import LENGTH, Link, Links
from services.queue.merging import text_for
from services.queue.surveys import LINK_KEPT, Survey
from services.queue.translating import cut
from services.queue.work import Delivery, Work

_USUAL_NAME = "Guadalupe Rodriguez"


class Around(NamedTuple):
    """What stands around a link."""

    about: str
    """Above that of one {student}."""
    plain: str
    """Above anybody's."""
    below: str


_AROUND = {
    "en": Around(
        "Your answer about {student}:",
        "Your answer:",
        "You can change it until {until}. The link is yours alone: whoever has it can answer for you.",
    ),
    "es": Around(
        "Su respuesta sobre {student}:",
        "Su respuesta:",
        "Puede cambiarla hasta el {until}. El enlace es solo suyo: quien lo tenga puede responder por usted.",
    ),
    "fr": Around(
        "Votre réponse au sujet de {student} :",
        "Votre réponse :",
        "Vous pouvez la changer jusqu'au {until}. Ce lien n'est qu'à vous : quiconque l'a peut répondre à votre place.",
    ),
    "ht": Around(
        "Repons ou pou {student}:",
        "Repons ou:",
        "Ou ka chanje li jiska {until}. Lyen sa a se pou ou sèlman: nenpòt moun ki genyen li ka reponn pou ou.",
    ),
    "pt": Around(
        "Sua resposta sobre {student}:",
        "Sua resposta:",
        "Você pode mudá-la até {until}. O link é só seu: quem o tiver pode responder por você.",
    ),
}


@dataclass(frozen=True)
class Invitations:
    """Writes invitations."""

    url: str
    """The gateway's /answer, as families reach it."""
    links: Links
    zone: str
    """The district's."""

    def around(self, survey: Survey, language: str) -> Around | None:
        """Return what is translated from English with a poll or a sign-up; None for a language that we speak."""
        return None if is_spoken(language) or survey.closes_at is None else self._said(survey.closes_at, "en")

    def _said(self, closes_at: datetime, language: str) -> Around:
        said = _AROUND[language]
        until = f"{written(closes_at, ZoneInfo(self.zone), language)} ({zone_name(self.zone, language)})"
        return said._replace(below=said.below.format(until=until))

    def _around(self, work: Work, closes_at: datetime) -> Around:
        said = self._said(closes_at, spoken(work.content.language))
        return Around(*map(work.wording.of, said))

    def write(self, work: Work, recipient: Delivery) -> str:
        """Return the text for one recipient. Their link is the same at each attempt, and when it is sent again."""
        content = work.content
        if content.closes_at is None:
            return content.text
        below = self._around(work, content.closes_at).below
        return f"{content.text}\n\n{self._link(work, recipient)}\n\n{below}"

    def text(self, work: Work, recipient: Delivery) -> str:
        """Return a text message for one recipient, with their link when the message asks something."""
        text = text_for(work, recipient)
        if work.content.closes_at is None:
            return text
        link = f"\n{self._link(work, recipient)}"
        return f"{cut(text.rstrip(), MAX_TEXT[Channel.SMS] - len(link))}{link}"

    def usual(self, language: str, *, once_per_family: bool) -> str:
        """Return what stands below a text in a language, for somebody with a name of usual length."""
        said = _AROUND[spoken(language)]
        above = said.plain if once_per_family else said.about.replace("{student}", _USUAL_NAME)
        return f"\n{above}\n{self.url}/{'x' * LENGTH}"

    def address(self, work: Work, recipient: Delivery) -> str:
        """Return where the recipient answers; empty when the message asks nothing."""
        content = work.content
        if content.survey_id is None or content.closes_at is None:
            return ""
        link = Link(content.survey_id, recipient.number, content.closes_at + LINK_KEPT)
        return f"{self.url}/{self.links.sign(link)}"

    def _link(self, work: Work, recipient: Delivery) -> str:
        content, address = work.content, self.address(work, recipient)
        if content.closes_at is None or not address:
            return ""
        # What stands for brothers and sisters is about none of them alone.
        student = "" if content.once_per_family else recipient.regarding_student_name
        said = self._around(work, content.closes_at)
        return f"{said.about.replace('{student}', student) if student else said.plain}\n{address}"
